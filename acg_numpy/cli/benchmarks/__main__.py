"""Measure in this process, which does nothing else: `acg bench` starts it, with threads pinned by the environment.

Its argument is the request, in JSON; it prints a line of JSON as soon as a case is done.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any


def main() -> None:
    """Answer the request."""
    request = json.loads(sys.argv[1])
    pin(request["threads"])
    from acg_numpy.cli.benchmarks.cases import Case  # not before there are fewer processors to see
    from acg_numpy.cli.benchmarks.timing import measure, measure_serving

    if "torch" in request["packages"]:
        import_torch(request["threads"])
    for sizes in request["cases"]:
        tell(measure(Case(*sizes), request["peers"], request["rounds"]))
    if request["served"] is not None:
        tell(measure_serving(request["serving"], request["rounds"], case=Case(*request["served"])))


def pin(threads: int) -> None:
    """Let this process see so many processors and no more: the one setting that every library obeys."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def import_torch(threads: int) -> None:
    """Give PyTorch as many threads, which it counts by itself."""
    from importlib import import_module

    import_module("torch").set_num_threads(threads)


def tell(measured: Any) -> None:
    """Print what was measured."""
    seconds = {name: found.tolist() for name, found in measured.seconds.items()}
    print(json.dumps({**measured._asdict(), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # of which the command that started this says what there is to say
        main()

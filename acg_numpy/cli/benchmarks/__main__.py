"""The measuring process, which does nothing else: `acg bench` starts it, with threads pinned by the environment.

Its argument is the request, in JSON; it prints a line of JSON as soon as a case is done.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any


def main() -> None:
    """Measure what the request asks for."""
    request = json.loads(sys.argv[1])
    _pin_processors(request["threads"])
    from acg_numpy.cli.benchmarks.cases import Case  # after the processors were pinned
    from acg_numpy.cli.benchmarks.timing import measure, measure_serving

    if "torch" in request["packages"]:
        _import_torch(request["threads"])
    for sizes in request["cases"]:
        _send(measure(Case(*sizes), request["peers"], request["rounds"]))
    if request["served"] is not None:
        _send(measure_serving(request["serving"], request["rounds"], case=Case(*request["served"])))


def _pin_processors(threads: int) -> None:
    """Restrict this process to so many processors: the one setting that every library obeys."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _import_torch(threads: int) -> None:
    """Import PyTorch with that many threads, because it counts processors by itself."""
    from importlib import import_module

    import_module("torch").set_num_threads(threads)


def _send(measured: Any) -> None:
    """Send a result to the process that asked for it, as a line of JSON."""
    seconds = {name: found.tolist() for name, found in measured.seconds.items()}
    sys.stdout.write(json.dumps({**measured._asdict(), "seconds": seconds}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # the command that started this process reports it
        main()

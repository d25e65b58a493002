"""`acg bench`: the speed of the conditioner on this machine, compared with the other libraries that are installed."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.options import Parser, Subcommands, whole_number
from acg_numpy.cli.printing import echo, echo_json
from acg_numpy.text import did_you_mean, paragraph, text_list, text_table

if TYPE_CHECKING:
    from acg_numpy.cli.benchmarks.cases import Case
    from acg_numpy.cli.benchmarks.timing import Timing
    from acg_numpy.shapes import Array

DESCRIPTION = """\
Time a step of training, from arrays to every gradient, and the same step in the other libraries that are installed, and
print how many times longer they take.

examples:
  acg bench                            eight cases and every peer: some minutes
  acg bench --quick                    three of them, fewer rounds
  acg bench --case 512,64,4,20,8       your own sizes: users, features, heads, domains, tokens
  acg bench --against MHA tables       compared with some peers only
"""

PEERS = """\
Peers are optional, and none comes with acg_numpy:  pip install torch jax autograd mygrad

Each gives the same condition and gradients, to 3e-5, before it is timed.  All run in one process, in turns, in float32,
on equally many processors; users come in random order, with new domains in each round; a number is the median over
rounds.  Other programs that run on the machine disturb some libraries more than others: stop them first.

exit codes: 0, measured; 1, a peer gave other numbers, or the measuring process ended; 2, wrong usage; 130, interrupted.
"""

BUSY = 0.5  # processors that other programs keep busy, beyond which the figures are doubtful
READING = (
    "A number is the peer's time over acg_numpy's: 12 means twelve times as long, and below 1 acg_numpy loses.",
    "'products' is the other way round, acg_numpy's time over that of its six bare matrix products: 1 would be a "
    "kernel whose softmax, sorting and sums cost nothing.",
    "Much of the difference to MHA is algebra, which any library may use: the difference to 'tables', 'brackets' and "
    "'layout', which use more and more of it, says how much.",
)


def add_parser(commands: Subcommands) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "bench",
        help="time the conditioner beside other libraries",
        usage="acg bench [options]",
        description=DESCRIPTION,
        epilog=PEERS,
    )
    parser.add_argument("--quick", action="store_true", help="three cases, few rounds")
    parser.add_argument(
        "--case",
        action="append",
        type=_parse_case,
        metavar="B,D,H,N,T",
        help="measure these sizes instead; may be repeated",
    )
    parser.add_argument("--against", nargs="+", metavar="PEER", help="compare with these peers only")
    parser.add_argument(
        "--rounds", type=whole_number(1), metavar="N", help="rounds of each case (default: 11; 3 with --quick)"
    )
    parser.add_argument("--threads", type=whole_number(1), default=2, metavar="N", help="processors for each library")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")


def _parse_case(text: str) -> "Case":
    """Read B,D,H,N,T."""
    from acg_numpy.cli.benchmarks.cases import Case

    try:
        case = Case(*(int(piece) for piece in text.split(",")))
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not five whole numbers, as in 512,64,4,20,8") from None
    if min(case) < 1 or case.dim % case.heads or case.tokens < 2:
        raise argparse.ArgumentTypeError(
            f"{text!r}: sizes are 1 or more, H divides D, and with one token there would be nothing to attend to"
        )
    return case


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the results, and return the exit code."""
    from acg_numpy.cli.benchmarks.cases import CASES, QUICK
    from acg_numpy.cli.benchmarks.peers import PEERS, SERVING
    from acg_numpy.cli.benchmarks.timing import SERVED

    parser: Parser = arguments.parser
    if arguments.quick and arguments.case:
        parser.error("--quick chooses the cases; leave it out beside --case")
    known = {**PEERS, **SERVING}
    chosen = arguments.against or list(known)
    for name in chosen:
        if name not in known:
            parser.error(
                f"--against: there is no peer {name!r} among {', '.join(map(repr, known))}"
                + did_you_mean(name, known, head="; ")
            )
    cases = arguments.case or (QUICK if arguments.quick else CASES)
    served = None if arguments.quick or arguments.case else SERVED
    request = build_request(
        chosen, cases, served, arguments.rounds or (3 if arguments.quick else 11), arguments.threads
    )
    found = []
    for one in run_measurements(request):
        found.append(one)
        if sys.stderr.isatty():
            echo(f"measured {one.case}", file=sys.stderr)
    missing = [name for name in chosen if not known[name].installed]
    if arguments.json:
        echo_json(_results_as_json(found, missing, request))
    else:
        echo(*_result_lines(found, missing, request))
    return 1 if any(one.disagreed for one in found) else 0


def build_request(
    chosen: Sequence[str], cases: "Sequence[Case]", served: "Case | None", rounds: int, threads: int = 2
) -> dict[str, Any]:
    """Build the request to the measuring process, with those of the chosen peers that are installed."""
    from acg_numpy.cli.benchmarks.peers import PEERS, SERVING

    known = {**PEERS, **SERVING}
    peers, serving = ([name for name in chosen if name in kind and kind[name].installed] for kind in (PEERS, SERVING))
    return {
        "cases": cases if peers else (),
        "served": served if serving else None,
        "peers": peers,
        "serving": serving,
        "packages": sorted({known[name].package or "numpy" for name in (*peers, *serving)}),
        "rounds": rounds,
        "threads": min(threads, os.cpu_count() or 1),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,  # before this command adds to it
    }


def run_measurements(request: dict[str, Any]) -> "Iterator[Timing]":
    """Measure in a process of its own, since libraries count their threads when they are loaded."""
    import numpy as np

    from acg_numpy.cli.benchmarks.cases import Case
    from acg_numpy.cli.benchmarks.timing import Timing

    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(counts, str(request["threads"])), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "acg_numpy.cli.benchmarks", json.dumps(request)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            seconds = {name: np.array(rounds) for name, rounds in answer["seconds"].items()}
            yield Timing(**{**answer, "case": Case(*answer["case"]), "seconds": seconds})
    if process.returncode:
        raise ChildProcessError(None, f"the measuring process ended with code {process.returncode}", "acg bench")


def time_ratio(one: "Timing", name: str) -> float | None:
    """Return the peer's time over acg_numpy's, the median over rounds; for the products the other way round."""
    import numpy as np

    if name not in one.seconds:
        return None
    ours, theirs = _own_and_peer_seconds(one, name)
    return float(np.median(theirs / ours))


def _own_and_peer_seconds(one: "Timing", name: str) -> "tuple[Array, Array]":
    """Return acg_numpy's seconds and the peer's, exchanged for the products: so that ratios of both read alike."""
    from acg_numpy.cli.benchmarks.peers import OURS, PRODUCTS

    ours, theirs = one.seconds[OURS], one.seconds[name]
    return (theirs, ours) if name == PRODUCTS else (ours, theirs)


def mean_ratios(found: "Sequence[Timing]", names: Sequence[str]) -> dict[str, float]:
    """Return the geometric mean of each peer over the cases in which it was measured."""
    from acg_numpy.cli.benchmarks.timing import geometric_mean

    columns = {name: [r for one in found if (r := time_ratio(one, name)) is not None] for name in names}
    return {name: geometric_mean(column) for name, column in columns.items() if column}


def _results_as_json(found: "Sequence[Timing]", missing: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    """Return the results as JSON takes them."""
    import numpy as np

    from acg_numpy.cli.benchmarks.peers import OURS, PEERS, SERVING

    known = {**PEERS, **SERVING}
    rows = []
    for one in found:
        both = {name: _own_and_peer_seconds(one, name) for name in one.seconds if name != OURS}
        rows.append(
            {
                "case": one.case._asdict(),
                "serving": _is_serving(one),
                "ratios": {name: time_ratio(one, name) for name in both},
                "quartiles": {
                    n: np.quantile(theirs / ours, (0.25, 0.75)).tolist() for n, (ours, theirs) in both.items()
                },
                "of_fastest_rounds": {n: float(theirs.min() / ours.min()) for n, (ours, theirs) in both.items()},
                "failed": one.failed,
            }
        )
    return {
        "versions": _package_versions(request["packages"]),
        "threads": request["threads"],
        "rounds": request["rounds"],
        "load_before": request["load"],
        "cases": rows,
        "geometric_means": mean_ratios([one for one in found if not _is_serving(one)], request["peers"]),
        "missing": {name: known[name].package for name in missing},
    }


def _is_serving(one: "Timing") -> bool:
    """Return whether this is the row of all users in all domains."""
    from acg_numpy.cli.benchmarks.peers import SERVING

    return any(name in SERVING for name in (*one.seconds, *one.failed))


def _result_lines(found: "Sequence[Timing]", missing: Sequence[str], request: dict[str, Any]) -> Iterator[str]:
    """Yield the table, what its columns are, how to read it, and which peers are missing."""
    from acg_numpy.cli.benchmarks.peers import PEERS, SERVING

    known = {**PEERS, **SERVING}
    training = [one for one in found if not _is_serving(one)]
    installed = ", ".join(f"{package} {version}" for package, version in _package_versions(request["packages"]).items())
    yield from _wrapped_lines(
        f"A step of training, forward and backward, every gradient: float32, threads: {request['threads']}, "
        f"{request['rounds']} rounds, {installed}."
    )
    yield ""
    names = request["peers"]
    mean = mean_ratios(training, names)
    yield from text_table(
        [
            ("users", "D", "H", "domains", "tokens", *names),
            *(
                (*map("{:,}".format, one.case), *(format_ratio(time_ratio(one, name)) for name in names))
                for one in training
            ),
            ("geometric mean", "", "", "", "", *(format_ratio(mean.get(name)) for name in names)),
        ]
    )
    for one in found:
        if _is_serving(one):
            yield ""
            users, dim, _, domains, _ = one.case
            yield from _wrapped_lines(f"The conditions of {users:,} users in {domains} domains, D = {dim}, in eval:")
            yield from (f"  {name}  {format_ratio(time_ratio(one, name))}" for name in request["serving"])
    columns = [*names, *(request["serving"] if request["served"] else [])]
    yield from text_list("How to read it", READING)
    if request["load"] > BUSY:
        yield from text_list(
            "Doubtful",
            [
                f"In the minute before, other programs kept {request['load']:.1f} processors busy. Libraries whose "
                "threads wait for one another suffer most from that; measure again when the machine is idle."
            ],
        )
    yield from text_list("The peers", [f"{name}: {known[name].description}" for name in columns])
    yield from text_list(
        "Not measured",
        [
            *(
                f"{', '.join(name for name in missing if known[name].package == package)}: {package} is not installed; "
                f"pip install {package}"
                for package in dict.fromkeys(known[name].package for name in missing)
            ),
            *(f"{name} at {one.case}: {why}" for one in found for name, why in one.failed.items()),
        ],
    )


def _wrapped_lines(text: str) -> list[str]:
    return paragraph(text).split("\n")


def format_ratio(number: float | None) -> str:
    """Format a ratio with as many digits as are significant."""
    return "-" if number is None else f"{number:.2f}" if number < 9.95 else f"{number:.0f}"


def _package_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of NumPy and of the peers."""
    from importlib.metadata import version

    return {package: version(package) for package in dict.fromkeys(("numpy", *packages))}

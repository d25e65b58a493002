"""`acg bench`: how fast is the conditioner on this machine, beside whatever else is installed?"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from acg_numpy.cli.options import Parser, Subcommands, whole
from acg_numpy.text import paragraph, text_list, text_table

if TYPE_CHECKING:
    from acg_numpy.cli.benchmarks.cases import Case
    from acg_numpy.cli.benchmarks.timing import Measured
    from acg_numpy.shapes import Array

DESCRIPTION = """\
Time a step of training, from arrays to every gradient, beside the same step in whatever other libraries are installed,
and print how many times longer they take.

examples:
  acg bench                            eight cases beside every peer: some minutes
  acg bench --quick                    three of them, fewer rounds
  acg bench --case 512,64,4,20,8       sizes of your own: users, features, heads, domains, tokens
  acg bench --against MHA tables       beside some peers only
"""

PEERS = """\
Peers are optional, and none comes with acg_numpy:  pip install torch jax autograd mygrad

Each gives the same condition and gradients, to 3e-5, before it is timed.  All run in one process, in turns, float32, on
as many processors; users come in no order, their domains new in each round; a number is the median over rounds.
Another program at work on the machine disturbs all of them, and not all alike: let it rest meanwhile.

exit codes: 0, measured; 1, a peer gave other numbers, or the measuring process ended; 2, wrong usage; 130, interrupted.
"""

BUSY = 0.5  # processors at work for others, beyond which there is doubt
READING = (
    "A number is the peer's time over acg_numpy's: 12 means twelve times as long, and below 1 acg_numpy loses.",
    "'products' is the other way round, acg_numpy's time over that of its six bare matrix products: 1 would be a "
    "kernel whose softmax, sorting and sums cost nothing.",
    "Much of the distance to MHA is algebra, which anyone may use: the distance to 'tables', 'brackets' and "
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
    parser.set_defaults(parser=parser)
    parser.add_argument("--quick", action="store_true", help="three cases, few rounds")
    parser.add_argument(
        "--case", action="append", type=sizes, metavar="B,D,H,N,T", help="measure these sizes instead; may be repeated"
    )
    parser.add_argument("--against", nargs="+", metavar="PEER", help="beside these peers only")
    parser.add_argument("--rounds", type=whole(1), metavar="N", help="of each case (default: 11; 3 with --quick)")
    parser.add_argument("--threads", type=whole(1), default=2, metavar="N", help="processors, the same for all")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")


def sizes(text: str) -> "Case":
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
    """Measure, print, and return the exit code."""
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
            parser.error(f"--against: there is no {name!r} among {', '.join(map(repr, known))}")
    cases = arguments.case or (QUICK if arguments.quick else CASES)
    served = None if arguments.quick or arguments.case else SERVED
    request = ask(chosen, cases, served, arguments.rounds or (3 if arguments.quick else 11), arguments.threads)
    found = []
    for one in measured(request):
        found.append(one)
        if sys.stderr.isatty():
            print(f"measured {one.case}", file=sys.stderr)
    missing = [name for name in chosen if not known[name].installed]
    if arguments.json:
        print(json.dumps(as_json(found, missing, request), indent=2))
    else:
        print("\n".join(as_told(found, missing, request)))
    return 1 if any(one.disagreed for one in found) else 0


def ask(
    chosen: Sequence[str], cases: "Sequence[Case]", served: "Case | None", rounds: int, threads: int = 2
) -> dict[str, Any]:
    """What the measuring process is told: of those chosen whoever is installed."""
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
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,  # before there is any of ours
    }


def measured(request: dict[str, Any]) -> "Iterator[Measured]":
    """Measure in a process of its own, since libraries count their threads when they are loaded."""
    import numpy as np

    from acg_numpy.cli.benchmarks.cases import Case
    from acg_numpy.cli.benchmarks.timing import Measured

    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(counts, str(request["threads"])), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "acg_numpy.cli.benchmarks", json.dumps(request)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            seconds = {name: np.array(rounds) for name, rounds in told["seconds"].items()}
            yield Measured(**{**told, "case": Case(*told["case"]), "seconds": seconds})
    if process.returncode:
        raise ChildProcessError(None, f"the measuring process ended with code {process.returncode}", "acg bench")


def ratio(one: "Measured", name: str) -> float | None:
    """Their time over ours, the median over rounds; for the products ours over theirs."""
    import numpy as np

    if name not in one.seconds:
        return None
    ours, theirs = sides(one, name)
    return float(np.median(theirs / ours))


def sides(one: "Measured", name: str) -> "tuple[Array, Array]":
    """Seconds of ours and theirs, in exchanged places for the products: a peer's time and a floor are read alike."""
    from acg_numpy.cli.benchmarks.peers import OURS, PRODUCTS

    ours, theirs = one.seconds[OURS], one.seconds[name]
    return (theirs, ours) if name == PRODUCTS else (ours, theirs)


def means(found: "Sequence[Measured]", names: Sequence[str]) -> dict[str, float]:
    """The geometric mean of each peer over the cases in which it was measured."""
    from acg_numpy.cli.benchmarks.timing import geometric_mean

    columns = {name: [r for one in found if (r := ratio(one, name)) is not None] for name in names}
    return {name: geometric_mean(column) for name, column in columns.items() if column}


def as_json(found: "Sequence[Measured]", missing: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    """What was measured, for a program."""
    import numpy as np

    from acg_numpy.cli.benchmarks.peers import OURS, PEERS, SERVING

    known = {**PEERS, **SERVING}
    rows = []
    for one in found:
        both = {name: sides(one, name) for name in one.seconds if name != OURS}
        rows.append(
            {
                "case": one.case._asdict(),
                "serving": is_serving(one),
                "ratios": {name: ratio(one, name) for name in both},
                "quartiles": {
                    n: np.quantile(theirs / ours, (0.25, 0.75)).tolist() for n, (ours, theirs) in both.items()
                },
                "of_fastest_rounds": {n: float(theirs.min() / ours.min()) for n, (ours, theirs) in both.items()},
                "failed": one.failed,
            }
        )
    return {
        "versions": versions(request["packages"]),
        "threads": request["threads"],
        "rounds": request["rounds"],
        "load_before": request["load"],
        "cases": rows,
        "geometric_means": means([one for one in found if not is_serving(one)], request["peers"]),
        "missing": {name: known[name].package for name in missing},
    }


def is_serving(one: "Measured") -> bool:
    """Whether this is the row of all users in all domains."""
    from acg_numpy.cli.benchmarks.peers import SERVING

    return any(name in SERVING for name in (*one.seconds, *one.failed))


def as_told(found: "Sequence[Measured]", missing: Sequence[str], request: dict[str, Any]) -> Iterator[str]:
    """The table, what the columns are, how to read it, and who is not there."""
    from acg_numpy.cli.benchmarks.peers import PEERS, SERVING

    known = {**PEERS, **SERVING}
    training = [one for one in found if not is_serving(one)]
    installed = ", ".join(f"{package} {version}" for package, version in versions(request["packages"]).items())
    yield paragraph(
        f"A step of training, forward and backward, every gradient: float32, threads: {request['threads']}, "
        f"{request['rounds']} rounds, {installed}."
    )
    yield ""
    names = request["peers"]
    mean = means(training, names)
    yield from text_table(
        [
            ("users", "D", "H", "domains", "tokens", *names),
            *((*map("{:,}".format, one.case), *(shown(ratio(one, name)) for name in names)) for one in training),
            ("geometric mean", "", "", "", "", *(shown(mean.get(name)) for name in names)),
        ]
    )
    for one in found:
        if is_serving(one):
            yield ""
            users, dim, _, domains, _ = one.case
            yield paragraph(f"The conditions of {users:,} users in {domains} domains, D = {dim}, in eval:")
            yield from (f"  {name}  {shown(ratio(one, name))}" for name in request["serving"])
    shown_names = [*names, *(request["serving"] if request["served"] else [])]
    yield from text_list("How to read it", READING)
    if request["load"] > BUSY:
        yield from text_list(
            "Doubt",
            [
                f"In the minute before, other programs kept {request['load']:.1f} processors busy. Libraries whose "
                "threads wait for one another suffer most from that; measure again when the machine rests."
            ],
        )
    yield from text_list("Who is who", [f"{name}: {known[name].meaning}" for name in shown_names])
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


def shown(number: float | None) -> str:
    """A ratio in as many digits as it is good for."""
    return "-" if number is None else f"{number:.2f}" if number < 9.95 else f"{number:.0f}"


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of NumPy and of the peers."""
    from importlib.metadata import version

    return {package: version(package) for package in dict.fromkeys(("numpy", *packages))}

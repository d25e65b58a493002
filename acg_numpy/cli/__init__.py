"""The `acg` command.

Results go to standard output, everything else to standard error.  It exits with 0; with 1 when the job failed (a file
that cannot be used, a folder that cannot be written) or a gradient is wrong; with 2 when it was called wrongly; with
130 after Ctrl-C or SIGTERM, and training then leaves a state from which the same command with --resume goes on.

Only what every command needs is imported here; a command imports what it runs when it runs, so that help is quick.
"""

import argparse
import io
import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType
from typing import Any

from acg_numpy.cli.capture import end_after_user_code, own_process
from acg_numpy.cli.commands import (
    bench,
    condition,
    demo,
    evaluate,
    explore,
    export,
    extend,
    gradcheck,
    grade,
    handout,
    inspect,
    learn,
    properties,
    recommend,
    split,
    train,
    tutorials,
)
from acg_numpy.cli.options import Parser, Subcommands, add_threads
from acg_numpy.cli.printing import echo
from acg_numpy.num_threads import command_threads
from acg_numpy.text import did_you_mean

COMMANDS: dict[str, ModuleType] = {
    "demo": demo,
    "inspect": inspect,
    "split": split,
    "train": train,
    "recommend": recommend,
    "evaluate": evaluate,
    "explore": explore,
    "condition": condition,
    "export": export,
    "extend": extend,
    "gradcheck": gradcheck,
    "properties": properties,
    "tutorials": tutorials,
    "learn": learn,
    "handout": handout,
    "grade": grade,
    "bench": bench,
}

EXAMPLES = """\
Cross-attention in NumPy: learn how its gradients work, check backward passes, and recommend across domains.

examples:
  acg demo                             train a conditioner on a built-in world, and explain the results
  acg train taken.csv --out runs/1     train on your own interactions (columns user, item, domain)
  acg recommend runs/1 --user ann      items for a user, and where attention went
  acg evaluate runs/1 --interactions later.csv      how well does it rank what users took since?
  acg explore runs/1 --out page.html   a page for exploring attention, user by user
  acg condition runs/1/checkpoint.npz --interactions new.csv --out new.npy      vectors for new users
  acg export runs/1 --to onnx --out served      what another program needs to serve it
  acg gradcheck mine.py:forward,backward --inputs "3x4, 4x2"      is my backward pass right, and if not, why?
  acg properties mine.py:softmax --kind softmax      is it a softmax, whatever the scores?
  acg tutorials --to book              the book, as notebooks
  acg learn practice                   its exercises one after another, checked at every save
  acg train --help                     every option of a command

Results go to standard output, everything else to standard error.  Exit codes: 0, it worked; 1, the job failed, and
standard error says why; 2, wrong usage; 130, interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the name of the command; by default those of the process.

    Returns
    -------
    int
        The exit code.  By default, a command that ran other people's code ends the process itself.

    Examples
    --------
    >>> main(["demo", "--epochs", "0"])
    2
    """
    if argv is not None:
        return _answer(list(argv))
    own_process()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the program that calls: what is printed goes nowhere
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    code = _answer(sys.argv[1:])
    end_after_user_code(code)
    return code


def _answer(arguments: list[str]) -> int:
    """Run the command, and return the exit code."""
    parser = _parser()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that the terminal lacks is shown as its code
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
            parser.error(f"there is no command {arguments[0]!r}{did_you_mean(arguments[0], COMMANDS, head='; ')}")
        return _run(parser.parse_args(arguments), arguments)
    except SystemExit as stop:  # argparse has printed the message
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _failed("interrupted", code=130)


def _run(chosen: argparse.Namespace, arguments: Sequence[str]) -> int:
    threads = vars(chosen).pop("blas_threads", None)  # no command computes anything else for it, so none records it
    try:
        with (
            _one_line_warnings(),
            command_threads(threads),
            _interrupted_by_sigterm(),
            _drawing_to_files(chosen.command),
        ):
            code: int | None = COMMANDS[chosen.command].run(chosen)
        sys.stdout.flush()
        return code or 0
    except BrokenPipeError:  # what reads the results has ended, so nothing can be reported
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as stop:
        # not imported, because it loads SciPy, which may not be installed: nothing was trained if it is not loaded
        training = sys.modules.get("acg_numpy.recommender.training")
        if training is None or not isinstance(stop, training.Interrupted):
            raise
        again = shlex.join(["acg", *(word for word in arguments if word != "--resume"), "--resume"])
        return _failed(f"interrupted; go on with: {again}", code=130)
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        return _failed(message)


def _explain(error: Exception) -> str | None:
    """Put an error that a user can do something about into words; None for a bug of this package."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({str(error) or 'the system does not say for what'})"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {(error.strerror or str(error)).lower()}"
    try:
        from acg_numpy.interop.libraries import MissingLibraryError
        from acg_numpy.recommender.data import CheckpointError, DataError
        from acg_numpy.scale import ClusterError
    except ImportError:  # SciPy is not installed: the error is of a command that runs without it, and not one of these
        return None

    clear = DataError | CheckpointError | FloatingPointError | MissingLibraryError | ClusterError
    return str(error) if isinstance(error, clear) else None


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Print each warning once, in words, without the line of code that it came from."""
    printed: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            echo(f"acg: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, unless the process was told to ignore it or the program that calls has a use for it."""
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _drawing_to_files(command: str) -> Iterator[None]:
    """Let Matplotlib draw to files, whatever windows MPLBACKEND asks for; notebooks that are opened keep it."""
    asked = os.environ.get("MPLBACKEND")
    if asked is None or command == "tutorials":
        yield
        return
    os.environ["MPLBACKEND"] = "agg"
    try:
        yield
    finally:
        os.environ["MPLBACKEND"] = asked


def _parser() -> Parser:
    parser = Parser(prog="acg", description=EXAMPLES, usage="acg COMMAND [options]")
    parser.add_argument("--version", action="version", version=f"acg_numpy {version('acg_numpy')}")
    commands: Subcommands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, prog="acg"
    )
    for module in COMMANDS.values():
        module.add_parser(commands)
    for name, command in commands.choices.items():
        if name != "bench":  # which measures with threads of its own
            add_threads(command)
    return parser


def _failed(message: str, *, code: int = 1) -> int:
    echo(f"acg: {' '.join(message.splitlines())}", file=sys.stderr)
    return code

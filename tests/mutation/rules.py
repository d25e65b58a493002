"""Mutation tests of the rules: break every rule in every small way, and see whether a test fails.

    python -m tests.mutation.rules [--only NAME] [--sample N --seed S] [--again OUTPUT]

The tests are collected once, and run once to see which of them reach which lines.  Then, for each mutant (`mutants`),
a forked child puts the mistaken module in place of the right one and runs the tests that reach the changed line, the
quickest first, until one fails.  No other tests are run than `tests/properties/test_rules*.py`.  A mutant that no test
can tell from the right program is listed in `equivalent.toml`, with the reason.
"""

import argparse
import ast
import contextlib
import importlib
import os
import random
import resource
import signal
import sys
import time
import tomllib
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mutation.mutants import Mutant, mutants_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ROOT / "acg_numpy" / "autograd" / "rules"
SECONDS = 60  # of processor time for a mutant: several times what all tests take together
MEMORY = 8 << 30
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"


# A mistake is put in place.


def install(tree: ast.Module, module: types.ModuleType) -> None:
    """Run a module again from its changed tree, so that holders of its objects see the change.

    Others hold functions of the module, and the table's entries; both stay the objects they are, with new content.
    """
    from acg_numpy.autograd.table import TABLE

    names, entries = dict(vars(module)), dict(TABLE)
    for key, entry in entries.items():
        if str(module.__file__) in _written_in(entry):
            del TABLE[key]  # it comes back, if the changed module still registers it
    exec(compile(tree, str(module.__file__), "exec"), vars(module))
    for name, old in names.items():
        new = vars(module).get(name)
        if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType) and old is not new:
            _refill(old, new)
    by_name = {_known_as(key): key for key in entries}
    for key, entry in list(TABLE.items()):
        known = by_name.get(_known_as(key))
        old = entries.get(known)
        if old is not None and old is not entry and type(old) is type(entry) and hasattr(entry, "__slots__"):
            for slot in type(entry).__slots__:
                setattr(old, slot, getattr(entry, slot))
            TABLE[key] = TABLE[known] = old


def _written_in(entry: Any) -> set[str]:
    """Return the files of the functions that an entry consists of."""
    rules = getattr(entry, "rules", None)
    functions = (rules.rule,) if hasattr(rules, "rule") else rules or (getattr(entry, "function", None),)
    return {f.__code__.co_filename for f in functions if hasattr(f, "__code__")}


def _refill(old: types.FunctionType, new: types.FunctionType) -> None:
    if len(old.__code__.co_freevars) == len(new.__code__.co_freevars) == 0:
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _known_as(key: Any) -> Any:
    """Return a key that stays the same when the module runs again.

    A rule may be for a function of the rules' own, of which there is another one then.
    """
    own = isinstance(key, types.FunctionType) and (key.__module__ or "").startswith("acg_numpy.autograd.rules")
    return (key.__module__, key.__qualname__) if own else key


# The tests are run.


def run(item: pytest.Item) -> None:
    """Run one test as pytest does, but without a report of how it failed."""
    setup = item.session._setupstate
    with warnings.catch_warnings(), np.errstate():
        warnings.simplefilter("error")
        try:
            setup.setup(item)
            item.runtest()
        finally:
            setup.teardown_exact(None)


def lines_reached(call: Callable[[], None]) -> set[tuple[str, int]]:
    """Return which lines of the rules run in a call."""
    reached: set[tuple[str, int]] = set()
    files: dict[str, str | None] = {}

    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        path = frame.f_code.co_filename
        if path not in files:
            files[path] = Path(path).name if Path(path).parent == RULES else None
        file = files[path]
        if file is None:
            return None
        reached.add((file, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return reached


def in_a_child(work: Callable[[], None], seconds: int = SECONDS) -> str:
    """Return whether work fails, ends well, or does not end; whatever it does, it does to a copy of this process."""
    sys.stdout.flush()
    with warnings.catch_warnings():  # of threads, which a child does not have: none of ours runs one meanwhile
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 0
        try:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                work()
        except BaseException:
            code = 1
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return TIMED_OUT if os.WTERMSIG(status) == signal.SIGPROF else KILLED
    return KILLED if os.WEXITSTATUS(status) else SURVIVED


class Tests:
    """The tests, collected, and which lines each of them reaches."""

    def __init__(self, items: list[pytest.Item]) -> None:
        self.by_line: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.items, self.seconds = items, []
        for number, item in enumerate(items):
            began = time.process_time()
            for line in lines_reached(lambda item=item: run(item)):
                self.by_line[line].add(number)
            self.seconds.append(time.process_time() - began)

    def that_reach(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests that reach a mutant, quickest first.

        Where no call reaches the line, as at the head of a module, these are all that use the file.
        """
        numbers = set().union(*(self.by_line[mutant.file, line] for line in mutant.lines))
        if not numbers and mutant.function == "module":
            numbers = set().union(*(tests for (file, _), tests in self.by_line.items() if file == mutant.file))
        return [self.items[i] for i in sorted(numbers, key=lambda i: self.seconds[i])]


class Plugin:
    """Takes the collected tests from pytest, and does its own with them."""

    def __init__(self, work: Callable[[list[pytest.Item]], None]) -> None:
        self.work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.work(session.items)
        return True


# The verdict.


def known_equivalents() -> dict[str, str]:
    """Return what `equivalent.toml` lists, and why."""
    listed = tomllib.loads((HERE / "equivalent.toml").read_text())["equivalent"]
    return {key: reason["why"] for reason in listed for key in reason["mutants"]}


def all_mutants() -> tuple[dict[str, ast.Module], list[Mutant]]:
    """Return every mutant of every module of rules, and the trees to apply them to."""
    trees = {path.name: ast.parse(path.read_text()) for path in sorted(RULES.glob("*.py"))}
    trees = {file: tree for file, tree in trees.items() if file not in ("__init__.py", "nondifferentiable.py")}
    return trees, [mutant for file, tree in trees.items() for mutant in mutants_of(tree, file)]


def judge(items: list[pytest.Item], trees: dict[str, ast.Module], chosen: Iterable[Mutant]) -> Counter[str]:
    """Try every chosen mutant, print what lives, and count."""
    tests, equivalent, verdicts = Tests(items), known_equivalents(), Counter[str]()
    print(f"{len(items)} tests, {sum(tests.seconds):.0f} s under the tracer", flush=True)
    for mutant in chosen:
        reaching = tests.that_reach(mutant)

        def work(mutant: Mutant = mutant, reaching: list[pytest.Item] = reaching) -> None:
            with mutant.applied():
                install(trees[mutant.file], importlib.import_module(f"acg_numpy.autograd.rules.{mutant.file[:-3]}"))
            for item in reaching:
                run(item)

        verdict = in_a_child(work)
        if verdict == SURVIVED and mutant.key in equivalent:
            verdict = "equivalent"
        elif verdict != SURVIVED and mutant.key in equivalent:
            print(f"listed as equivalent, but {verdict}: {mutant.short}", flush=True)
        elif verdict != KILLED:
            print(f"{verdict} ({len(reaching)} tests): {mutant.short}", flush=True)
        verdicts[verdict] += 1
    return verdicts


def main(arguments: list[str] | None = None) -> int:
    """Ask the command line, run, and say how many were killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.rules", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help="mutants whose file or function has this in its name")
    parser.add_argument("--sample", type=int, help="so many of them, chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", type=Path, help="mutants that lived in an earlier run, whose output this file holds")
    parser.add_argument("--list", action="store_true", help="name the mutants, and run nothing")
    options = parser.parse_args(arguments)

    trees, mutants = all_mutants()
    unknown = known_equivalents().keys() - {mutant.key for mutant in mutants}
    for key in sorted(unknown):
        print("listed as equivalent, but no such mutant is made any more:", key)
    chosen = [m for m in mutants if not options.only or options.only in f"{m.file} {m.function}"]
    if options.again:
        lived = {line.partition("): ")[2] for line in options.again.read_text().splitlines()}
        chosen = [m for m in chosen if m.short in lived]
    if options.sample and options.sample < len(chosen):
        chosen = sorted(random.Random(options.seed).sample(chosen, options.sample))
    if options.list:
        print(*(mutant.short for mutant in chosen), sep="\n")
        return 0
    verdicts: Counter[str] = Counter()
    plugin = Plugin(lambda items: verdicts.update(judge(items, trees, chosen)))
    tests = sorted(str(path) for path in (ROOT / "tests" / "properties").glob("test_rules*.py"))
    how = ["-o", "addopts=", "--import-mode=importlib", "-q", "-s", "--no-header", "-p", "no:cacheprovider"]
    pytest.main([*how, *tests], plugins=[plugin])
    judged = sum(verdicts.values()) - verdicts["equivalent"]
    found = verdicts[KILLED] + verdicts[TIMED_OUT]
    print(
        f"{len(mutants)} mutants, {len(chosen)} tried: {verdicts[KILLED]} killed, {verdicts[TIMED_OUT]} timed out, "
        f"{verdicts[SURVIVED]} survived, {verdicts['equivalent']} equivalent; {found / max(judged, 1):.1%} killed"
    )
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())

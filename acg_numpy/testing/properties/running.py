"""Running a property: Hypothesis looks for an exception, and the smallest one becomes a PropertyViolation."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException

from acg_numpy.testing.properties.comparing import Difference
from acg_numpy.testing.violation import PropertyViolation

Example: TypeAlias = dict[str, Any]
ROUND = 10  # examples before starting afresh: Hypothesis goes on to vary each of its examples five times, and of fifty
# in one go some fifteen have shapes of their own, of five times ten some forty

PHASES = (Phase.generate, Phase.shrink)  # nothing replayed from elsewhere, and no explanations
UNFIT = {"nested_given", "differing_executors", "too_slow"}  # health checks of tests, which this is not

# Within a property test Hypothesis refuses to make another one, whatever the settings of the inner one are.  So it is
# made once, and in a thread of its own, as this module may be imported within a property test too.
with ThreadPoolExecutor(1) as elsewhere:
    GIVEN = elsewhere.submit(hypothesis.given, st.data()).result()

UNCHANGED = "The inputs are left as they were."
REPEATABLE = "Asked again, whatever was asked in between, it gives the same output."
Claim: TypeAlias = Callable[..., None]
Draws: TypeAlias = Callable[[Any], st.SearchStrategy[Example] | None]


@dataclass(frozen=True)
class Effort:
    """How hard to look, and for which properties.

    Attributes
    ----------
    max_examples : int
        Examples a property.
    seed : int or None
        What they are drawn from: the same ones in every run, unless it is None.
    only : collection of str or None
        The names of the properties to look at; None for all.
    """

    max_examples: int
    seed: int | None
    only: Collection[str] | None


@dataclass(frozen=True)
class Property:
    """A statement about every implementation of an operation, and how it is looked into.

    Attributes
    ----------
    name : str
        Short, for `only=`.
    sentence : str
        The property in words.
    draws : callable
        From an operation's settings, the strategy for examples: each a dict of the claim's keywords.  None where the
        settings leave nothing to look at.
    claim : callable
        `claim(implementation, settings, **example)` raises `Difference` where the statement does not hold.
    """

    name: str
    sentence: str
    draws: Draws
    claim: Claim


def stating(properties: list[Property]) -> Callable[[str, str, Draws], Callable[[Claim], Claim]]:
    """A decorator that adds claims to the properties of an operation, in the order in which they are looked into."""

    def state(name: str, sentence: str, draws: Draws) -> Callable[[Claim], Claim]:
        def add(claim: Claim) -> Claim:
            properties.append(Property(name, sentence, draws, claim))
            return claim

        return add

    return state


def run_all(properties: Sequence[Property], implementation: Any, settings: Any, effort: Effort) -> None:
    """Look into each property; raise at the first that is violated.

    Raises
    ------
    PropertyViolation
    ValueError
        Where `only` names what is no property.
    """
    __tracebackhide__ = True
    names = [each.name for each in properties]
    if unknown := set(effort.only or ()) - set(names):
        raise ValueError(f"only={sorted(unknown)} is no property; expected some of {', '.join(names)}")
    for each in properties:
        if effort.only is None or each.name in effort.only:
            run(each, implementation, settings, effort)


def run(property: Property, implementation: Any, settings: Any, effort: Effort) -> None:
    """Look into one property.

    Raises
    ------
    PropertyViolation
        With the smallest counterexample, and from the implementation's own exception if it raised one.
    """
    __tracebackhide__ = True
    examples = property.draws(settings)
    if examples is None:
        return
    found: list[tuple[PropertyViolation, BaseException | None]] = []

    def look(example: Example) -> None:
        before = {name: _kept(value) for name, value in example.items() if value is not None}
        remarks = {name: _layout(example[name]) for name in before}
        cause: Exception | None = None
        try:
            with _unwarned():
                property.claim(implementation, settings, **example)
        except Difference as difference:
            expected, got = difference.expected, difference.got
        except HypothesisException:
            raise
        except Exception as error:
            expected, got = "no exception, for these inputs are valid", f"{type(error).__name__}: {error}"
            cause = error
        else:
            return
        violation = PropertyViolation(property.sentence, before, expected, got, name=property.name, remarks=remarks)
        found.append((violation, cause))
        raise Found

    for done in range(0, effort.max_examples, ROUND):
        if not found:
            seed = None if effort.seed is None else effort.seed + done
            search(examples, look, min(ROUND, effort.max_examples - done), seed)
    if found:
        violation, cause = found[-1]
        raise violation from cause


class Found(Exception):
    """Tells Hypothesis that an example is a counterexample."""


def search(examples: st.SearchStrategy[Any], look: Callable[[Any], None], max_examples: int, seed: int | None) -> None:
    """Show examples to `look` until it raises `Found`, and then smaller and smaller ones, the smallest last.

    Settings that a caller's profile or an enclosing `@given` may have made do not matter here: a check is as thorough
    as its arguments say, remembers nothing, and may be called within another property test.
    """
    quiet = hypothesis.settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        phases=PHASES,
        verbosity=hypothesis.Verbosity.normal,
        suppress_health_check=[check for check in HealthCheck if check.name in UNFIT],
    )
    # Flaky: it went wrong, and at the second look did not.  An implementation that answers differently when asked again
    # is wrong as well, and what it answered is on record.
    with suppress(Found, Flaky):
        test = quiet(GIVEN(lambda data: look(data.draw(examples))))
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        test()


@contextmanager
def _unwarned() -> Iterator[None]:
    """Floating-point warnings are no violation, except where a property says so: the numbers are what is compared."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _kept(value: Any) -> Any:
    """The value as it is now: an implementation may write into what it is given."""
    return np.array(value, order="K") if isinstance(value, np.ndarray) else value


def _layout(value: Any) -> str:
    """What cannot be seen in an array's numbers."""
    if not isinstance(value, np.ndarray) or value.size == 0:
        return ""
    words = []
    if any(stride < 0 for stride in value.strides):
        words.append("negative strides")
    elif not value.flags.c_contiguous:
        words.append("Fortran-ordered" if value.flags.f_contiguous else "not contiguous")
    if not value.flags.writeable:
        words.append("read-only")
    return ", ".join(words)

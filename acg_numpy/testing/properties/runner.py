"""The search for a counterexample: Hypothesis finds and shrinks it, and it becomes a PropertyViolation."""

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

from acg_numpy.checks.contract.returned import odd_array
from acg_numpy.testing.properties.expectations import Difference
from acg_numpy.testing.violation import PropertyViolation
from acg_numpy.text import joined

Example: TypeAlias = dict[str, Any]
# Examples before a new search begins.  Hypothesis varies each of its examples five times, so that of fifty in one
# search some fifteen have shapes of their own, of five times ten some forty.
ROUND = 10

PHASES = (Phase.generate, Phase.shrink)  # nothing replayed from a database, and no explanations
TEST_ONLY_CHECKS = {"nested_given", "differing_executors", "too_slow"}  # health checks that are meant for tests

# Within a property test Hypothesis refuses to make another one, whatever the settings of the inner one are.  Therefore
# it is made once, and in a thread of its own, because this module may be imported within a property test too.
with ThreadPoolExecutor(1) as executor:
    GIVEN = executor.submit(hypothesis.given, st.data()).result()

UNCHANGED = "The inputs are left as they were."
VALID = "Valid inputs raise no exception."
ONE_ARRAY = "The function returns one array."
REPEATABLE = "Asked again, whatever was asked in between, it gives the same output."
Claim: TypeAlias = Callable[..., None]
StrategyFactory: TypeAlias = Callable[[Any], st.SearchStrategy[Example] | None]


@dataclass(frozen=True)
class Effort:
    """How many examples to try, and of which properties.

    Attributes
    ----------
    max_examples : int or None
        Examples of each property; None for as many as Hypothesis's settings say where the check is made: those of the
        active profile or, within a property test, of that test.
    seed : int or None
        The seed that they are drawn from: the same ones in every run, unless it is None.
    only : collection of str or None
        The names of the properties to check; None for all.
    """

    max_examples: int | None
    seed: int | None
    only: Collection[str] | None

    @property
    def num_examples(self) -> int:
        """The number of examples of each property."""
        if self.max_examples is not None:
            return self.max_examples
        settings = hypothesis.settings.default
        assert settings is not None  # as Hypothesis sees to when it is imported
        return settings.max_examples


class NothingToCheckError(ValueError):
    """Error of a check whose options leave out all that the properties asked for are about."""


class _NoArray(Exception):
    """Signal that an implementation returned something other than one array."""


@dataclass(frozen=True)
class Property:
    """A statement about every implementation of an operation, with the strategy for its examples.

    Attributes
    ----------
    name : str
        Short, for `only=`.
    sentence : str
        The property in words.
    strategy : callable
        Returns, for an operation's conventions, the strategy for examples: each a dict of the claim's keywords.  It
        returns None if under these conventions there is nothing to check.
    claim : callable
        `claim(implementation, conventions, **example)` raises `Difference` if the statement does not hold.
    """

    name: str
    sentence: str
    strategy: StrategyFactory
    claim: Claim


def read_batch_axes(batch_axes: int | None) -> int | None:
    """Check the number of axes that an implementation takes, of those that others may have any number of."""
    if batch_axes is not None and batch_axes < 0:
        raise ValueError(f"batch_axes={batch_axes!r} should be 0 or more, or None for any number")
    return batch_axes


def property_decorator(properties: list[Property]) -> Callable[[str, str, StrategyFactory], Callable[[Claim], Claim]]:
    """Return a decorator that appends claims to the properties of an operation, which are checked in this order."""

    def state(name: str, sentence: str, strategy: StrategyFactory) -> Callable[[Claim], Claim]:
        def add(claim: Claim) -> Claim:
            properties.append(Property(name, sentence, strategy, claim))
            return claim

        return add

    return state


def run_all(properties: Sequence[Property], implementation: Any, conventions: Any, effort: Effort) -> None:
    """Check each property; raise at the first that is violated.

    Raises
    ------
    PropertyViolation
        As `run` does.
    ValueError
        If `only` holds a name that no property has.
    NothingToCheckError
        If `only` names properties alone about which there is nothing to check under these conventions.
    """
    __tracebackhide__ = True
    names = [each.name for each in properties]
    if unknown := set(effort.only or ()) - set(names):
        raise ValueError(f"only={sorted(unknown)} names no property; expected some of {joined(names)}")
    asked = [each for each in properties if effort.only is None or each.name in effort.only]
    checked = [run(each, implementation, conventions, effort) for each in asked]
    if asked and not any(checked):
        about = joined([each.name for each in asked])
        raise NothingToCheckError(f"there is nothing to check: the other options leave out what {about} would be about")


def run(property: Property, implementation: Any, conventions: Any, effort: Effort) -> bool:
    """Check one property, and return whether there was anything to check.

    Raises
    ------
    PropertyViolation
        With the smallest counterexample found, raised from the implementation's own exception if there was one.
    """
    __tracebackhide__ = True
    examples = property.strategy(conventions)
    if examples is None:
        return False
    if callable(implementation):
        implementation = _returning_array(implementation)
    found: list[tuple[PropertyViolation, BaseException | None]] = []

    def try_example(example: Example) -> None:
        before = {name: _copy(value) for name, value in example.items() if value is not None}
        remarks = {name: _layout(example[name]) for name in before}
        cause: Exception | None = None
        sentence = property.sentence
        try:
            with _without_warnings():
                property.claim(implementation, conventions, **example)
        except Difference as difference:
            expected, got = difference.expected, difference.got
        except HypothesisException:
            raise
        except _NoArray as error:
            sentence, expected, got, cause = ONE_ARRAY, "one array", str(error), error
        except Exception as error:
            expected, got = (
                f"no exception, so that it can be seen whether: {sentence}",
                f"{type(error).__name__}: {error}",
            )
            cause = error
            if isinstance(error, RuntimeWarning):  # which a property turned into an error
                expected = "no warning"
            else:
                sentence = VALID
        else:
            return
        violation = PropertyViolation(sentence, before, expected, got, name=property.name, remarks=remarks)
        found.append((violation, cause))
        raise _Counterexample

    for done in range(0, effort.num_examples, ROUND):
        if not found:
            seed = None if effort.seed is None else effort.seed + done
            _search(examples, try_example, min(ROUND, effort.num_examples - done), seed)
    if found:
        violation, cause = found[-1]
        raise violation from cause
    return True


def _returning_array(implementation: Callable[..., Any]) -> Callable[..., Any]:
    """Return the implementation with a check that it returns one array, or numbers that make one."""

    def returning_array(*arguments: Any) -> Any:
        out = implementation(*arguments)
        if out is None or isinstance(out, (tuple, dict, str)):
            was = "None" if out is None else f"a {type(out).__name__}" + (f" of {len(out)}" if out != () else "")
            raise _NoArray(f"{was}; return the output alone" if isinstance(out, tuple) else was)
        odd = odd_array(out)
        if odd is not None:
            raise _NoArray(odd)
        dtype = np.asarray(out).dtype
        if dtype.kind not in "biufc":
            raise _NoArray(f"an array of dtype {dtype}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}")
        return out

    return returning_array


class _Counterexample(Exception):
    """Signal to Hypothesis that an example is a counterexample."""


def _search(
    examples: st.SearchStrategy[Any], try_example: Callable[[Any], None], max_examples: int, seed: int | None
) -> None:
    """Give examples to `try_example` until it raises `_Counterexample`, and then smaller ones, the smallest last.

    Other settings than `max_examples`, those of a profile or an enclosing `@given`, do not matter here: a check
    remembers nothing, and may be made within another property test.
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
        suppress_health_check=[check for check in HealthCheck if check.name in TEST_ONLY_CHECKS],
    )
    # Flaky: the example failed, and at the second try did not.  An implementation that gives another result for the
    # same inputs is wrong as well, and its first result is on record.
    with suppress(_Counterexample, Flaky):
        test = quiet(GIVEN(lambda data: try_example(data.draw(examples))))
        if seed is not None:
            test = hypothesis.seed(seed)(test)
        test()


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence floating-point warnings, which are no violation unless a property is about them: numbers are compared."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _copy(value: Any) -> Any:
    """Return a copy of an array, because an implementation may write into its arguments; other values as they are."""
    return np.array(value, order="K") if isinstance(value, np.ndarray) else value


def _layout(value: Any) -> str:
    """Describe what cannot be seen in an array's numbers."""
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

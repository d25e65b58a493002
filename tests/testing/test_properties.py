"""What a check says and how it behaves: small counterexamples in code, conventions, and peace with other tests."""

import runpy
import traceback
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acg_numpy.testing import PropertyViolation
from acg_numpy.testing.properties import (
    check_attention,
    check_backward_pair,
    check_embedding,
    check_layer_norm,
    check_softmax,
    runner,
)
from tests.testing.wrong.attention import (
    mean_where_all_is_masked,
    not_a_number_where_all_is_masked,
    right,
    scale_forgotten,
    softmax,
)
from tests.thoroughness import FEW_EXAMPLES


def violation_of(attention: Any, **options: Any) -> PropertyViolation:
    with pytest.raises(PropertyViolation) as caught:
        check_attention(attention, **options)
    return caught.value


@cache
def violation_of_scale() -> PropertyViolation:
    """Return what is said of an attention without its scale."""
    return violation_of(scale_forgotten, only=["scale"])


# What it says.


def test_the_example_refutes_the_implementation_when_pasted() -> None:
    violation = violation_of_scale()
    pasted: dict[str, Any] = {}
    code = str(violation).split("\n\n")[2]
    exec("\n".join(line.strip() for line in code.splitlines()), {"np": np}, pasted)
    assert pasted.keys() == violation.example.keys() == {"query", "key", "value"}
    for name, array in pasted.items():
        np.testing.assert_array_equal(array, violation.example[name])
    np.testing.assert_array_equal(scale_forgotten(**pasted), violation.got)
    np.testing.assert_allclose(right(**pasted), violation.expected)


def test_the_counterexample_is_small() -> None:
    example = violation_of_scale().example
    assert example["query"].shape == (1, 2)  # with one feature there is no scale to forget
    assert example["key"].shape == (2, 2)
    assert sum(np.count_nonzero(x) for x in example.values()) <= 3
    assert all(abs(x).max() <= 1 for x in example.values())


def test_the_message_is_the_property_the_example_and_both_answers() -> None:
    violation = violation_of(lambda query, key, value, mask=None: 2 * right(query, key, value, mask), only=["one-key"])
    assert str(violation) == (
        "One key gives its value, whatever is asked.\n\n"
        'The smallest counterexample found (property "one-key"):\n\n'
        "    query = np.array([[0.0]])\n    key = np.array([[0.0]])\n    value = np.array([[1.0]])\n\n"
        "expected: np.array([[1.0]])\ngot:      np.array([[2.0]])"
    )
    assert violation.property == "One key gives its value, whatever is asked."
    assert violation.name == "one-key"


def test_no_line_of_hypothesis_is_in_the_traceback() -> None:
    violation = violation_of_scale()
    text = "".join(traceback.format_exception(violation))
    assert "hypothesis/" not in text
    assert "alsifying" not in text


def test_an_exception_on_valid_inputs_is_a_violation_from_that_exception() -> None:
    def fragile(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        if key.shape[-2] == 3:
            raise TypeError("three keys are too many")
        return right(query, key, value, mask)

    violation = violation_of(fragile)
    assert isinstance(violation.__cause__, TypeError)
    assert violation.got == "TypeError: three keys are too many"
    assert violation.property == "Valid inputs raise no exception."
    assert "The inputs are left as they were." in violation.expected
    assert violation.example["key"].shape == (3, 1)


def softmax_of_matrix(scores: Any) -> Any:
    assert scores.ndim == 2
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def softmax_of_row(scores: Any) -> Any:
    (_,) = scores.shape
    return softmax_of_matrix(scores[None])[0]


def layer_norm_of_matrix(x: Any, weight: Any, bias: Any) -> Any:
    _, _ = x.shape
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * weight + bias


def embedding_of_matrix(table: Any, ids: Any) -> Any:
    _, _ = ids.shape
    return table[ids].copy()


def test_implementations_for_one_number_of_axes_are_checked_with_it() -> None:
    check_softmax(softmax_of_matrix, batch_axes=1, masked="any", empty=False, max_examples=3)
    check_softmax(softmax_of_row, batch_axes=0, masked="any", empty=False, max_examples=3)
    check_layer_norm(layer_norm_of_matrix, batch_axes=1, empty=False, only=["form", "one-row"], max_examples=3)
    check_embedding(embedding_of_matrix, batch_axes=2, outside="any", max_examples=3)
    with pytest.raises(PropertyViolation, match="Valid inputs raise no exception"):
        check_softmax(softmax_of_matrix, max_examples=3)
    with pytest.raises(ValueError, match="batch_axes=-1 should be 0 or more"):
        check_softmax(softmax_of_matrix, batch_axes=-1)


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        (lambda scores: (scores, None), "a tuple of 2; return the output alone"),
        (lambda scores: None, "None"),
        (lambda scores: (row for row in scores), "a generator"),
        (lambda scores: scores.astype(object), "an array of dtype object"),
        (lambda scores: {"weights": scores}, "a dict of 1"),
        (np.ma.array, "a masked array (np.ma), which skips what is masked; use np.where"),
    ],
)
def test_what_is_not_one_array_is_told_for_what_it_is(returned: Any, got: str) -> None:
    with pytest.raises(PropertyViolation) as caught:
        check_softmax(returned, max_examples=1)
    assert (caught.value.property, caught.value.got) == ("The function returns one array.", got)


NOT_CHECKED = [
    (check_softmax, {"batch_axes": 0}, ["one-row"]),
    (check_layer_norm, {"batch_axes": 0}, ["one-row"]),
    (check_embedding, {"batch_axes": 0}, ["one-place"]),
    (check_embedding, {"outside": "any"}, ["too-large", "negative"]),
    (check_attention, {"batch_axes": 0}, ["batch", "broadcast"]),
    (check_attention, {"batch_axes": 1}, ["broadcast"]),
    (check_attention, {"masked": "any"}, ["masked-row"]),
    (check_attention, {"takes_mask": False}, ["masked-key", "mask-allows", "mask-of-all", "masked-row"]),
]


@pytest.mark.parametrize(("check", "options", "names"), NOT_CHECKED)
def test_properties_that_the_options_leave_out_are_not_passed(check: Any, options: Any, names: list[str]) -> None:
    for name in names:
        with pytest.raises(ValueError, match=f"there is nothing to check: the other options leave out what {name}"):
            check(None, only=[name], **options)


def test_what_is_expected_is_shown_in_float64() -> None:
    with pytest.raises(PropertyViolation) as caught:
        check_layer_norm(lambda x, weight, bias: x + 1.0, only=["variance"], max_examples=5)
    assert "longdouble" not in str(caught.value)


def test_an_example_is_shown_as_it_was_before_it_was_written_into() -> None:
    def doubling(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        value *= 2
        return right(query, key, value / 2, mask)

    violation = violation_of(doubling, only=["unchanged"])
    np.testing.assert_array_equal(violation.got, 2 * violation.example["value"])


def test_an_answer_that_changes_from_call_to_call_is_a_violation_too() -> None:
    rng = np.random.default_rng(0)

    def noisy(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        return right(query, key, value, mask) + (rng.random() < 0.02)

    violation = violation_of(noisy, only=["convex-hull"], max_examples=400)
    assert violation.property.startswith("An output lies between")


# What may differ by convention.

FEW = FEW_EXAMPLES.max_examples  # of each property of a right implementation: what is right is stated elsewhere


def test_a_query_without_keys_gets_what_the_convention_says() -> None:
    check_attention(not_a_number_where_all_is_masked, masked="nan", only=["masked-row", "masked-key"])
    check_attention(mean_where_all_is_masked, masked="any", max_examples=FEW)
    assert violation_of(right, masked="nan", only=["masked-row"]).name == "masked-row"


def test_an_attention_without_a_mask_is_asked_nothing_about_it() -> None:
    check_attention(lambda query, key, value: right(query, key, value), takes_mask=False, max_examples=FEW)


def test_an_attention_of_so_many_batch_axes_gets_just_these() -> None:
    def two_axes(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        batch, heads, num_queries, _ = query.shape
        scores = np.einsum("bhid,bhjd->bhij", query, key) / query.dtype.type(np.sqrt(query.shape[-1]))
        assert mask is None or mask.shape == (batch, heads, num_queries, key.shape[-2])
        scores = scores if mask is None else np.where(mask, scores, -np.inf)
        return np.einsum("bhij,bhje->bhie", softmax(scores), value)

    check_attention(two_axes, batch_axes=2, max_examples=FEW)


def test_an_attention_that_refuses_empty_axes_can_be_checked() -> None:
    def nothing_empty(*inputs: Any) -> Any:
        assert all(x.size for x in inputs)
        return right(*inputs)

    check_attention(nothing_empty, empty=False, max_examples=FEW)
    assert violation_of(nothing_empty).got.startswith("AssertionError")


def test_an_approximation_can_be_checked_by_its_own_tolerance() -> None:
    def rounded(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        return right(*(x.astype(np.float32) for x in (query, key, value)), mask).astype(query.dtype)

    check_attention(rounded, rtol=1e-4, max_examples=FEW)


def test_an_embedding_may_do_as_it_likes_outside_its_table() -> None:
    check_embedding(lambda table, ids: np.array(table[ids]), outside="any")


@pytest.mark.parametrize(
    ("check", "option"),
    [
        (check_attention, {"masked": "no"}),
        (check_attention, {"only": ["convexhull"]}),
        (check_softmax, {"masked": "no"}),
        (check_embedding, {"outside": "no"}),
    ],
)
def test_an_option_that_does_not_exist_is_refused_by_name(check: Any, option: Any) -> None:
    with pytest.raises(ValueError, match="|".join(["no", "convexhull"])):
        check(right, **option)


# How it behaves among other tests.


@settings(max_examples=3)
@given(st.integers(1, 3))
def test_a_check_may_be_made_within_a_property_test(factor: int) -> None:
    check_softmax(lambda scores: softmax(scores * factor / factor), masked="any", empty=False, max_examples=5)


@settings(max_examples=1)
@given(st.just(runner.__file__))
def test_a_check_may_be_imported_within_a_property_test(path: str) -> None:
    assert "run_all" in runpy.run_path(path)


def test_a_check_is_the_same_in_every_run_unless_told_otherwise() -> None:
    def calls(**options: Any) -> list[bytes]:
        seen: list[bytes] = []

        def recording(scores: Any) -> Any:
            seen.append(scores.tobytes())
            return softmax(scores)

        check_softmax(recording, only=["form"], **options)
        return seen

    assert calls() == calls()
    assert calls() != calls(seed=1)
    assert calls(seed=None) != calls(seed=None)


def number_of_examples(**options: Any) -> int:
    """Return how many examples of one property are tried."""
    calls = 0

    def counting(scores: Any) -> Any:
        nonlocal calls
        calls += 1
        return softmax(scores)

    check_softmax(counting, only=["form"], **options)
    return calls


@pytest.fixture
def profile_of_13() -> Iterator[None]:
    """Load a profile of 13 examples, which are not even generated."""
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile("thirteen", max_examples=13, phases=[])
    hypothesis.settings.load_profile("thirteen")
    yield
    hypothesis.settings.load_profile(before)


def test_the_profile_says_how_many_examples_there_are(profile_of_13: None) -> None:
    assert number_of_examples() == 13
    with pytest.raises(PropertyViolation):
        check_backward_pair(square, lambda grad_out, x: grad_out * x, numbers)  # a profile's phases do not matter


def test_max_examples_is_obeyed_whatever_the_profile_says(profile_of_13: None) -> None:
    assert number_of_examples(max_examples=30) == 30


@settings(max_examples=2)
@given(st.just(2))
def test_within_a_property_test_its_settings_say_how_many(number: int) -> None:
    assert number_of_examples() == number


def test_warnings_are_violations_only_of_properties_about_them() -> None:
    def warning(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        warnings.warn("overflow encountered in exp", RuntimeWarning, stacklevel=1)
        return right(query, key, value, mask)

    assert violation_of(warning, max_examples=5).name == "large-scores"


# Backward passes.


def square(x: Any) -> tuple[Any, Any]:
    return x * x, x


numbers = st.tuples(st.integers(-5, 5).map(float))


def test_a_wrong_backward_is_shown_at_the_smallest_inputs_with_the_report() -> None:
    with pytest.raises(PropertyViolation) as caught:
        check_backward_pair(square, lambda grad_out, x: grad_out * x, numbers)
    violation = caught.value
    assert violation.example == {"x": 1.0}
    assert "numeric derivative" in violation.expected
    assert "constant-factor" in violation.got


def test_a_backward_that_raises_is_a_violation() -> None:
    def raising(grad_out: Any, x: Any) -> Any:
        raise KeyError("x")

    with pytest.raises(PropertyViolation, match="KeyError") as caught:
        check_backward_pair(square, raising, numbers)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_kink_among_the_inputs_is_no_violation() -> None:
    def size(x: Any) -> tuple[Any, Any]:
        return np.maximum(x, -x), np.sign(x)

    check_backward_pair(size, lambda grad_out, sign: grad_out * sign, numbers)


def test_options_of_check_backward_are_passed_on() -> None:
    check_backward_pair(square, lambda grad_out, x: 2 * grad_out * x, numbers, names=["number"], second_order=True)
    with pytest.raises(PropertyViolation) as caught:
        check_backward_pair(square, lambda grad_out, x: 3 * grad_out * x, numbers, names=["number"], method="complex")
    assert set(caught.value.example) == {"number"}

"""The mutator breaks what it says it breaks, where it says so, and its verdicts mean what they say."""

import ast
import itertools

import numpy as np
import pytest

from acg_numpy import grad
from acg_numpy.autograd.rules import elementwise
from acg_numpy.autograd.table import TABLE
from tests.mutation.mutants import mutants_of
from tests.mutation.rules import KILLED, SURVIVED, TIMED_OUT, all_mutants, in_a_child, install, known_equivalents

# JAX, where another test has loaded it, warns of every fork; the children here do not call it
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

SOURCE = '''
def slope(g, ans, x, axis=None):
    """-g / x, which this text is not."""
    if axis == 2:
        raise ValueError("1 + 1")
    return unbroadcast(-g / x, ans, keepdims=True)
'''


@pytest.fixture(scope="module")
def rules():
    """The trees of all rules, and the mutants of them, each of which puts its tree back."""
    return all_mutants()


def changes(source):
    return {mutant.change for mutant in mutants_of(ast.parse(source), "file.py")}


def test_every_kind_of_mistake_is_made():
    assert {
        "-g / x -> -g * x",  # operator
        "-g / x -> -g",  # dropped factor
        "-g / x -> x / -g",  # swapped
        "-g -> g",  # sign
        "axis == 2 -> axis != 2",  # condition
        "2 -> 3",  # constant
        "2 -> 1",
        "None -> 0",  # axis
        "True -> False",  # keepdims
        "unbroadcast(-g / x, ans, keepdims=True) -> unbroadcast(ans, -g / x, keepdims=True)",  # swapped arguments
        "unbroadcast(-g / x, ans, keepdims=True) -> -g / x",  # as though not called
        "unbroadcast(-g / x, ans, keepdims=True) -> unbroadcast(-g / x, ans)",  # option left out
    } <= changes(SOURCE)
    assert "np.max(x) -> np.min(x)" not in changes("np.max(x)")
    assert "np.max -> np.min" in changes("np.max(x)")


def test_texts_annotations_and_questions_about_types_are_left_alone():
    assert not changes("def f(x: int | None = x) -> int:\n    '''1 + 1'''\n    raise ValueError(f'{1 + 1}')")
    assert not changes("isinstance(x, int | float)")


def test_a_mutant_changes_one_place_and_leaves_the_tree_as_it_was():
    tree = ast.parse(SOURCE)
    before = ast.unparse(tree)
    for mutant in mutants_of(tree, "file.py"):
        with mutant.applied():
            changed = ast.unparse(tree)
        assert changed != before
        assert ast.unparse(tree) == before


def test_every_mutant_has_a_name_of_its_own_and_is_a_program(rules):
    trees, mutants = rules
    assert len({mutant.key for mutant in mutants}) == len(mutants) > 2000
    for mutant in mutants[::50]:
        with mutant.applied():
            compile(trees[mutant.file], mutant.file, "exec")


def test_what_is_listed_as_equivalent_is_still_made_and_has_a_reason(rules):
    _, mutants = rules
    assert not known_equivalents().keys() - {mutant.key for mutant in mutants}
    assert all(why.strip() for why in known_equivalents().values())


@pytest.mark.parametrize(
    ("work", "verdict"),
    [(lambda: None, SURVIVED), (lambda: 1 / 0, KILLED), (lambda: sum(itertools.repeat(0)), TIMED_OUT)],
    ids=["nothing fails", "something fails", "no end"],
)
def test_the_verdict_is_whether_work_failed_or_had_no_end(work, verdict):
    assert in_a_child(work, seconds=1) == verdict


@pytest.mark.parametrize(
    ("change", "verdict"), [("g * np.cos(x) -> g / np.cos(x)", KILLED), ("np.minimum(a, high) -> a", SURVIVED)]
)
def test_a_planted_mistake_is_seen_by_users_of_the_rule_only(rules, change, verdict):
    trees, mutants = rules
    (mutant,) = [m for m in mutants if m.file == "elementwise.py" and m.change == change]
    before = dict(TABLE)

    def work():
        with mutant.applied():
            install(trees[mutant.file], elementwise)
        assert grad(np.sin)(1.0) == np.cos(1.0)

    assert in_a_child(work) == verdict
    assert before == TABLE

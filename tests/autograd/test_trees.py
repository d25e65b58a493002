"""A tree is its leaves and a way to put others in their place."""

from hypothesis import given
from hypothesis import strategies as st

from acg_numpy.autograd.trees import flatten, tree_map


@given(st.recursive(st.floats(-1, 1) | st.none(), lambda t: st.lists(t, max_size=3) | st.tuples(t, t)))
def test_a_tree_of_its_own_leaves_is_the_same_tree(tree):
    leaves, rebuild = flatten(tree)
    assert rebuild(leaves) == tree
    assert flatten(tree_map(lambda leaf: leaf + 1, tree))[0] == [leaf + 1 for leaf in leaves]

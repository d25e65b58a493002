"""Right pairs of passes pass a check, whatever the method and the shapes."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acg_numpy.checks import check_backward
from acg_numpy.checks.settings import METHODS
from tests.passes.pairs import PAIRS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@settings(max_examples=settings().max_examples // 5)  # sixty combinations: a few hundred calls, or some ten thousand
@given(data=st.data())
def test_a_right_pair_passes_by_every_method_at_any_shape(pair, method, data):
    args, options = data.draw(pair.calls)
    check_backward(partial(pair.forward, **options), pair.backward, *args, method=method)

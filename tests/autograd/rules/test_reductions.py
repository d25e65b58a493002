"""Slopes of reductions where their result underflows or overflows, and the slopes do not."""

import numpy as np
import pytest

from acg_numpy import grad


@pytest.mark.parametrize(
    ("factors", "slopes"),
    [
        ([1e-200, 1e-200], [1e-200, 1e-200]),
        ([3e-160, 7e-161], [7e-161, 3e-160]),  # the product has lost most of its digits
        ([1e200, 1e200], [1e200, 1e200]),
        ([0.0, 1e-200], [1e-200, 0.0]),
    ],
)
def test_a_product_out_of_range_has_the_slopes_of_the_others(factors, slopes):
    with np.errstate(all="ignore"):
        found = grad(np.prod)(np.array(factors))
    np.testing.assert_allclose(found, slopes, rtol=1e-15)

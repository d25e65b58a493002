"""SciPy's ufuncs."""

import numpy as np
from scipy import sparse, special

from acg_numpy.autograd.rules.scipy_functions import polygamma, times_sparse
from tests.autograd.cases.making import CaseList, between, positive, real

CASES = CaseList()


def between_units(*shape):
    return between(0.3, 2.0, *shape)


DOMAINS = {
    real: ["erf", "erfc", "erfcx", "erfi", "dawsn", "ndtr", "log_ndtr", "expit", "log_expit", "exp10", "exp2", "expm1"],
    between_units: ["cbrt", "sindg", "cosdg", "j0", "j1", "i0", "i1", "i0e", "i1e", "wrightomega"],
    lambda *shape: between(-0.8, 0.8, *shape): ["erfinv"],
    lambda *shape: between(0.1, 0.9, *shape): ["logit", "ndtri", "erfcinv"],
    positive: [
        "log1p", "expi", "exp1", "spence", "entr", "gamma", "gammaln", "loggamma", "rgamma", "psi", "digamma", "y0",
        "y1", "k0", "k1", "k0e", "k1e",
    ],
}  # fmt: skip

for domain, names in DOMAINS.items():
    for name in names:
        for shape in [(2, 3), (), (0, 3)]:
            CASES.add(getattr(special, name), domain(*shape))

for name in ["xlogy", "xlog1py", "rel_entr", "kl_div", "beta", "betaln", "huber", "pseudo_huber"]:
    CASES.add(getattr(special, name), positive(2, 3), positive(2, 3))
    CASES.add(getattr(special, name), positive(2, 1), positive(3))
    CASES.add(getattr(special, name), positive(3), positive(2, 1))
CASES.add(special.xlogy, real(3), 2.0)

for name in ["expn", "gammainc", "gammaincc", "jv", "yv", "yn", "iv", "kv", "ive", "kve"]:
    CASES.add(getattr(special, name), 2, positive(2, 3))
    CASES.add(getattr(special, name), np.array([[1], [3]]), positive(3))
CASES.add(special.betainc, 2, 3, between(0.1, 0.9, 2, 3))
CASES.add(special.betainc, np.array([[1], [2]]), 3, between(0.1, 0.9, 3))
for name in ["boxcox", "boxcox1p", "inv_boxcox"]:
    CASES.add(getattr(special, name), positive(2, 3), 2)
    CASES.add(getattr(special, name), positive(3), np.array([[1], [2]]))

CASES.add(polygamma, positive(3), n=1)
CASES.add(times_sparse, real(2, 3), matrix=sparse.csr_array(np.arange(6, dtype=np.float32).reshape(3, 2)))

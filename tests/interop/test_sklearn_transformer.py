import pickle
import warnings

import numpy as np
import pytest

from tests.interop.option_sets import OPTION_SETS, make_batch, make_conditioner

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from acg_numpy.interop import ConditionTransformer


@pytest.mark.filterwarnings("ignore")  # what the checks provoke, and one that is skipped where pandas is not there
def test_it_passes_the_checks_of_scikit_learn():
    check_estimator(ConditionTransformer())


def test_conditions_are_those_of_the_conditioner():
    for options in OPTION_SETS[::9]:
        conditioner = make_conditioner(options).train()
        users, ids = make_batch(17, conditioner.dtype)
        expected = make_conditioner(options)
        for domain in (3, "books"):
            found = ConditionTransformer(conditioner, domain_id=domain).fit_transform(users)
            assert found.dtype == conditioner.dtype
            np.testing.assert_array_equal(found, expected(users, domain).data)
        both = np.column_stack([users[:, :2], ids, users[:, 2:]])
        found = ConditionTransformer(conditioner, domain_column=2).fit_transform(both)
        np.testing.assert_array_equal(found, expected(users, ids).data)
        assert conditioner.training  # it was copied


def test_it_is_a_step_of_a_pipeline():
    conditioner = make_conditioner({})
    users, _ = make_batch(9, np.float64)
    pipeline = make_pipeline(StandardScaler(), ConditionTransformer(conditioner, domain_id=1)).fit(users)
    for again in (pipeline, clone(pipeline).fit(users), pickle.loads(pickle.dumps(pipeline))):
        np.testing.assert_allclose(again.transform(users), pipeline.transform(users))
    assert list(pipeline.get_feature_names_out()) == [f"conditiontransformer{i}" for i in range(8)]


@pytest.mark.parametrize(
    ("options", "columns", "error", "message"),
    [
        ({"conditioner": "c"}, 8, TypeError, "conditioner is a str; expected an AttentionConditioner"),
        ({"conditioner": make_conditioner({})}, 7, ValueError, "X has 7 columns, but emb_dim .* is 8"),
        ({"conditioner": make_conditioner({}), "domain_column": 0}, 8, ValueError, "7 columns beside domain_column"),
        ({"conditioner": make_conditioner({}), "domain_column": 9}, 9, ValueError, "domain_column is 9, but X has 9"),
        ({"conditioner": make_conditioner({}), "domain_column": 0}, 9, ValueError, "holds 0.5; expected whole numbers"),
        ({"conditioner": make_conditioner({}), "domain_id": 5}, 8, IndexError, "domain_id holds 5"),
        ({"domain_id": 1}, 8, ValueError, "without a conditioner there is one domain"),
    ],
)
def test_what_does_not_fit_is_refused(options, columns, error, message):
    with warnings.catch_warnings(), pytest.raises(error, match=message):
        ConditionTransformer(**options).fit(np.full((3, columns), 0.5))

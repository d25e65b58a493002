"""PTUPCDR is its formula, and reads of a user's history what lies outside the target domain."""

import numpy as np
import pytest
import scipy.sparse as sp

from acg_numpy.recommender.models import make_model
from acg_numpy.recommender.models.ptupcdr import History
from tests.recommender.models.formulas import HISTORY, IDS, ITEMS, USERS, check_formula, make, norm


def by_formula(name, u, d, p, drop, taken):
    """One row, in plain NumPy: softmax over the items taken, and the user's own matrix."""
    items = ITEMS / ITEMS.std()
    a = np.maximum(items @ p["item_hidden.weight"] + p["item_hidden.bias"], 0) @ p["item_score.weight"][:, 0]
    weights = np.exp(a[taken]) / np.exp(a[taken]).sum()
    hidden = np.maximum(weights @ items[taken] @ p["meta.weight"] + p["meta.bias"], 0) * drop["hidden"]
    own = np.tensordot(hidden, p["matrices"], axes=1) + p["maps"][d]
    return norm((u * drop["user"]) @ own + p["domain"][d], p)


def test_the_model_is_its_formula_in_training_and_after(monkeypatch):
    check_formula("ptupcdr", by_formula, monkeypatch)


def test_a_history_holds_what_a_user_took_outside_the_domain():
    domains = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    history = History(HISTORY, np.arange(3)[:, None] != domains)
    users = np.array([5, 0, 3, 5])
    rows = history.rows(users, np.array([1, 1, 0, 2]))
    expected = HISTORY.toarray()[users] * (domains != np.array([1, 1, 0, 2])[:, None])
    np.testing.assert_array_equal(rows.toarray(), expected)
    row = np.full((6, 3), 3)  # of whom nothing is known
    row[5, 2] = 5
    later = history._replace(row=row).rows(users, np.array([1, 1, 0, 2])).toarray()
    np.testing.assert_array_equal(later, expected * [[0], [0], [0], [1]])


def test_the_history_and_the_items_must_be_there():
    with pytest.raises(ValueError, match="history is missing"):
        make("ptupcdr")(USERS, IDS)
    with pytest.raises(ValueError, match="item_vectors is missing"):
        make_model("ptupcdr", emb_dim=8, domain_names=["a", "b"])


def test_an_empty_history_leaves_the_domains_map():
    model = make("ptupcdr", layer_norm=False).eval()
    nothing = sp.csr_array((6, len(ITEMS)), dtype=np.float32)
    values = model.state_dict()
    expected = [u @ values["maps"][d] + values["domain"][d] for u, d in zip(USERS, IDS, strict=True)]
    np.testing.assert_allclose(model(USERS, IDS, nothing).numpy(), expected, rtol=1e-4, atol=1e-5)

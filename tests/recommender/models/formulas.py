"""What the tests of the models share: a small batch, and the comparison of a model with its formula, row by row."""

import numpy as np
import scipy.sparse as sp

from acg_numpy.recommender.models import DEFAULTS, condition_model, make_model

D, NAMES = 8, ("books", "films", "music")
RNG = np.random.default_rng(0)
USERS, IDS = RNG.normal(size=(6, D)).astype(np.float32), np.array([0, 2, 2, 1, 0, 2])
ITEMS = RNG.normal(size=(11, D)).astype(np.float32)
TAKEN = RNG.random((6, 11)) < 0.4
TAKEN[3] = False  # a user without a history
HISTORY = sp.csr_array(TAKEN.astype(np.float32))


def make(name, **options):
    return make_model(name, emb_dim=D, domain_names=NAMES, item_vectors=ITEMS, seed=3, **options)


def call(name, model):
    return model(USERS, IDS, *((HISTORY,) if name == "ptupcdr" else ()))


def norm(x, p):
    """Layer norm of a row, with the parameters of the model."""
    centred = x - x.mean()
    return centred / np.sqrt(np.mean(centred**2) + 1e-5) * p["norm.weight"] + p["norm.bias"]


def check_formula(name, by_formula, monkeypatch):
    """Compare a model with its formula, row by row: in training, with the masks that it draws, and after it."""
    networks = "hidden" in DEFAULTS[name]
    model = make(name, dropout=0.5, **({"user_dropout": 0.5} if networks else {}))
    for p in model.parameters():
        p.data[...] += RNG.normal(size=p.shape) * 0.1  # biases at 0 and gains at 1 would hide mistakes
    values, masks = model.state_dict(), {}

    def dropout_mask(rng, shape, rate, dtype):
        return masks.setdefault("user" if shape == USERS.shape else "hidden", rng.choice([0.0, 2.0], shape))

    monkeypatch.setattr(condition_model, "dropout_mask", dropout_mask)
    for training in (True, False):
        masks.clear()
        found = np.asarray(call(name, model.train(training)).numpy())
        drawn = {"user", "hidden"} if networks else {"user"}
        assert set(masks) == (drawn if training else set())
        for b, (u, d) in enumerate(zip(USERS, IDS, strict=True)):
            drop = {kind: masks[kind][b] if kind in masks else 1.0 for kind in ("user", "hidden")}
            expected = by_formula(name, u, d, values, drop, TAKEN[b])
            np.testing.assert_allclose(found[b], expected, rtol=1e-4, atol=1e-5)

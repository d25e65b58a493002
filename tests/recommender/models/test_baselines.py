"""The other models are their formulas, and all of what they have is trained."""

import numpy as np
import pytest

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.models.baselines import TRAINED, make_model

D, NAMES = 8, ("books", "films", "music")
RNG = np.random.default_rng(0)
USERS, IDS = RNG.normal(size=(6, D)).astype(np.float32), np.array([0, 2, 2, 1, 0, 2])


def make(name, **options):
    return make_model(name, emb_dim=D, domain_names=NAMES, seed=3, **options)


def norm(x, weight, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5) * weight + bias


def by_formula(name, u, d, p):
    """One row, in plain NumPy; p holds the parameters by name."""

    def beside():
        return np.concatenate([u, p["domain"][d]])

    def normed(x):
        return norm(x, p["norm.weight"], p["norm.bias"])

    if name == "user":
        return normed(u)
    if name == "user+domain":
        return normed(u + p["domain"][d])
    if name == "concat-linear":
        return normed(beside() @ p["linear.weight"] + p["linear.bias"])
    if name == "domain-linear":
        return u @ p["maps"][d] + p["domain"][d]
    if name == "film":
        return normed((u @ p["linear.weight"] + p["linear.bias"]) * (1 + p["gain"][d]) + p["domain"][d])
    hidden = np.maximum(beside() @ p["hidden.weight"] + p["hidden.bias"], 0)
    return normed(u + hidden @ p["output.weight"] + p["output.bias"])


@pytest.mark.parametrize("name", [n for n in TRAINED if n not in ("attention", "one-key")])
def test_a_baseline_is_its_formula(name):
    model = make(name)
    for p in model.parameters():
        p.data[...] += RNG.normal(size=p.shape) * 0.1  # biases at 0 and gains at 1 would hide mistakes
    values = model.state_dict()
    expected = [by_formula(name, u, d, values) for u, d in zip(USERS, IDS, strict=True)]
    np.testing.assert_allclose(model(USERS, IDS).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_gradient_of_its_own_dtype(name):
    model = make(name)
    condition = model(USERS, IDS)
    assert condition.shape == (6, D)
    assert condition.dtype == np.float32
    np.sum(condition * RNG.normal(size=(6, D)).astype(np.float32)).backward()
    still = {k for k, p in model.named_parameters() if not np.any(p.grad)}
    dead = {"attention.key.bias"} if name == "attention" else set()
    if name == "one-key":
        dead = {f"attention.{part}.{kind}" for part in ("query", "key") for kind in ("weight", "bias")}
    assert still == dead
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_one_key_attention_gives_every_user_the_same_condition():
    model = make("one-key").eval()
    for domain in range(len(NAMES)):
        ids = np.full(6, domain)
        conditions = model(USERS * 100, ids).numpy()
        np.testing.assert_array_equal(conditions, model(-USERS[::-1], ids).numpy())  # no digit is the user's
        np.testing.assert_allclose(  # BLAS may add up the last rows of a product in another order
            conditions, np.broadcast_to(conditions[0], conditions.shape), rtol=1e-5, atol=1e-6
        )


def test_attention_takes_its_options_and_one_key_keeps_its_key_alone():
    attention, one_key = (make(n, heads=2, tokens_per_domain=5, num_global_tokens=3) for n in ("attention", "one-key"))
    assert isinstance(attention, AttentionConditioner)
    state, lone = attention.state_dict(), one_key.state_dict()
    assert state["domain_embedding.tokens"].shape == (3, 5, D)
    assert state["domain_embedding.global_tokens"].shape == (3, D)
    assert lone["domain_embedding.tokens"].shape == (3, 1, D)
    assert "domain_embedding.global_tokens" not in lone


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_decides_the_initial_values(name):
    first, second = make(name).state_dict(), make(name).state_dict()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])


def test_an_unknown_model_is_refused_and_the_known_ones_listed():
    with pytest.raises(ValueError, match=r"user, user\+domain, one-key, .* but it is 'transformer'"):
        make("transformer")

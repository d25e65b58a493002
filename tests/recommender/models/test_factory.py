"""Every model can be made by its name, is trained in all its parts, and takes its settings."""

import numpy as np
import pytest

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.models import TRAINED
from tests.recommender.models.formulas import NAMES, RNG, USERS, D, call, make


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_gets_a_gradient_of_its_own_dtype(name):
    model = make(name).train(False)  # so that no unit is dropped for the whole batch
    condition = call(name, model)
    assert condition.shape == (6, D)
    assert condition.dtype == np.float32
    np.sum(condition * RNG.normal(size=(6, D)).astype(np.float32)).backward()
    still = {k for k, p in model.named_parameters() if not np.any(p.grad)}
    dead = {"attention.key.bias"} if name.startswith("attention") else set()
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
    attention = make("attention", heads=2, inner_dim=6, tokens_per_domain=5, num_global_tokens=3, layer_norm=False)
    assert isinstance(attention, AttentionConditioner)
    state, lone = attention.state_dict(), make("one-key", heads=2).state_dict()
    assert state["domain_embedding.tokens"].shape == (3, 5, D)
    assert state["domain_embedding.global_tokens"].shape == (3, D)
    assert state["attention.output.weight"].shape == (6, D)
    assert "norm.weight" not in state
    assert lone["domain_embedding.tokens"].shape == (3, 1, D)
    assert make("attention-own-output").state_dict()["domain_output.weight"].shape == (3, 128, D)


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_decides_the_initial_values(name):
    first, second = make(name).state_dict(), make(name).state_dict()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])


def test_an_unknown_model_or_setting_is_refused_and_the_known_ones_listed():
    with pytest.raises(ValueError, match=r"user, user\+domain, one-key, .* but it is 'transformer'"):
        make("transformer")
    with pytest.raises(ValueError, match="film has no setting 'heads'; it has rate, dropout and layer_norm"):
        make("film", heads=4)

"""What is kept of a training run is what it was, and nothing else passes for it."""

import inspect
import warnings
from dataclasses import replace

import numpy as np
import pytest

from acg_numpy import AttentionConditioner
from acg_numpy.recommender.data import CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.serving import Trained
from acg_numpy.recommender.training import fit

# One value for each option of the constructor that the data do not decide, none of them the default.
CHANGED = {
    "num_heads": 4,
    "dropout": 0.25,
    "tokens_per_domain": 2,
    "num_global_tokens": 3,
    "inner_dim": 12,
    "head_dropout": 0.5,
    "output_per_domain": True,
    "residual": True,
    "layer_norm": True,
    "bias": False,
    "kernel": "classroom",
    "dtype": np.float64,
    "seed": 5,
}
SMALL = {"epochs": 1, "emb_dim": 8, "heads": 2, "tokens_per_domain": 3, "baselines": False}


@pytest.fixture(scope="module")
def result(interactions):
    return fit(interactions, **SMALL, num_global_tokens=1)


@pytest.fixture
def path(result, tmp_path):
    result.trained.save(tmp_path / "checkpoint.npz")
    return tmp_path / "checkpoint.npz"


def test_what_is_loaded_conditions_and_scores_as_what_was_saved(result, path, interactions):
    trained = Trained.load(path)
    np.testing.assert_array_equal(trained.conditions(interactions.matrix), result.conditions)
    assert trained.about == result.trained.about == {"seed": 0, "data": "0" * 64}
    assert repr(trained) == repr(result.trained)
    assert "3 tokens per domain and 1 shared" in repr(trained)
    assert not trained.conditioner.training
    for d in range(3):
        columns = interactions.columns(d)
        c = result.conditions[5, d]
        expected = 3 * result.factors.item_vectors[columns] @ c / np.sqrt(8) + result.item_bias[columns]
        np.testing.assert_allclose(trained.scores(c, d), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["components", "item_vectors", "item_bias", "conditioner.attention.query.weight"])
def test_numbers_that_are_not_finite_are_refused_by_name(path, name):
    arrays, about = load_checkpoint(path)
    arrays[name].flat[1] = np.nan
    save_checkpoint(path, arrays, about)
    with pytest.raises(CheckpointError, match=rf"holds NaN or infinity in '{name}'.*: training has diverged; train ag"):
        Trained.load(path)


@pytest.mark.parametrize("name", CHANGED)
def test_every_option_of_the_conditioner_comes_back_with_the_same_numbers(result, tmp_path, interactions, name):
    options = {**result.trained.conditioner.options(), "head_dropout": 0.0, name: CHANGED[name]}
    conditioner = AttentionConditioner(**options)
    rng = np.random.default_rng(0)
    for parameter in conditioner.parameters():
        parameter.data += rng.standard_normal(parameter.shape).astype(parameter.dtype)
    trained = replace(result.trained, conditioner=conditioner.eval())
    trained.save(tmp_path / "checkpoint.npz")
    loaded = Trained.load(tmp_path / "checkpoint.npz")
    assert loaded.conditioner.options() == conditioner.options()
    np.testing.assert_array_equal(loaded.conditions(interactions.matrix), trained.conditions(interactions.matrix))
    user, domains = rng.standard_normal((4, 1, 8)), np.arange(3)
    again, before = (t.conditioner.train()(user, domains).data for t in (loaded, trained))
    np.testing.assert_array_equal(again, before)  # and what training draws next
    assert again.dtype == before.dtype


def test_the_options_above_are_those_of_the_constructor():
    given = {"emb_dim", "num_domains", "domain_names"}  # by the data
    assert {*CHANGED, *given} == set(inspect.signature(AttentionConditioner).parameters)


def test_a_conditioner_with_a_module_of_ones_own_is_not_saved(result, tmp_path):
    conditioner = AttentionConditioner(8, 2, 3)
    conditioner.attention.key = lambda context: context
    with pytest.raises(ValueError, match=r"attention\.key is not as the constructor made it"):
        replace(result.trained, conditioner=conditioner).save(tmp_path / "checkpoint.npz")


def test_a_conditioner_of_one_key_is_loaded_without_another_warning(interactions, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(interactions, **{**SMALL, "tokens_per_domain": 1}).trained.save(tmp_path / "one.npz")
    Trained.load(tmp_path / "one.npz")  # warnings are errors here


def test_another_checkpoint_is_refused_with_what_it_lacks(tmp_path, path):
    save_checkpoint(tmp_path / "other.npz", {"a": np.ones(3)}, {"kind": "state of something"})
    with pytest.raises(CheckpointError, match=r"not one of a trained conditioner \(it lacks 'components', "):
        Trained.load(tmp_path / "other.npz")
    arrays, about = load_checkpoint(path)
    save_checkpoint(path, arrays, {"seed": 0})
    with pytest.raises(CheckpointError, match="lacks its conditioner's options"):
        Trained.load(path)
    save_checkpoint(path, arrays, {**about, "conditioner": "none"})
    with pytest.raises(CheckpointError, match="lacks its conditioner's options"):
        Trained.load(path)


@pytest.mark.parametrize("name", ["components", "item_weight", "item_bias", "item_vectors", "elsewhere", "domains"])
def test_parts_that_do_not_fit_together_are_refused(path, name):
    arrays, about = load_checkpoint(path)
    save_checkpoint(path, {**arrays, name: arrays[name][:-1]}, about)
    with pytest.raises(CheckpointError, match="whose parts do not fit"):
        Trained.load(path)


@pytest.mark.parametrize("name", ["components", "item_weight", "item_bias", "item_vectors", "elsewhere", "item_domain"])
@pytest.mark.parametrize("kind", ["U3", complex, "V4", "M8[s]"])
def test_parts_that_are_no_numbers_are_refused(path, name, kind):
    """Conditions were made of complex ones once, without the imaginary part, and of dates not at all."""
    arrays, about = load_checkpoint(path)
    save_checkpoint(path, {**arrays, name: np.zeros(arrays[name].shape, kind)}, about)
    with pytest.raises(CheckpointError, match=rf"parts do not fit: {name} has dtype .*, expected \w"):
        Trained.load(path)


@pytest.mark.parametrize("shift", [-1, 1, 100])
def test_items_of_a_domain_that_there_is_not_are_refused(path, shift):
    arrays, about = load_checkpoint(path)
    save_checkpoint(path, {**arrays, "item_domain": arrays["item_domain"] + shift}, about)
    with pytest.raises(CheckpointError, match="item_domain does not run from 0 to 2"):
        Trained.load(path)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_nothing_can_be_divided_by_is_refused(path, scale):
    arrays, about = load_checkpoint(path)
    save_checkpoint(path, {**arrays, "scale": np.array(scale)}, about)
    with pytest.raises(
        CheckpointError, match=r"scale is .*, expected a number above 0|holds NaN or infinity in 'scale'"
    ):
        Trained.load(path)


def test_options_of_another_conditioner_are_refused(path):
    arrays, about = load_checkpoint(path)
    for options in ({**about["conditioner"], "num_heads": 3}, {**about["conditioner"], "unheard_of": 1}):
        save_checkpoint(path, arrays, {**about, "conditioner": options})
        with pytest.raises(CheckpointError, match="whose parts do not fit"):
            Trained.load(path)


def test_kept_tables_follow_a_conditioner_that_is_changed(path, interactions):
    trained = Trained.load(path)
    before = trained.conditions(interactions.matrix[:2])
    trained.conditioner.domain_embedding.tokens.data[...] += 1.0
    after = trained.conditions(interactions.matrix[:2])
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, trained.conditions(interactions.matrix[:2]))


def test_threads_that_find_the_same_tables_outdated_make_new_ones(path, interactions, monkeypatch):
    trained = Trained.load(path)
    trained.conditions(interactions.matrix[:2])
    tables = trained._prepared

    def outdated(*args, **options):
        vars(trained).pop("_prepared")  # as another thread does
        raise RuntimeError

    monkeypatch.setattr(type(tables), "_check_unchanged", lambda self, ids: outdated() if self is tables else None)
    assert np.isfinite(trained.conditions(interactions.matrix[:2])).all()

"""The whole comparison on a small set."""

from dataclasses import replace

import numpy as np
import pytest

from acg_numpy.recommender.data import CheckpointError, DataError, Vectors, draw_split
from acg_numpy.recommender.models import DEFAULTS, TRAINED
from acg_numpy.recommender.models.hyperparameters import FOUND
from acg_numpy.recommender.reporting.notebook import result_markdown
from acg_numpy.recommender.serving.fold_in import fold_interactions, fold_vectors
from acg_numpy.recommender.serving.recommender import Recommender
from acg_numpy.recommender.training import fit
from acg_numpy.recommender.training.experiment import require_finite
from acg_numpy.recommender.training.extension import extend
from tests.recommender.training.conftest import EXPERIMENT, SMALL

REFERENCES = {"item-ridge", "user-knn"}
MODELS = {*REFERENCES, "popularity", *TRAINED}


def without_seconds(metrics):
    return {name: {k: v for k, v in row.items() if k != "seconds"} for name, row in metrics["test"].items()}


def test_metrics_have_every_model_and_the_fixed_keys(result):
    test, paired = result.metrics["test"], result.metrics["paired"]
    assert set(test) == MODELS
    assert set(paired) == MODELS - {"attention"}
    for row in test.values():
        assert {"ndcg@10", "recall@10", "parameters", "seconds"} <= set(row)
        for measure in ("ndcg@10", "recall@10"):
            values = row[measure]["values"]
            assert len(values) == 2
            assert row[measure]["mean"] == pytest.approx(np.mean(values))
            assert row[measure]["std"] == pytest.approx(np.std(values))
            assert 0 < row[measure]["mean"] <= 1
    for name, comparison in paired.items():
        means = (test[n]["ndcg@10"]["mean"] for n in ("attention", name))
        assert comparison["difference"] == pytest.approx(np.subtract(*means))
        assert comparison["se"] > 0
    assert test["popularity"]["parameters"] == 0
    assert test["attention"]["parameters"] == result.conditioner.num_parameters()


def test_the_same_seed_gives_the_same_figures_whatever_is_trained_beside(result, interactions):
    again = fit(interactions, seeds=1, seed=6, baselines=False, **SMALL)  # the second run of `result`, attention alone
    assert set(again.metrics["test"]) == {"attention"}
    for measure in ("ndcg@10", "recall@10"):
        assert (
            again.metrics["test"]["attention"][measure]["values"]
            == result.metrics["test"]["attention"][measure]["values"][1:]
        )


def test_all_is_the_same_again(result, interactions):
    again = fit(interactions, **EXPERIMENT)
    assert without_seconds(again.metrics) == without_seconds(result.metrics)
    assert again.metrics["paired"] == result.metrics["paired"]
    np.testing.assert_array_equal(again.conditions, result.conditions)


def test_settings_are_the_defaults_and_what_was_asked_for_attention(result):
    settings = result.metrics["settings"]
    assert set(settings) == set(TRAINED)
    assert settings["film"] == {"chosen": DEFAULTS["film"], "tried": [], "default": FOUND["film"]}
    asked = {"heads": 2, "inner_dim": 8, "tokens_per_domain": 3}
    for name in ("attention", "attention-own-output"):
        assert settings[name]["chosen"] == {**DEFAULTS[name], **asked}


def test_models_that_the_most_epochs_ended_are_named_with_their_seeds(result):
    assert result.metrics["rising"] == {name: [5, 6] for name in TRAINED}


def test_named_models_are_trained_beside_attention_and_others_refused(interactions):
    small = {**SMALL, "epochs": 1}
    assert set(fit(interactions, models=["film"], **small).metrics["test"]) == {"film", "attention"}
    with pytest.raises(ValueError, match="models has 'flim', which is not a model; did you mean 'film'"):
        fit(interactions, models=["flim"], **small)
    with pytest.raises(ValueError, match="baselines is False and models are named"):
        fit(interactions, models=["film"], baselines=False, **small)


def test_progress_is_reported_for_every_epoch_of_every_model(experiment):
    _, reports = experiment
    assert len(reports) == 2 * 12 * 4  # runs, trained models, epochs
    assert {(one.run, one.runs, one.epochs) for one in reports} == {(1, 2, 4), (2, 2, 4)}
    assert {one.model for one in reports} == MODELS - REFERENCES - {"popularity"}


def test_conditions_come_from_all_interactions_and_are_zero_without_any_elsewhere(result, interactions):
    vectors = result.factors.user_vectors(interactions.matrix)
    np.testing.assert_array_equal(result.user_vectors, vectors)
    reachable = interactions.counts_elsewhere > 0
    assert not reachable[0, 0]
    assert result.without_elsewhere == np.sum(~reachable) == result.metrics["without_elsewhere"]
    assert not result.conditions[~reachable].any()
    assert result.conditions.dtype == np.float32
    for user, domain in np.argwhere(reachable)[::17]:
        alone = result.conditioner(vectors[user, domain], int(domain)).numpy()
        np.testing.assert_allclose(result.conditions[user, domain], alone, rtol=1e-5, atol=1e-6)


def test_users_with_vectors_that_are_not_finite_are_refused_by_name():
    vectors = np.zeros((3, 2, 4))
    vectors[1, 0, 2], vectors[2, 1, 1] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"user 'b' holds NaN or infinity .so do those of 1 other.*check_finite=False"):
        require_finite(vectors, np.array(["a", "b", "c"]))
    require_finite(np.zeros((2, 3, 4)), np.array(["a", "b"]))


@pytest.mark.parametrize(
    "name",
    [
        *("seed", "epochs", "seeds", "patience", "tune", "sample_pairs", "emb_dim", "rate"),
        *("heads", "inner_dim", "tokens_per_domain", "num_global_tokens", "dropout", "head_dropout"),
    ],
)
def test_arguments_out_of_range_are_named_before_anything_is_trained(interactions, name):
    reports = []
    with pytest.raises(ValueError, match=f"{name}.* -1"):
        fit(interactions, **{**SMALL, name: -1}, progress=reports.append)
    with pytest.raises(ValueError, match="does not divide inner_dim"):
        fit(interactions, **{**SMALL, "heads": 3}, progress=reports.append)
    assert not reports


def test_reference_lines_have_a_strength_and_attentions_their_dependence(result):
    for name in REFERENCES:
        assert len(result.metrics["test"][name]["strength"]) == 2
    found = result.metrics["dependence"]
    assert set(found) == {"attention", "one-key"}
    assert found["one-key"]["largest change"] == 0 < found["attention"]["largest change"]
    assert found["one-key"]["paired"]["users permuted"] == {"difference": 0.0, "se": 0.0}
    for name, row in found.items():
        values = row["ndcg@10"]["unchanged"]["values"]
        assert values == pytest.approx(result.metrics["test"][name]["ndcg@10"]["values"])
    assert len(found["attention"]["tokens"]["domain 0"]["without"]) == 3


def test_a_provided_split_is_used_in_every_run(interactions):
    split = draw_split(interactions, 77)
    result = fit(interactions, seeds=2, split=split, **{**SMALL, "epochs": 1})
    assert result.split is split
    assert {run["pairs"]["test"] for run in result.metrics["runs"]} == {len(split.test)}
    popular = result.metrics["test"]["popularity"]["ndcg@10"]["values"]
    assert popular[0] == popular[1]  # nothing but the split decides them
    assert result.metrics["given"]["split"]


def test_a_split_leaves_nothing_to_draw(interactions):
    with pytest.raises(ValueError, match=r"split is given, so that none is drawn and min_inside=2 would do nothing"):
        fit(interactions, split=draw_split(interactions, 1), min_inside=2)


@pytest.fixture(scope="module")
def own(interactions):
    rng = np.random.default_rng(0)
    kind = np.arange(80) % 2 * 2 - 1
    users = np.outer(kind, rng.normal(size=8)) * 50 + rng.normal(size=(80, 8))
    users[3] = 0
    item_kind = np.arange(36) % 2 * 2 - 1
    items = np.outer(item_kind, rng.normal(size=8)) + rng.normal(size=(36, 8)) / 10
    return {
        "user_vectors": Vectors(interactions.users, users),
        "item_vectors": Vectors(interactions.items, items),
    }


@pytest.fixture(scope="module")
def trained_on_own(interactions, own):
    nothing_dropped = {"dropout": 0.0, "head_dropout": 0.0}
    return fit(interactions, baselines=False, **own, **{**SMALL, **nothing_dropped, "epochs": 20})


def test_own_vectors_are_used_scaled(trained_on_own, own):
    scale = own["user_vectors"].vectors.std()
    np.testing.assert_allclose(
        trained_on_own.user_vectors[:, 1], own["user_vectors"].vectors / scale, rtol=1e-4, atol=1e-6
    )
    assert trained_on_own.own_scale == pytest.approx(scale)
    assert trained_on_own.factors.item_vectors.std() == pytest.approx(1, rel=1e-4)
    assert trained_on_own.metrics["test"]["attention"]["ndcg@10"]["mean"] > 0.75
    assert trained_on_own.metrics["given"] == {**trained_on_own.metrics["given"], "split": None}
    assert "**They may have seen the test pairs**" in result_markdown(trained_on_own.metrics)


def test_a_user_of_zeros_is_unknown_everywhere_and_no_other_is(trained_on_own):
    assert trained_on_own.without_elsewhere == 3
    assert not trained_on_own.conditions[3].any()
    assert trained_on_own.conditions[0, 0].any()  # this one did nothing elsewhere, but has a vector


def test_new_users_need_vectors_and_get_the_same_conditions(trained_on_own, own, interactions, tmp_path):
    np.save(tmp_path / "users.npy", own["user_vectors"].vectors)
    fold_vectors(trained_on_own.trained, tmp_path / "users.npy", tmp_path / "conditions.npy")
    np.testing.assert_allclose(np.load(tmp_path / "conditions.npy"), trained_on_own.conditions, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match=r"your own user vectors.*'acg condition CHECKPOINT --users FILE.npy'"):
        trained_on_own.trained.conditions(interactions.matrix)
    with pytest.raises(DataError, match=r"your own user vectors.*cannot be extended; train again"):
        extend(trained_on_own.trained, interactions)
    with pytest.raises(DataError, match="was trained with your own user vectors"):
        fold_interactions(trained_on_own.trained, interactions.matrix, tmp_path / "no.npy")


def test_known_users_get_recommendations_from_their_vectors(trained_on_own, interactions, tmp_path):
    trained_on_own.write(tmp_path)
    recommender = Recommender.load(tmp_path)
    recommender = replace(recommender, trained=replace(recommender.trained, own_history=None))
    [found] = recommender.recommend("user 10", domain="domain 1", top=4)
    fresh = (interactions.item_domain == 1) & (interactions.matrix.toarray()[10] == 0)
    vectors, bias = trained_on_own.factors.item_vectors[fresh], trained_on_own.item_bias[fresh]
    scores = 3 * vectors @ trained_on_own.conditions[10, 1] / np.sqrt(8) + bias
    assert found.items.tolist() == interactions.items[fresh][np.argsort(-scores)[:4]].tolist()


def test_other_vectors_do_not_resume_from_a_state(interactions, own, tmp_path):
    state = tmp_path / "last.npz"
    fit(interactions, baselines=False, state=state, **own, **SMALL)
    with pytest.raises(CheckpointError, match="user_vectors was '"):
        fit(interactions, baselines=False, state=state, resume=True, item_vectors=own["item_vectors"], **SMALL)

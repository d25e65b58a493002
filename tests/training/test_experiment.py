"""The whole comparison on a small set, and the files it leaves."""

import json

import numpy as np
import pytest

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.data import read_split
from acg_numpy.training import fit, load_checkpoint
from acg_numpy.training.experiment import require_finite

SMALL = {"epochs": 2, "emb_dim": 8, "heads": 2, "tokens_per_domain": 3}
REFERENCES = {"item-ridge", "user-knn"}
MODELS = {
    *REFERENCES,
    "popularity",
    "user",
    "user+domain",
    "one-key",
    "concat-linear",
    "domain-linear",
    "film",
    "concat-mlp",
    "attention",
}


@pytest.fixture(scope="module")
def result(interactions):
    return fit(interactions, seeds=2, seed=5, **SMALL)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "made" / "on the way"
    result.write(folder)
    return folder


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
    again = fit(interactions, seeds=2, seed=5, **SMALL)
    assert without_seconds(again.metrics) == without_seconds(result.metrics)
    assert again.metrics["paired"] == result.metrics["paired"]
    np.testing.assert_array_equal(again.conditions, result.conditions)


def test_progress_tells_of_every_epoch_of_every_model(interactions):
    told = []
    fit(interactions, seeds=2, progress=told.append, **SMALL)
    assert len(told) == 2 * 8 * 2  # runs, trained models, epochs
    assert {(t.run, t.runs, t.epochs) for t in told} == {(1, 2, 2), (2, 2, 2)}
    assert {t.model for t in told} == MODELS - REFERENCES - {"popularity"}


def test_conditions_come_from_all_interactions_and_are_zero_where_there_is_nothing_elsewhere(result, interactions):
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


def test_every_file_is_there_with_its_shape(folder, result, interactions):
    assert {p.name for p in folder.iterdir()} == {
        "metrics.json", "metrics.md", "split.tsv", "checkpoint.npz", "conditions.npy", "users.txt", "domains.txt",
        "items.txt", "item_domains.txt", "item_vectors.npy", "item_bias.npy", "interactions.npz",
        "run.json",
    }  # fmt: skip
    conditions = np.load(folder / "conditions.npy", allow_pickle=False)
    assert conditions.shape == (80, 3, 8)
    assert conditions.dtype == np.float32
    np.testing.assert_array_equal(conditions, result.conditions)
    assert np.load(folder / "item_vectors.npy").shape == (36, 8)
    assert np.load(folder / "item_bias.npy").shape == (36,)
    for name, ids in (("users", interactions.users), ("domains", interactions.domains), ("items", interactions.items)):
        assert (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines() == ids.tolist()
    of_items = interactions.domains[interactions.item_domain].tolist()
    assert (folder / "item_domains.txt").read_text().splitlines() == of_items


def test_the_split_can_be_read_back(folder, result, interactions):
    split = read_split(folder / "split.tsv", interactions)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(split, part), getattr(result.split, part))


def test_metrics_and_provenance_are_plain_json(folder, result):
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == result.metrics
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["seed"] == 5
    assert run["data"]["sha256"] == "0" * 64
    asked = {"seed": 5, "seeds": 2, "num_global_tokens": 0, "baselines": True, "clip_norm": None}
    assert run["arguments"] == {**SMALL, **asked, "schedule": "constant"}
    assert {"python", "numpy", "scipy", "acg_numpy"} <= set(run["versions"])


def test_new_users_can_be_folded_in_from_the_checkpoint_alone(folder, result, interactions):
    arrays, about = load_checkpoint(folder / "checkpoint.npz")
    state = {name.removeprefix("conditioner."): a for name, a in arrays.items() if name.startswith("conditioner.")}
    conditioner = AttentionConditioner(**about["conditioner"]).eval()
    conditioner.load_state_dict(state)

    X, domain = interactions.matrix.toarray(), 2
    outside = np.where(arrays["elsewhere"][domain], X * arrays["item_weight"], 0)
    vectors = (outside @ arrays["components"] / arrays["scale"]).astype(np.float32)
    made = conditioner(vectors, domain).numpy()
    has = interactions.counts_elsewhere[:, domain] > 0
    np.testing.assert_allclose(made[has], result.conditions[has, domain], rtol=1e-4, atol=1e-5)

    c, items = made[7], arrays["item_domain"] == domain
    scores = 3 * arrays["item_vectors"][items] @ c / np.sqrt(8) + arrays["item_bias"][items]
    assert arrays["items"][items][np.argmax(scores)] in interactions.items[24:]


def test_the_report_has_a_row_for_every_model_and_says_who_leads(folder):
    text = (folder / "metrics.md").read_text(encoding="utf-8")
    for name in MODELS - {"attention"}:
        assert f"| {name} |" in text
    assert "| **attention** |" in text
    assert "two standard errors" in text
    assert "every user gets the same condition" in text


def test_a_result_introduces_itself_in_a_line_and_shows_its_table_in_a_notebook(result, folder):
    ndcg = result.metrics["test"]["attention"]["ndcg@10"]["mean"]
    assert repr(result).startswith(f"<Result: attention ndcg@10 {ndcg:.4f}, recall@10 ")
    assert result._repr_markdown_() == (folder / "metrics.md").read_text(encoding="utf-8")


def test_users_with_vectors_that_are_not_finite_are_refused_by_name():
    vectors = np.zeros((3, 2, 4))
    vectors[1, 0, 2], vectors[2, 1, 1] = np.nan, np.inf
    with pytest.raises(
        ValueError, match=r"user 'b' holds NaN or infinity .so do those of 1 others.*check_finite=False"
    ):
        require_finite(vectors, np.array(["a", "b", "c"]))
    require_finite(np.zeros((2, 3, 4)), np.array(["a", "b"]))


@pytest.mark.parametrize(
    "name", ["seed", "epochs", "seeds", "heads", "emb_dim", "tokens_per_domain", "num_global_tokens"]
)
def test_arguments_out_of_range_are_named_before_anything_is_trained(interactions, name):
    told = []
    with pytest.raises(ValueError, match=f"{name}.* -1"):
        fit(interactions, **{**SMALL, name: -1}, progress=told.append)
    with pytest.raises(ValueError, match="does not divide emb_dim"):
        fit(interactions, **{**SMALL, "heads": 3}, progress=told.append)
    assert not told

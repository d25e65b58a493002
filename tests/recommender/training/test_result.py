"""A result: the data files that it leaves, and what it says of itself."""

import csv
import json

import numpy as np
import pytest

from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.recommender.data import load_checkpoint, read_split
from acg_numpy.recommender.evaluation.metrics import ndcg_at_k
from acg_numpy.recommender.models import REFERENCES, TRAINED
from tests.recommender.training.conftest import EXPERIMENT


def test_every_file_is_there_with_its_shape(folder, result, interactions):
    assert {p.name for p in folder.iterdir()} == {
        "metrics.json", "test_pairs.tsv", "test_pairs.parquet", "split.tsv", "checkpoint.npz", "conditions.npy",
        "users.txt", "domains.txt", "items.txt", "item_domains.txt", "item_vectors.npy", "item_bias.npy",
        "interactions.npz", "run.json", "test_conditions.npy",
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


def test_the_conditions_of_the_test_give_the_figures_of_the_table(folder, result, interactions):
    conditions = np.load(folder / "test_conditions.npy", allow_pickle=False)
    with open(folder / "test_pairs.tsv", encoding="utf-8", newline="") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if (row["seed"], row["initialisation"]) == ("5", "1")
        ]
    taken, domains, users = (
        interactions.matrix.toarray() > 0,
        interactions.domains.tolist(),
        interactions.users.tolist(),
    )
    for condition, row in zip(conditions, rows, strict=True):
        user, domain = users.index(row["user_id"]), domains.index(row["domain"])
        scores = result.trained.scores(condition, domain)
        relevant = taken[user, interactions.columns(domain)]
        assert ndcg_at_k(scores[None], relevant[None])[0] == pytest.approx(float(row["attention"]))


def test_the_checkpoint_holds_no_id_and_no_row_of_a_user(folder, result, interactions):
    arrays, about = load_checkpoint(folder / "checkpoint.npz")
    text = json.dumps(about) + " ".join(" ".join(a.ravel().tolist()) for a in arrays.values() if a.dtype.kind == "U")
    assert not [user for user in interactions.users.tolist() if user in text]
    assert not [name for name, array in arrays.items() if len(interactions.users) in array.shape]


def test_the_split_can_be_read_back(folder, result, interactions):
    split = read_split(folder / "split.tsv", interactions)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(split, part), getattr(result.split, part))


def test_metrics_and_provenance_are_plain_json(folder, result):
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == result.metrics
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert run["seed"] == 5
    assert run["data"]["sha256"] == "0" * 64
    arguments = run["arguments"]
    asked = {"models": ["popularity", *TRAINED, *REFERENCES], "num_global_tokens": None, "clip_norm": None}
    asked |= {"protocol": "random", "min_inside": 3, "min_elsewhere": 10, "validation": 0.125}
    asked |= {"initialisations": 1, "k": [5, 10, 20], "patience": 12, "schedule": "constant", "tune": 0}
    assert {**arguments, **EXPERIMENT, **asked} == arguments
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


def test_the_words_have_a_row_for_every_model_and_say_who_leads(result):
    text = result._repr_markdown_()
    for name in result.metrics["paired"]:
        assert f"| {name} |" in text
    assert "| **attention** |" in text
    assert "two standard errors" in text
    assert "all users get the same condition" in text


def test_a_result_introduces_itself_in_a_line(result):
    ndcg = result.metrics["test"]["attention"]["ndcg@10"]["mean"]
    assert repr(result).startswith(f"<Result: attention ndcg@10 {ndcg:.4f}, recall@10 ")

"""What is said of a picture is so, whatever the run was like."""

from pathlib import Path

import numpy as np

from acg_numpy.plots.entropy import entropy
from acg_numpy.recommender.data import read_interactions, taste_agreement
from acg_numpy.recommender.reporting import pictures
from acg_numpy.recommender.training import Result, fit


def test_what_is_said_of_entropy_is_so(result: Result) -> None:
    drawing = pictures.attention_entropy(result)
    assert drawing.data.shape == (len(result.split.test), 16, 8)
    medians = np.median(2 ** entropy(drawing.data), axis=0)
    most, least = medians.argmin(), medians.argmax()
    said = f"head {most} attends to {medians[most]:.1f} of 8 tokens, head {least} to {medians[least]:.1f}."
    assert said in drawing.figure.caption
    assert said in drawing.figure.alt


def test_what_is_said_of_means_by_domain_is_so(result: Result) -> None:
    drawing = pictures.attention_by_domain(result)
    d, head, token, named = 0, 0, 0, ""
    best = 0.0
    for number, name in enumerate(result.interactions.domains):
        users = result.split.test[result.split.test[:, 1] == number, 0]
        mean = pictures.attention_weights(result, users, number).mean(axis=0)
        if mean.max() > best:
            best, d, named = float(mean.max()), number, name
            head, token = np.unravel_index(mean.argmax(), mean.shape)
    assert d in drawing.options["domain_id"]
    assert f'The largest mean is {best:.2f}, of token {token} in head {head} in "{named}".' in drawing.figure.alt


def test_what_is_said_of_groups_is_so(result: Result, world) -> None:
    drawing = pictures.attention_by_group(result, world)
    users = result.split.test[result.split.test[:, 1] == 0, 0]
    tastes, attention = world.weights[users, 0].argmax(axis=1), pictures.attention_weights(result, users, 0)
    large = [taste for taste in range(8) if np.sum(tastes == taste) >= 5]
    assert np.unique(drawing.options["group_id"]).tolist() == large
    means = np.stack([attention[tastes == taste].mean(axis=0) for taste in large])
    head, token = np.unravel_index(np.ptp(means, axis=0).argmax(), means.shape[1:])
    said = f"They differ most on token {token} in head {head}: {means[:, head, token].max():.2f} from those of"
    assert said in drawing.figure.alt
    assert said in drawing.figure.caption
    left_out = int(np.sum(~np.isin(tastes, large)))
    assert (f"fewer than 5: {left_out} user" in drawing.figure.caption) == (left_out > 0)


def test_without_known_tastes_users_are_grouped_by_what_they_took_elsewhere(result: Result) -> None:
    drawing = pictures.attention_by_group(result)
    assert "grouped by the other domain that they took most of" in drawing.figure.caption
    others = set(result.interactions.domains[1:].tolist())
    assert set(drawing.options["names"]) == {f"mostly {name}" for name in others}


def test_with_one_other_domain_users_are_grouped_by_activity_there(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "taken.csv"
    rows = [
        f"user {user},item {item},{('books', 'films')[item % 2]}"
        for user in range(120)
        for item in rng.permutation(60)[: rng.integers(24, 50)]
    ]
    path.write_text("\n".join(["user,item,domain", *rows]) + "\n", encoding="utf-8")
    result = fit(read_interactions(path), epochs=1, emb_dim=8, heads=2, baselines=False)
    drawing = pictures.attention_by_group(result)
    assert "grouped by how much they took elsewhere" in drawing.figure.caption
    assert all(name.startswith("took ") for name in drawing.options["names"])


def test_tokens_are_drawn_with_the_items_that_they_alone_rank_first(result: Result) -> None:
    drawing = pictures.token_items(result)
    _, domain = pictures.example_users(result)
    conditioner = result.conditioner
    only_third = np.arange(8) == 3
    user = result.user_vectors[:1, domain]
    condition = conditioner(user, domain, mask=only_third[None]).numpy()
    scores = condition[0] @ result.factors.item_vectors[result.interactions.columns(domain)].T
    np.testing.assert_allclose(drawing.data[3], scores, rtol=1e-4, atol=1e-5)
    first = drawing.options["item_names"][scores.argmax()]
    assert f"token 3: {first}" in drawing.figure.alt


def test_the_ringed_tokens_have_the_mean_that_the_agreement_is(result: Result, world) -> None:
    drawing = pictures.taste_map(result, world)
    users = result.split.test[result.split.test[:, 1] == 0, 0]
    agreed = taste_agreement(pictures.attention_weights(result, users, 0), world.weights[users, 0])
    assert f"their mean is {agreed:.2f}" in drawing.figure.caption


def test_the_loss_curve_says_whether_more_epochs_may_help(result: Result) -> None:
    history = {"epoch": [1, 2, 3, 4], "loss": [2.0, 1.5, 1.2, 1.0], "validation_epoch": [2, 4]}
    rising, falling = ({**history, "validation_ndcg": looks} for looks in ([0.4, 0.5], [0.5, 0.4]))

    def said(history):
        return pictures.loss_curve(type("Run", (), {"history": history})).figure.caption

    assert "from 2.000 to 1.000. Validation was best in epoch 4, NDCG@10 0.500" in said(rising)
    assert "more epochs may do better" in said(rising)
    assert "best in epoch 2" in said(falling)
    assert "more epochs may do better" not in said(falling)


def test_of_very_many_tokens_those_are_named_that_get_most_attention(world) -> None:
    result = fit(world.interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=30, baselines=False)
    drawing = pictures.token_items(result)
    assert len(drawing.data) == len(drawing.options["token_labels"]) == pictures.MOST_TOKENS_SHOWN
    assert "of 30, that get most attention" in drawing.figure.caption

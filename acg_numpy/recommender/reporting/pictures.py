"""Which pictures help to read a run, what is to be seen in each, and what does it mean?"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import plots
from acg_numpy.autograd import no_grad
from acg_numpy.plots.entropy import entropy
from acg_numpy.recommender.data import World, taste_agreement, taste_assignment
from acg_numpy.recommender.data.interactions import domain_counts
from acg_numpy.recommender.evaluation.attention_history import watched
from acg_numpy.recommender.reporting import user_groups
from acg_numpy.recommender.reporting.document import Picture, literal
from acg_numpy.recommender.serving.token_values import added_by_tokens
from acg_numpy.recommender.training import Result
from acg_numpy.shapes import Array
from acg_numpy.text import printable

USERS_DRAWN = 4  # with all their heads, in the attention map
PAIRS_DRAWN = 20_000  # held-out ones at most that means and entropies are taken over
TOKENS_DRAWN = 24  # of which the items are named
LONGEST_LABEL = 24  # letters


class Drawing(NamedTuple):
    """A picture, and the call that draws it."""

    picture: Picture
    plot: Callable[..., Any]
    data: Any
    options: Mapping[str, Any] = {}


def baselines(result: Result) -> Drawing:
    """How the models stand beside each other."""
    test = result.metrics["test"]
    best = max(test, key=lambda name: test[name]["ndcg@10"]["mean"])
    alt = (
        f"NDCG@10 of {len(test)} models, a point each, the best on top: {best} with "
        f"{test[best]['ndcg@10']['mean']:.3f}; attention has {test['attention']['ndcg@10']['mean']:.3f}."
    )
    caption = "The table as a picture. The scale does not begin at 0: it is made to tell the models apart."
    return Drawing(Picture("baselines.png", alt, caption), plots.baselines, result.metrics)


def loss_curve(result: Result) -> Drawing:
    """How training went, and whether it was long enough."""
    history = result.history
    loss, looks, seen = history["loss"], history["validation_ndcg"], history["validation_epoch"]
    words = [f"In {count(len(loss), 'epoch')} the training loss went from {loss[0]:.3f} to {loss[-1]:.3f}."]
    if looks:
        best = int(np.argmax(looks))
        words.append(
            f"Validation was best in epoch {seen[best]}, NDCG@10 {looks[best]:.3f}, and those values are kept."
        )
    told = " ".join(words)
    if looks and best == len(looks) - 1:
        words.append("It was still rising when training ended: more epochs may do better.")
    elif looks:
        words.append("What comes after it is fitted to the training pairs more than to others.")
    return Drawing(
        Picture("loss_curve.png", f"Two curves over epochs. {told}", " ".join(words)), plots.loss_curve, history
    )


def attention_map(result: Result) -> Drawing:
    """Where attention went for single users."""
    users, domain = drawn_pairs(result)
    attention, named = attention_of(result, users, domain), in_words(result, domain)
    rows, K = attention.shape[0] * attention.shape[1], attention.shape[-1]
    decided = int(np.sum(attention.max(axis=-1) > 0.5)) or "none"
    whom, over = count(len(users), "held-out user"), count(K, "token")
    seen = f"In {decided} of {count(rows, 'row')} a single token has more than half of the weight."
    alt = f"Attention of {whom} over the {over} of {named}, a row for each head of each user. {seen}"
    caption = (
        f"A row is what one head does for one held-out user in {literal(named)}: weights over {over}, which sum to 1. "
        f"{seen} Where the rows of a head differ from user to user, attention chooses; where they are alike, everybody "
        "gets the same."
    )
    if K == 1:
        caption = f"Every head of every user gives all its weight to the only token of {literal(named)}."
    options = {
        "row_labels": [label(user) for user in result.interactions.users[users]],
        "token_labels": token_names(result, domain),
    }
    return Drawing(Picture("attention_map.png", alt, caption), plots.attention_map, attention, options)


def attention_by_domain(result: Result) -> Drawing:
    """What users of a domain attend to on average."""
    attention, domains = held_out(result)
    found = np.unique(domains)
    means = np.stack([attention[domains == d].mean(axis=0) for d in found])  # (N, H, K)
    where, head, token = (int(i) for i in np.unravel_index(np.argmax(means), means.shape))
    named = in_words(result, int(found[where]))
    seen = f"The largest mean is {means.max():.2f}, of token {token} in head {head} in "
    alt = f"Mean attention of {count(len(attention), 'held-out pair')}, a panel a head, a row a domain. {seen}{named}."
    caption = (
        f"A bright cell is a token that most users of the domain attend to, whoever they are. {seen}{literal(named)}. "
        "Token 3 of one domain has nothing to do with token 3 of another."
    )
    names = [label(name) for name in result.interactions.domains]
    options = {
        "domain_id": domains,
        "names": names,
        "token_labels": token_names(result),
        "size": _panels(attention.shape[1], len(found)),
    }
    return Drawing(Picture("attention_by_domain.png", alt, caption), plots.attention_by_domain, attention, options)


def attention_by_group(result: Result, world: World | None = None) -> Drawing | None:
    """What users of different kinds attend to in the largest domain; None where there is one kind, or one token."""
    users, domain = _held_out_in_one(result)
    grouping = user_groups.large_enough(_grouped(result, users, domain, world))
    kept = grouping.ids >= 0
    attention, ids = attention_of(result, users[kept], domain), grouping.ids[kept]
    if len(np.unique(ids)) < 2 or attention.shape[-1] == 1:
        return None
    found = user_groups.widest(attention, ids, result.arguments["seed"])
    named, kinds = in_words(result, domain), [printable(name) for name in grouping.names]
    seen = (
        f"They differ most on token {found.token} in head {found.head}: {found.means[0]:.2f} from those of "
        f'"{kinds[found.most]}", {found.means[1]:.2f} from those of "{kinds[found.least]}".'
    )
    whom = count(len(ids), "held-out user")
    alt = f"Mean attention of {whom} in {named}, a panel a head, a row a group: {grouping.by}. {seen}"
    caption = (
        f"Do heads tell users apart? {whom[0].upper()}{whom[1:]} in {literal(named)}, grouped by {grouping.by}. "
        f"{literal(seen)} With the users exchanged at random between the groups, the largest such difference is "
        f"{found.by_chance:.2f}."
    )
    if not np.all(kept):
        caption += (
            f" Not in a group, or in one of fewer than {user_groups.FEWEST}: {count(int(np.sum(~kept)), 'user')}."
        )
    options = {
        "group_id": ids,
        "names": [label(name) for name in grouping.names],
        "token_labels": token_names(result),
        "size": _panels(attention.shape[1], len(np.unique(ids))),
    }
    return Drawing(Picture("attention_by_group.png", alt, caption), plots.attention_by_group, attention, options)


def _grouped(result: Result, users: Array, domain: int, world: World | None) -> user_groups.Grouping:
    """By taste where tastes are known; else by what users took elsewhere, or how much where there is one elsewhere."""
    if world is not None and world.kind == "tastes":
        return user_groups.by_taste(world.weights[users, domain])
    data, visible = result.interactions, result.interactions.elsewhere[domain]
    counts = domain_counts(data.matrix[users][:, visible], data.item_domain[visible], len(data.domains))
    elsewhere = np.delete(counts, domain, axis=1)
    if elsewhere.shape[1] < 2:
        return user_groups.by_activity(elsewhere.sum(axis=1))
    return user_groups.by_preference(elsewhere, np.delete(data.domains, domain).tolist())


def attention_entropy(result: Result) -> Drawing:
    """How decided each head is."""
    attention, _ = held_out(result)
    medians = np.median(2 ** entropy(attention), axis=0)  # (H,)
    K = attention.shape[-1]
    most, least = int(np.argmin(medians)), int(np.argmax(medians))
    seen = f"In the median, head {most} looks at {medians[most]:.1f} of {count(K, 'token')}"
    seen += f", head {least} at {medians[least]:.1f}." if most != least else "."
    alt = f"A box for each head over {count(len(attention), 'held-out pair')}: how many tokens it looks at. {seen}"
    caption = (
        f"1 is a single token, {K:,} an average over all. {seen} A head at the top might as well not look; one whose "
        "box is tall is decided for some users and not for others."
    )
    if K == 1:
        caption = "There is a single token, whose weight is always 1: attention has nothing to choose."
    return Drawing(Picture("attention_entropy.png", alt, caption), plots.attention_entropy, attention)


def attention_through_training(result: Result) -> Drawing | None:
    """How attention became what it is; None where it was not watched."""
    whom, epochs = watched(result.split.validation), result.history.get("snapshot_epoch")
    if whom is None or not epochs:
        return None
    snapshots = np.asarray(result.history["snapshot"])  # (E, B, H, K)
    _, B, H, K = snapshots.shape
    largest = snapshots.max(axis=-1).mean(axis=(1, 2))
    named, over = in_words(result, whom.domain), ", ".join(map(str, epochs))
    seen = (
        f"The largest weight of a row is {largest[0]:.2f} on average at first, {largest[-1]:.2f} in epoch {epochs[-1]}."
    )
    alt = f"The attention of {count(B, 'validation user')} in {named} after epochs {over}. {seen}"
    caption = (
        f"The same heads of {count(B, 'validation user')} in {literal(named)}, before training (epoch 0) "
        f"and after some epochs of it. {seen}"
    )
    users = [label(user, 12) for user in result.interactions.users[whom.users]]
    options = {
        "epochs": epochs,
        "row_labels": [f"{user}, head {h}" for user in users for h in range(H)],
        "token_labels": token_names(result),
        "size": _panels(len(epochs), B * H),
    }
    picture = Picture("attention_through_training.png", alt, caption)
    return Drawing(picture, plots.attention_through_training, snapshots.reshape(len(epochs), B * H, K), options)


def token_items(result: Result) -> Drawing:
    """Which items each token of the largest domain brings forward."""
    _, domain = drawn_pairs(result)
    data, named = result.interactions, in_words(result, domain)
    columns = data.columns(domain)
    added = added_by_tokens(result.conditioner)[domain].sum(axis=0)  # (K, D), all heads attending to the one token
    scores = added @ result.factors.item_vectors[columns].T  # (K, items)
    shown, which = np.arange(len(scores)), f"each of the {count(len(scores), 'token')} of {named}"
    if len(scores) == 1:
        which = f"the only token of {named}"
    if len(scores) > TOKENS_DRAWN:
        weight = attention_of(result, *_held_out_in_one(result)).mean(axis=(0, 1))
        shown = np.sort(np.argsort(-weight, kind="stable")[:TOKENS_DRAWN])
        which = f"each of the {TOKENS_DRAWN} tokens of {named}, of {len(scores):,}, that get most attention"
    first = [str(data.items[columns[np.argmax(scores[k])]]) for k in shown]
    labels = [name if name.startswith("global") else f"token {name}" for name in token_names(result)]
    tops = ", ".join(f"{labels[k]}: {printable(item)}" for k, item in zip(shown[:8], first, strict=False))
    alt = f"The five items that score highest for {which}, a row a token. First come, {tops}."
    caption = f"Tokens have no names. For {literal(which)}: the items that come first if all attention goes to it."
    if 1 < len(shown) == len(scores):
        caption += " Where two rows name the same items, two tokens say the same."
    options = {
        "item_names": data.items[columns],
        "token_labels": [labels[k] for k in shown],
        "size": (8.8, max(1.2 + 0.38 * len(shown), 2.4)),
    }
    return Drawing(Picture("token_items.png", alt, caption), plots.token_items, scores[shown], options)


def taste_map(result: Result, world: World) -> Drawing:
    """Which token's attention follows which of the true tastes, in the largest domain."""
    users, domain = _held_out_in_one(result)
    attention, named = attention_of(result, users, domain), in_words(result, domain)
    _, H, K = attention.shape
    correlation, assigned = taste_assignment(attention, world.weights[users, domain])
    given = np.flatnonzero(assigned >= 0)
    mean = correlation[given, assigned[given]].mean()
    alt = (
        f"Correlation of attention to each token with the weight of each taste in {named}, tastes down, the tokens of "
        f"all heads across; rings mark the token that each taste is given, {mean:.2f} on average."
    )
    caption = (
        "In this world the tastes are known, to the picture and not to the model. Over held-out users of "
        f"{literal(named)}: red where attention to a token goes with the weight of a taste, blue where it goes against "
        f"it. A ring is the token that a taste is given; their mean is {mean:.2f}."
    )
    options = {
        "assigned": assigned,
        "token_labels": [f"head {h}, {k}" for h in range(H) for k in range(K)],
        "size": (9.2, 4.4),
    }
    return Drawing(Picture("taste_map.png", alt, caption), plots.taste_map, correlation, options)


def agreement(world: World, result: Result) -> str:
    """Compare the first run's attention on held-out users with the tastes that count for them, domain by domain."""
    rng = np.random.default_rng(result.arguments["seed"])
    found, by_chance = [], []
    for domain in np.unique(result.split.test[:, 1]).tolist():
        users = result.split.test[result.split.test[:, 1] == domain, 0]
        attention, weights = attention_of(result, users, domain), world.weights[users, domain]
        found.append(taste_agreement(attention, weights))
        by_chance.append(taste_agreement(attention, rng.permutation(weights)))
    return (
        "Nothing told the model what the tastes are. Give each taste the token of a head that goes with it best, "
        "domain by domain, on held-out users: the mean correlation of attention to the token and weight of the taste "
        f"is {np.mean(found):.2f}. With the users' tastes exchanged at random it is {np.mean(by_chance):.2f}."
    )


def drawn_pairs(result: Result) -> tuple[Array, int]:
    """Choose whom to draw: the first held-out users of the largest domain that has any."""
    test = result.split.test
    domain = int(test[:, 1].min())
    return test[test[:, 1] == domain][:USERS_DRAWN, 0], domain


def _held_out_in_one(result: Result) -> tuple[Array, int]:
    """The held-out users of the largest domain that has any; of very many, the first."""
    _, domain = drawn_pairs(result)
    return result.split.test[result.split.test[:, 1] == domain, 0][:PAIRS_DRAWN], domain


def held_out(result: Result) -> tuple[Array, Array]:
    """Attention (P, H, K) of the first run's test pairs, and their domains (P,); of very many, some at equal steps."""
    test = result.split.test
    chosen = test[np.linspace(0, len(test) - 1, min(len(test), PAIRS_DRAWN)).astype(int)]
    return attention_of(result, chosen[:, 0], chosen[:, 1]), chosen[:, 1]


def attention_of(result: Result, users: Array, domain: int | Array) -> Array:
    """Compute where the first run's attention goes for users in a domain, (B, H, K)."""
    with no_grad():
        _, attention = result.conditioner(result.user_vectors[users, domain], domain, return_attention=True)
    weights: Array = attention.numpy()
    return weights


def token_names(result: Result, domain: int | None = None) -> list[str]:
    """Name the tokens: by their domain, or by number where there are several domains; shared ones come last."""
    embedding = result.conditioner.domain_embedding
    own = "" if domain is None else f"{label(result.interactions.domains[domain], 12)} "
    return [f"{own}{t}" for t in range(embedding.tokens_per_domain)] + [
        f"global {t}" for t in range(embedding.num_global_tokens)
    ]


def in_words(result: Result, domain: int) -> str:
    """A domain's name as a sentence has it."""
    return f'"{printable(str(result.interactions.domains[domain]))}"'


def _panels(count: int, rows: int) -> tuple[float, float]:
    """Inches for so many panels, four side by side, of so many rows."""
    lines = -(-count // 4)
    return 9.2, min(1.0 + lines * max(1.6, 0.6 + 0.25 * rows), 14.0)


def count(number: int, noun: str) -> str:
    """Count things.

    Examples
    --------
    >>> count(1, "token"), count(1000, "token")
    ('1 token', '1,000 tokens')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def label(name: str, longest: int = LONGEST_LABEL) -> str:
    """Make any id fit for a picture: short, on one line, and no formula.

    Examples
    --------
    >>> label("a$ b"), label("x" * 40)
    ('a\\\\$ b', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    short = name if len(name) <= longest else name[: longest - 1] + "…"
    return "".join(letter if letter.isprintable() else " " for letter in short).replace("$", r"\$")

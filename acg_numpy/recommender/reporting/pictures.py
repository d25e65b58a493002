"""Pictures of a run: for each the call that draws it, its content in words, and how to read it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from acg_numpy import plots
from acg_numpy.autograd import no_grad
from acg_numpy.plots.entropy import entropy
from acg_numpy.recommender.data import World, taste_agreement, taste_assignment
from acg_numpy.recommender.data.interactions import domain_counts
from acg_numpy.recommender.evaluation.attention_history import choose_watched_users
from acg_numpy.recommender.evaluation.significance import verdict
from acg_numpy.recommender.reporting import user_groups
from acg_numpy.recommender.reporting.document import Figure
from acg_numpy.recommender.serving.token_values import token_conditions
from acg_numpy.recommender.training import Result
from acg_numpy.shapes import Array
from acg_numpy.text import counted

USERS_SHOWN = 4  # in the attention map, with all their heads
MOST_PAIRS_SHOWN = 20_000  # held-out pairs over which means and entropies are taken
MOST_TOKENS_SHOWN = 24  # in the picture of tokens and their items
LONGEST_LABEL = 24  # letters


class Drawing(NamedTuple):
    """A figure of the report, and the call that draws it."""

    figure: Figure
    plot: Callable[..., Any]
    data: Any
    options: Mapping[str, Any] = {}


def baselines(result: Result) -> Drawing:
    """Compare the models in ``NDCG@10``."""
    test = result.metrics["test"]
    best = max(test, key=lambda name: test[name]["ndcg@10"]["mean"])
    own = "" if best == "attention" else f"; attention has {test['attention']['ndcg@10']['mean']:.3f}"
    alt = (
        f"NDCG@10 of {counted(len(test), 'model')}, a point each, the best on top: {best} with "
        f"{test[best]['ndcg@10']['mean']:.3f}{own}."
    )
    caption = (
        "The table as a picture. The scale does not begin at 0, so that the models can be distinguished. A bar reaches "
        "two standard errors of the difference to attention to each side: where it does not reach attention's line, "
        "the difference is more than that."
    )
    return Drawing(Figure("baselines.png", alt, caption), plots.baselines, result.metrics)


def leads_by_domain(result: Result) -> Drawing | None:
    """Compare attention with the other models in each domain; None where no difference is known."""
    domains = {label(name): group for name, group in result.metrics["by_domain"].items()}
    compared = {name: group["paired"] for name, group in domains.items() if group["paired"]}
    if not compared:
        return None
    ahead = sum(verdict(one) > 0 for paired in compared.values() for one in paired.values())
    behind = sum(verdict(one) < 0 for paired in compared.values() for one in paired.values())
    number = sum(map(len, compared.values()))
    seen = (
        f"In {ahead} of {number} comparisons attention is ahead, in {behind} behind, by more than two standard errors."
    )
    alt = f"Attention's lead over each model, a panel for each of {counted(len(compared), 'domain')}. {seen}"
    caption = (
        f"Points to the right of a line are models that attention is ahead of in that domain. {seen} About one in "
        "twenty would be so by chance alone."
    )
    rows = -(-min(len(compared), 12) // 4)
    size = (9.2, min(0.8 + rows * (0.7 + 0.19 * max(map(len, compared.values()))), 14.0))
    return Drawing(Figure("leads_by_domain.png", alt, caption), plots.leads_by_domain, domains, {"size": size})


def quality_and_parameters(result: Result) -> Drawing:
    """Compare how well models rank with how many parameters they have."""
    test = result.metrics["test"]
    own = test["attention"]
    alt = (
        f"NDCG@10 of the models against their parameters, and against what one more domain would add. Attention has "
        f"{own['ndcg@10']['mean']:.3f} with {own['parameters']:,}, and one more domain adds "
        f"{own['parameters_per_domain']:,}."
    )
    caption = (
        f"Higher is better, further left is smaller. Of attention's {own['parameters']:,} parameters a domain has "
        f"{own['parameters_per_domain']:,} of its own. Models without parameters are not drawn."
    )
    options = {"size": (9.2, 4.2)}
    figure = Figure("quality_and_parameters.png", alt, caption)
    return Drawing(figure, plots.quality_and_parameters, result.metrics, options)


def loss_curve(result: Result) -> Drawing:
    """Show how training went, and say whether it was long enough."""
    history = result.history
    loss, validation = history["loss"], history["validation_ndcg"]
    words = [f"In {counted(len(loss), 'epoch')} the training loss went from {loss[0]:.3f} to {loss[-1]:.3f}."]
    if validation:
        best = int(np.argmax(validation))
        words.append(
            f"Validation was best in epoch {history['validation_epoch'][best]}, NDCG@10 {validation[best]:.3f}, and "
            "those values are kept."
        )
    alt = f"Two curves over epochs. {' '.join(words)}"
    if validation and best == len(validation) - 1:
        words.append("It was still rising when training ended: more epochs may do better.")
    elif validation:
        words.append("What comes after it is fitted to the training pairs more than to others.")
    return Drawing(Figure("loss_curve.png", alt, " ".join(words)), plots.loss_curve, history)


def attention_map(result: Result) -> Drawing:
    """Show where attention went for single users."""
    users, domain = example_users(result)
    attention, named = attention_weights(result, users, domain), _quoted_domain(result, domain)
    rows, K = attention.shape[0] * attention.shape[1], attention.shape[-1]
    decided = int(np.sum(attention.max(axis=-1) > 0.5)) or "none"
    whom, over = counted(len(users), "held-out user"), counted(K, "token")
    seen = f"In {decided} of {counted(rows, 'row')} a single token has more than half of the weight."
    alt = f"Attention of {whom} over the {over} of {named}, a row for each head of each user. {seen}"
    caption = (
        f"A row is what one head does for one held-out user in {named}: weights over {over}, which sum to 1. "
        f"{seen} Where the rows of a head differ from user to user, attention chooses; where they are alike, every "
        "user gets the same."
    )
    if K == 1:
        caption = f"Every head of every user gives all its weight to the only token of {named}."
    options = {
        "row_labels": [label(user) for user in result.interactions.users[users]],
        "token_labels": _token_names(result, domain),
    }
    return Drawing(Figure("attention_map.png", alt, caption), plots.attention_map, attention, options)


def attention_by_domain(result: Result) -> Drawing:
    """Show what users of a domain attend to on average."""
    attention, domains = _held_out_attention(result)
    found = np.unique(domains)
    means = np.stack([attention[domains == d].mean(axis=0) for d in found])  # (N, H, K)
    where, head, token = (int(i) for i in np.unravel_index(np.argmax(means), means.shape))
    named = _quoted_domain(result, int(found[where]))
    seen = f"The largest mean is {means.max():.2f}, of token {token} in head {head} in "
    alt = (
        f"Mean attention of {counted(len(attention), 'held-out pair')}, a panel a head, a row a domain. {seen}{named}."
    )
    caption = (
        f"A bright cell is a token that most users of the domain attend to, whatever they did elsewhere. {seen}"
        f"{named}. Token 3 of one domain has nothing to do with token 3 of another."
    )
    names = [label(name) for name in result.interactions.domains]
    options = {
        "domain_id": domains,
        "names": names,
        "token_labels": _token_names(result),
        "size": _panel_size(attention.shape[1], len(found)),
    }
    return Drawing(Figure("attention_by_domain.png", alt, caption), plots.attention_by_domain, attention, options)


def attention_by_group(result: Result, world: World | None = None) -> Drawing | None:
    """Show what groups of users attend to in the largest domain; None where there is one group, or one token."""
    users, domain = _test_users_of_largest(result)
    grouping = user_groups.large_enough(_group_users(result, users, domain, world))
    kept = grouping.ids >= 0
    attention, ids = attention_weights(result, users[kept], domain), grouping.ids[kept]
    if len(np.unique(ids)) < 2 or attention.shape[-1] == 1:
        return None
    found = user_groups.largest_difference(attention, ids, result.arguments["seed"])
    named, kinds = _quoted_domain(result, domain), grouping.names
    seen = (
        f"They differ most on token {found.token} in head {found.head}: {found.means[0]:.2f} from those of "
        f'"{kinds[found.most]}", {found.means[1]:.2f} from those of "{kinds[found.least]}".'
    )
    whom = counted(len(ids), "held-out user")
    alt = f"Mean attention of {whom} in {named}, a panel a head, a row a group: {grouping.by}. {seen}"
    caption = (
        f"Do heads distinguish users? {whom[0].upper()}{whom[1:]} in {named}, grouped by {grouping.by}. "
        f"{seen} With the users exchanged at random between the groups, the largest such difference is "
        f"{found.by_chance:.2f}."
    )
    if not np.all(kept):
        caption += (
            f" Not in a group, or in one of fewer than {user_groups.FEWEST}: {counted(int(np.sum(~kept)), 'user')}."
        )
    options = {
        "group_id": ids,
        "names": [label(name) for name in grouping.names],
        "token_labels": _token_names(result),
        "size": _panel_size(attention.shape[1], len(np.unique(ids))),
    }
    return Drawing(Figure("attention_by_group.png", alt, caption), plots.attention_by_group, attention, options)


def _group_users(result: Result, users: Array, domain: int, world: World | None) -> user_groups.Grouping:
    """Group users by taste where tastes are known; else by what they took elsewhere, or by how much they took there."""
    if world is not None and world.kind == "tastes":
        return user_groups.group_by_taste(world.weights[users, domain])
    data, visible = result.interactions, result.interactions.elsewhere[domain]
    counts = domain_counts(data.matrix[users][:, visible], data.item_domain[visible], len(data.domains))
    elsewhere = np.delete(counts, domain, axis=1)
    if elsewhere.shape[1] < 2:
        return user_groups.group_by_activity(elsewhere.sum(axis=1))
    return user_groups.group_by_preference(elsewhere, np.delete(data.domains, domain).tolist())


def attention_entropy(result: Result) -> Drawing:
    """Show how many tokens each head attends to."""
    attention, _ = _held_out_attention(result)
    medians = np.median(2 ** entropy(attention), axis=0)  # (H,)
    K = attention.shape[-1]
    most, least = int(np.argmin(medians)), int(np.argmax(medians))
    seen = f"In the median, head {most} attends to {medians[most]:.1f} of {counted(K, 'token')}"
    seen += f", head {least} to {medians[least]:.1f}." if most != least else "."
    alt = f"A box for each head over {counted(len(attention), 'held-out pair')}: how many tokens it attends to. {seen}"
    caption = (
        f"1 is a single token, {K:,} an average over all. {seen} A head at the top gives all tokens nearly equal "
        "weight; a tall box means that the head chooses for some users and not for others."
    )
    if K == 1:
        caption = "There is a single token, whose weight is always 1: attention has nothing to choose."
    return Drawing(Figure("attention_entropy.png", alt, caption), plots.attention_entropy, attention)


def attention_through_training(result: Result) -> Drawing | None:
    """Show how attention changed in training; None where it was not watched."""
    whom, epochs = choose_watched_users(result.split.validation), result.history.get("snapshot_epoch")
    if whom is None or not epochs:
        return None
    snapshots = np.asarray(result.history["snapshot"])  # (E, B, H, K)
    _, B, H, K = snapshots.shape
    largest = snapshots.max(axis=-1).mean(axis=(1, 2))
    named, over = _quoted_domain(result, whom.domain), ", ".join(map(str, epochs))
    seen = (
        f"The largest weight of a row is {largest[0]:.2f} on average at first, {largest[-1]:.2f} in epoch {epochs[-1]}."
    )
    alt = f"The attention of {counted(B, 'validation user')} in {named} after epochs {over}. {seen}"
    caption = (
        f"The same heads of {counted(B, 'validation user')} in {named}, before training (epoch 0) "
        f"and after some epochs of it. {seen}"
    )
    users = [label(user, 12) for user in result.interactions.users[whom.users]]
    options = {
        "epochs": epochs,
        "row_labels": [f"{user}, head {h}" for user in users for h in range(H)],
        "token_labels": _token_names(result),
        "size": _panel_size(len(epochs), B * H),
    }
    figure = Figure("attention_through_training.png", alt, caption)
    return Drawing(figure, plots.attention_through_training, snapshots.reshape(len(epochs), B * H, K), options)


def token_items(result: Result) -> Drawing:
    """Show which items each token of the largest domain ranks first."""
    _, domain = example_users(result)
    data, named = result.interactions, _quoted_domain(result, domain)
    columns = data.columns(domain)
    alone = token_conditions(result.conditioner)[domain]  # (K, D), all heads attending to the one token
    scores = alone @ result.factors.item_vectors[columns].T  # (K, items)
    shown, which = np.arange(len(scores)), f"each of the {counted(len(scores), 'token')} of {named}"
    if len(scores) == 1:
        which = f"the only token of {named}"
    if len(scores) > MOST_TOKENS_SHOWN:
        weight = attention_weights(result, *_test_users_of_largest(result)).mean(axis=(0, 1))
        shown = np.sort(np.argsort(-weight, kind="stable")[:MOST_TOKENS_SHOWN])
        which = f"each of the {MOST_TOKENS_SHOWN} tokens of {named}, of {len(scores):,}, that get most attention"
    first = [str(data.item_names[columns[np.argmax(scores[k])]]) for k in shown]
    labels = [name if name.startswith("global") else f"token {name}" for name in _token_names(result)]
    tops = ", ".join(f"{labels[k]}: {item}" for k, item in zip(shown[:8], first, strict=False))
    alt = f"The five items that score highest for {which}, a row a token. First come, {tops}."
    caption = f"Tokens have no names. For {which}: the items that come first if all attention goes to it."
    if 1 < len(shown) == len(scores):
        caption += " Where two rows name the same items, the two tokens stand for the same."
    options = {
        "item_names": data.item_names[columns],
        "token_labels": [labels[k] for k in shown],
        "size": (8.8, max(1.2 + 0.38 * len(shown), 2.4)),
    }
    return Drawing(Figure("token_items.png", alt, caption), plots.token_items, scores[shown], options)


def taste_map(result: Result, world: World) -> Drawing:
    """Show which token's attention follows which of the true tastes, in the largest domain."""
    users, domain = _test_users_of_largest(result)
    attention, named = attention_weights(result, users, domain), _quoted_domain(result, domain)
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
        f"{named}: red where attention to a token goes with the weight of a taste, blue where it goes against "
        f"it. A ring is the token that a taste is given; their mean is {mean:.2f}."
    )
    options = {
        "assigned": assigned,
        "token_labels": [f"head {h}, {k}" for h in range(H) for k in range(K)],
        "size": (9.2, 4.4),
    }
    return Drawing(Figure("taste_map.png", alt, caption), plots.taste_map, correlation, options)


def agreement(world: World, result: Result) -> str:
    """Compare the first run's attention on held-out users with the tastes that count for them, domain by domain."""
    rng = np.random.default_rng(result.arguments["seed"])
    found, by_chance = [], []
    for domain in np.unique(result.split.test[:, 1]).tolist():
        users = result.split.test[result.split.test[:, 1] == domain, 0]
        attention, weights = attention_weights(result, users, domain), world.weights[users, domain]
        found.append(taste_agreement(attention, weights))
        by_chance.append(taste_agreement(attention, rng.permutation(weights)))
    return (
        "The model does not know the tastes. In each domain, each taste is assigned the token of a head that agrees "
        "with it best, on held-out users: the mean correlation of attention to the token and weight of the taste "
        f"is {np.mean(found):.2f}. With the users' tastes exchanged at random it is {np.mean(by_chance):.2f}."
    )


def example_users(result: Result) -> tuple[Array, int]:
    """Return the first held-out users of the largest domain that has any, and the domain."""
    test = result.split.test
    domain = int(test[:, 1].min())
    return test[test[:, 1] == domain][:USERS_SHOWN, 0], domain


def _test_users_of_largest(result: Result) -> tuple[Array, int]:
    """Return the held-out users of the largest domain that has any, and the domain; of very many users, the first."""
    _, domain = example_users(result)
    return result.split.test[result.split.test[:, 1] == domain, 0][:MOST_PAIRS_SHOWN], domain


def _held_out_attention(result: Result) -> tuple[Array, Array]:
    """Return attention (P, H, K) of the first run's test pairs, and their domains (P,); of very many, a sample."""
    test = result.split.test
    chosen = test[np.linspace(0, len(test) - 1, min(len(test), MOST_PAIRS_SHOWN)).astype(int)]
    return attention_weights(result, chosen[:, 0], chosen[:, 1]), chosen[:, 1]


def attention_weights(result: Result, users: Array, domain: int | Array) -> Array:
    """Compute the first run's attention for users in a domain, (B, H, K)."""
    with no_grad():
        _, attention = result.conditioner(result.user_vectors[users, domain], domain, return_attention=True)
    weights: Array = attention.numpy()
    return weights


def _token_names(result: Result, domain: int | None = None) -> list[str]:
    """Name the tokens, by domain and number or by number where there are several domains; shared ones come last."""
    embedding = result.conditioner.domain_embedding
    own = "" if domain is None else f"{label(result.interactions.domains[domain], 12)} "
    return [f"{own}{t}" for t in range(embedding.tokens_per_domain)] + [
        f"global {t}" for t in range(embedding.num_global_tokens)
    ]


def _quoted_domain(result: Result, domain: int) -> str:
    """Return a domain's name in quotation marks."""
    return f'"{result.interactions.domains[domain]}"'


def _panel_size(panels: int, rows: int) -> tuple[float, float]:
    """Return the size in inches of so many panels, four side by side, of so many rows."""
    lines = -(-panels // 4)
    return 9.2, min(1.0 + lines * max(1.6, 0.6 + 0.25 * rows), 14.0)


def label(name: str, longest: int = LONGEST_LABEL) -> str:
    r"""Return an id as a picture can show it: short, and on one line.

    Examples
    --------
    >>> label("a\tb"), label("x" * 40)
    ('a b', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    short = name if len(name) <= longest else name[: longest - 1] + "…"
    return "".join(letter if letter.isprintable() else " " for letter in short)

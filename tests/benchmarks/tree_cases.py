"""Cases of `two_trees`: the calls that are timed, made from the package of whichever tree is imported.

Names have moved from module to module in the history of the package, so each is looked up where it has been.  Models,
settings and numbers of epochs are the same in every tree, whatever its defaults are.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SMALL = [(1, 32, 4, 8, 8), (32, 32, 4, 8, 8), (256, 32, 4, 8, 8)]  # users, features, heads, domains, tokens
LARGE = [(4096, 64, 4, 1000, 8), (8192, 64, 4, 8, 8), (65536, 64, 4, 8, 8)]
# What attention is trained with by default, by genre, which old trees do not have.
WIDE = {"num_heads": 16, "inner_dim": 128, "dropout": 0.4, "head_dropout": 0.4, "layer_norm": True}
MODELS = ("user", "user+domain", "concat-linear", "film", "concat-mlp", "attention")  # which every tree has
RATE, EMB_DIM, HIDDEN = 3e-3, 32, 64

Cases = dict[str, Callable[[], Any]]


def find(name: str, *modules: str) -> Any:
    """Return what a name stands for in the first of some modules that there is and that has it."""
    for module in modules:
        try:
            return getattr(importlib.import_module(f"acg_numpy.{module}"), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"this tree has {name} in none of {', '.join(modules)}")


def _is_wide(conditioner: Any) -> bool:
    """Return whether the conditioner of this tree may have wide heads."""
    return "inner_dim" in inspect.signature(conditioner).parameters


def call_cases() -> Cases:
    """Make the calls of the conditioner, of `top_k` and of the engine."""
    from acg_numpy import AttentionConditioner, no_grad, tensor

    rng, cases = np.random.default_rng(0), {}

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    shapes: list[tuple[Any, dict[str, Any]]] = [(shape, {"num_heads": shape[2]}) for shape in SMALL + LARGE]
    if _is_wide(AttentionConditioner):
        shapes.append(((256, 32, "16 of 8", 8, 8), WIDE))
    for shape, options in shapes:
        B, D, _, N, K = shape
        conditioner = AttentionConditioner(D, num_domains=N, tokens_per_domain=K, seed=0, **options)
        users, ids, grad = draw(B, D), rng.integers(0, N, B), draw(B, D)
        serve = conditioner.prepared() if hasattr(conditioner, "prepared") else no_grad(conditioner.__call__)
        leaves = [tensor(users, requires_grad=True), *conditioner.parameters()]

        def step(conditioner=conditioner, leaves=leaves, ids=ids, grad=grad):
            for leaf in leaves:
                leaf.grad = None
            conditioner(leaves[0], ids).backward(grad)

        cases[f"step {shape}"] = step
        cases[f"serve {shape}"] = lambda serve=serve, users=users, ids=ids: serve(users, ids)
    top_k = find("top_k", "recommender.evaluation.metrics", "training.metrics")
    for rows, columns in [(1390, 3000), (300, 451), (1, 100_000)]:
        scores = draw(rows, columns)
        cases[f"top_k (10 of {rows}, {columns})"] = lambda scores=scores: top_k(scores, 10)
    for kib in (1, 8, 51, 160, 400):
        t, constant = tensor(draw(256 * kib), requires_grad=True), draw(256 * kib)
        cases[f"t * constant ({kib} KiB)"] = lambda t=t, constant=constant: (t * constant).backward(constant)
    return cases


def training_cases(name: str, interactions: Any, epochs: int) -> Cases:
    """Make the training of attention and of all models, on interactions, and the parts that it consists of."""
    from acg_numpy import AttentionConditioner

    later = importlib.util.find_spec("acg_numpy.recommender") is not None  # its models take settings
    draw_split, factorise = (find(name, "recommender.data", "data") for name in ("draw_split", "factorise"))
    Catalogue, Pairs = (find(name, "recommender.data.pairs", "training.pairs") for name in ("Catalogue", "Pairs"))
    Ranker = find("Ranker", "recommender.training.ranker", "training.ranking")
    evaluate = find("evaluate", "recommender.evaluation.protocol", "training.ranking")
    train, in_domain = find("train", "recommender.training.loop", "training.loop"), "recommender.training.in_domain"
    make_score = find(*(("make_score", "recommender.training.loop") if later else ("scores_of", "training.loop")))
    forward, backward = (find(f"in_domain_{way}", in_domain, "training.in_domain") for way in ("forward", "backward"))
    make_model = find("make_model", "recommender.models.factory", "training.baselines")
    make_catalogue = getattr(Catalogue, "from_interactions", None) or Catalogue.of
    make_pairs = getattr(Pairs, "from_matrix", None) or Pairs.of

    split = draw_split(interactions, 0)
    visible = split.visible(interactions)
    factors = factorise(visible, interactions, emb_dim=EMB_DIM, seed=0)
    vectors, catalogue = factors.user_vectors(visible), make_catalogue(interactions, factors.item_vectors)
    fold = [
        make_pairs(pairs, matrix, interactions.item_domain, catalogue)
        for pairs, matrix in ((split.train, visible), (split.validation, interactions.matrix))
    ]
    item_bias, names = np.log(0.01 + factors.popularity), interactions.domains.tolist()
    nothing = fold[1].take(np.arange(0))  # no pairs to validate on

    def ranker(model: str) -> Any:
        if "attention" in model:
            options = WIDE if model == "wide attention" else {"num_heads": 4, "dropout": 0.1}
            made = AttentionConditioner(
                EMB_DIM, num_domains=len(names), tokens_per_domain=8, domain_names=names, seed=0, **options
            )
        else:
            settings: dict[str, Any] = {"emb_dim": EMB_DIM, "domain_names": names, "seed": 0}
            if later:
                settings |= {"dropout": 0.0, "layer_norm": True}
                settings |= {"user_dropout": 0.0, "hidden": HIDDEN} if model == "concat-mlp" else {}
            made = make_model(model, **settings)
        return Ranker(made, catalogue, item_bias.copy())

    def learn(model: str, validation: Any) -> Any:
        rate = {"rate": RATE} if later else {}
        trained = ranker(model)
        train(trained, fold[0], validation, vectors, epochs=epochs, seed=0, **rate)
        return trained

    def fit() -> None:
        factorise(visible, interactions, emb_dim=EMB_DIM, seed=0)
        for model in MODELS:
            evaluate(make_score(learn(model, fold[1]), vectors), fold[1])

    batch = fold[0].take(np.random.default_rng(0).permutation(len(fold[0]))[:256])
    if hasattr(batch, "with_vector_sums"):
        batch = batch.with_vector_sums(catalogue)  # as in training, once for all epochs
    condition = np.random.default_rng(1).standard_normal((len(batch), EMB_DIM), np.float32)
    score = make_score(ranker("attention").eval(), vectors)
    cases = {
        f"{name}: loss of a batch": lambda: backward(
            np.float32(1), forward(condition, item_bias, batch=batch, catalogue=catalogue)[1]
        ),
        f"{name}: validation": lambda: evaluate(score, fold[1]),
        f"{name}: {epochs} epochs of attention": lambda: learn("attention", nothing),
        f"{name}: factors": lambda: factorise(visible, interactions, emb_dim=EMB_DIM, seed=0),
        f"{name}: {epochs} epochs of {len(MODELS)} models": fit,
    }
    if _is_wide(AttentionConditioner):
        cases[f"{name}: {epochs} epochs of wide attention"] = lambda: learn("wide attention", nothing)
    return cases


def make_cases(movielens: Path | None, million: Path | None) -> Cases:
    """Make all cases; those of a file where there is one."""
    cases = call_cases()
    read = find("read_interactions", "recommender.data", "data")
    cases |= training_cases("demo", find("make_world", "recommender.data", "data")(seed=0).interactions, 4)
    if movielens is not None:
        interactions = read(movielens, domain="class", min_rating=4, max_domains=8)
        cases |= training_cases("MovieLens-100k", interactions, 4)
    if million is not None:
        cases |= training_cases("a million", read(million), 2)
    return cases

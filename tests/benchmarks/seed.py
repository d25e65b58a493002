"""The time of one attention seed on real interactions, ours beside the same loop in PyTorch.

    python -m tests.benchmarks.seed ml-100k.inter --domain-column class --min-rating 4 --max-domains 8

The same split, vectors, batches of 256, learning rate, weight decay, attention dropout, number of epochs and looks at
validation; interleaved in one process, on one thread unless `--threads` says otherwise.  PyTorch's loop is there twice:
as one writes it first, every item scored and those of other domains masked, and domain by domain, as ours does it.
What is printed is our time over theirs, the median over rounds, and the best NDCG@10 that each saw in validation.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from acg_numpy.recommender.data import draw_split, factorise, read_interactions
from acg_numpy.recommender.data.pairs import Catalogue, Pairs
from acg_numpy.recommender.models.factory import make_model
from acg_numpy.recommender.training import loop
from acg_numpy.recommender.training.ranker import Ranker

DIM, HEADS, TOKENS, BATCH = 32, 4, 8, 256


class Task:
    """What all three loops are given."""

    def __init__(self, path: Path, domain_column: str, min_rating: float | None, max_domains: int | None) -> None:
        interactions = read_interactions(path, domain=domain_column, min_rating=min_rating, max_domains=max_domains)
        self.split = draw_split(interactions, 0)
        visible = self.split.visible(interactions)
        factors = factorise(visible, interactions, emb_dim=DIM)
        self.items = Catalogue.from_interactions(interactions, factors.item_vectors)
        self.item_vectors = factors.item_vectors.astype(np.float32)
        self.user_vectors = factors.user_vectors(visible).astype(np.float32)
        self.training = Pairs.from_matrix(self.split.train, visible, interactions.item_domain, self.items)
        self.validation = Pairs.from_matrix(
            self.split.validation, interactions.matrix, interactions.item_domain, self.items
        )
        self.seen, self.everything = visible.toarray().astype(np.float32), interactions.matrix.toarray()
        self.of_domain = np.stack([interactions.item_domain == d for d in range(len(self.items.items))])
        share = np.asarray(visible.sum(axis=0)).ravel() / visible.shape[0]
        self.bias = np.log(0.01 + share).astype(np.float32)


def ours(task: Task, epochs: int) -> float:
    """The loop of `acg train`."""
    names = [str(d) for d in range(len(task.of_domain))]
    form = {"heads": HEADS, "inner_dim": DIM, "tokens_per_domain": TOKENS, "dropout": 0.1, "head_dropout": 0.0}
    model = make_model("attention", emb_dim=DIM, domain_names=names, layer_norm=False, seed=0, **form)
    ranker = Ranker(model, task.items, task.bias.copy())
    options = {"epochs": epochs, "patience": epochs, "rate": 3e-3, "seed": 0}  # all three run to the end
    trained = loop.train(ranker, task.training, task.validation, task.user_vectors, **options)
    return max(trained.history["validation_ndcg"])


class PyTorch:
    """The same in PyTorch."""

    def __init__(self, task: Task, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, self.task = torch, task
        self.users, self.items = torch.tensor(task.user_vectors), torch.tensor(task.item_vectors)
        self.of_domain, self.seen = torch.tensor(task.of_domain), torch.tensor(task.seen)
        self.everything = torch.tensor(task.everything.astype(np.float32))
        ids = [torch.tensor(np.flatnonzero(mask)) for mask in task.of_domain]
        self.by_domain = [(i, self.items[i], self.seen[:, i].contiguous()) for i in ids]
        discounts = 1 / np.log2(np.arange(2, 12))
        self.ideal = torch.tensor(np.concatenate([[0.0], np.cumsum(discounts)]), dtype=torch.float32)
        self.discounts = torch.tensor(discounts, dtype=torch.float32)

    def model(self) -> tuple[Any, Any, Any]:
        """Tokens and attention, as a function of users and domains; the items' bias; AdamW."""
        nn = self.torch.nn
        self.torch.manual_seed(0)
        tokens = nn.Embedding(len(self.task.of_domain), TOKENS * DIM)
        nn.init.normal_(tokens.weight, std=0.3)
        attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True, dropout=0.1)
        bias = nn.Parameter(self.torch.tensor(self.task.bias.copy()))

        def condition(user: Any, domain: Any) -> Any:
            context = tokens(domain).view(len(domain), -1, DIM)
            return attention(self.users[user, domain][:, None], context, context, need_weights=False)[0][:, 0]

        optimiser = self.torch.optim.AdamW(
            [*tokens.parameters(), *attention.parameters(), bias], lr=3e-3, weight_decay=1e-2
        )
        condition.module = attention
        return condition, bias, optimiser

    def scores(self, condition: Any, bias: Any, user: Any, domain: Any) -> Any:
        """Of every item, those of other domains masked."""
        all_items = 3 * condition(user, domain) @ self.items.T / DIM**0.5 + bias
        return all_items.masked_fill(~self.of_domain[domain], -1e9)

    def masked_loss(self, condition: Any, bias: Any, user: Any, domain: Any) -> Any:
        """Every item scored, and those of other domains masked."""
        wanted = self.seen[user] * self.of_domain[domain]
        return -(wanted * self.scores(condition, bias, user, domain).log_softmax(1)).sum() / wanted.sum()

    def loss_by_domain(self, condition: Any, bias: Any, user: Any, domain: Any) -> Any:
        """A domain at a time, its own items only."""
        order = self.torch.argsort(domain, stable=True)
        user, domain = user[order], domain[order]
        conditions, counts = condition(user, domain), self.torch.bincount(domain, minlength=len(self.by_domain))
        loss, wanted_items, start = 0.0, 0.0, 0
        for count, (ids, vectors, seen) in zip(counts.tolist(), self.by_domain, strict=True):
            if count:
                part = slice(start, start + count)
                wanted = seen[user[part]]
                logits = conditions[part] @ (3 / DIM**0.5 * vectors).T + bias[ids]
                loss = loss - (wanted * logits.log_softmax(1)).sum()
                wanted_items, start = wanted_items + wanted.sum(), start + count
        return loss / wanted_items

    def validation(self, condition: Any, bias: Any) -> float:
        """NDCG@10."""
        condition.module.eval()
        with self.torch.no_grad():
            user, domain = self.torch.tensor(self.task.split.validation).T
            wanted = self.everything[user] * self.of_domain[domain]
            best = self.scores(condition, bias, user, domain).topk(10).indices
            ideal = self.ideal[wanted.sum(1).clamp(max=10).long()]
            return ((wanted.gather(1, best) * self.discounts).sum(1) / ideal).mean().item()

    def run(self, loss_of: Any, epochs: int) -> float:
        """Train; the best look at validation."""
        condition, bias, optimiser = self.model()
        rng, pairs, looks = np.random.default_rng(0), self.torch.tensor(self.task.split.train), []
        for epoch in range(1, epochs + 1):
            condition.module.train()
            order = self.torch.tensor(rng.permutation(len(pairs)))
            for start in range(0, len(order), BATCH):
                loss = loss_of(condition, bias, *pairs[order[start : start + BATCH]].T)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                loss.item()
            if epoch % loop.VALIDATE_EVERY == 0:
                looks.append(self.validation(condition, bias))
        return max(looks)


def main() -> None:
    """Read, train in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interactions", type=Path)
    parser.add_argument("--domain-column", default="domain")
    parser.add_argument("--min-rating", type=float)
    parser.add_argument("--max-domains", type=int)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; give OPENBLAS_NUM_THREADS the same")
    given = parser.parse_args()
    task = Task(given.interactions, given.domain_column, given.min_rating, given.max_domains)
    theirs = PyTorch(task, given.threads)
    loops = {
        "ours": lambda epochs: ours(task, epochs),
        "PyTorch, every item": lambda epochs: theirs.run(theirs.masked_loss, epochs),
        "PyTorch, by domain": lambda epochs: theirs.run(theirs.loss_by_domain, epochs),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    ndcg = {}
    for train in loops.values():
        train(2)
    for _ in range(given.rounds):
        for name, train in loops.items():
            begin = time.perf_counter()
            ndcg[name] = train(given.epochs)
            seconds[name].append(time.perf_counter() - begin)
    print(f"{len(task.training)} pairs, {given.epochs} epochs, {given.rounds} rounds")
    for name in loops:
        ratio = np.median(np.divide(seconds["ours"], seconds[name]))
        print(f"{name:<20} our time over it {ratio:.2f}   best NDCG@10 in validation {ndcg[name]:.3f}")


if __name__ == "__main__":
    main()

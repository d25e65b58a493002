"""The conditioner itself, and the six products that the absorbed form cannot do without."""

from typing import Any

import numpy as np

from acg_numpy.autograd import no_grad, tensor
from acg_numpy.cli.benchmarks.cases import Batch, Case, Gradients
from acg_numpy.cli.benchmarks.step import TimedStep
from acg_numpy.conditioner import AttentionConditioner
from acg_numpy.shapes import Array


def conditioner(case: Case, parameters: Gradients, kernel: str = "auto") -> TimedStep:
    """Time from arrays to every gradient, with checks, planning and sorting."""
    model = _model(case, parameters, kernel)

    def step(user_emb: Array, domain_id: Array, grad: Array) -> Any:
        model.zero_grad()
        users = tensor(user_emb, requires_grad=True)
        condition = model(users, domain_id)
        condition.backward(grad)
        return condition, users

    def read(result: Any) -> tuple[Array, Gradients]:
        condition, users = result
        return condition.data, {"user_emb": users.grad, **{name: p.grad for name, p in model.named_parameters()}}

    return TimedStep(step, read=read)


def serving(case: Case, parameters: Gradients) -> TimedStep:
    """Time every user in every domain, in eval mode."""
    model = _model(case, parameters, "auto").eval()
    everywhere = np.arange(case.domains)

    def step(user_emb: Array, *_: Array) -> Any:
        with no_grad():
            return model(user_emb[:, None], everywhere)

    return TimedStep(step, read=lambda condition: (condition.data, {}))


def bare_products(case: Case, parameters: Gradients) -> TimedStep:
    """Time u A, P C, g C', P' g, dS A' and u' dS for each domain, into existing arrays: no softmax, no sorting."""
    rng = np.random.default_rng(0)
    width = case.heads * case.tokens
    A, C = rng.standard_normal((2, case.domains, case.dim, width), np.float32)
    scores, d_weights = np.empty((2, case.users, width), np.float32)
    out, d_users = np.empty((2, case.users, case.dim), np.float32)
    dA, dC = np.empty((2, case.domains, case.dim, width), np.float32)

    def prepare(batch: Batch) -> tuple[Any, ...]:
        order = np.argsort(batch.domain_id, kind="stable")
        ends = np.cumsum(np.bincount(batch.domain_id, minlength=case.domains)).tolist()
        return batch.user_emb[order], batch.grad[order], ends

    def step(users: Array, grad: Array, ends: list[int]) -> None:
        start = 0
        for n, end in enumerate(ends):
            u, g, S, dS = users[start:end], grad[start:end], scores[start:end], d_weights[start:end]
            np.matmul(u, A[n], out=S)  # (b, D), (D, H T) -> (b, H T)
            np.matmul(S, C[n].T, out=out[start:end])
            np.matmul(g, C[n], out=dS)
            np.matmul(g.T, S, out=dC[n])
            np.matmul(dS, A[n].T, out=d_users[start:end])
            np.matmul(u.T, dS, out=dA[n])
            start = end

    return TimedStep(step, prepare=prepare)


def _model(case: Case, parameters: Gradients, kernel: str) -> AttentionConditioner:
    model = AttentionConditioner(case.dim, case.heads, case.domains, tokens_per_domain=case.tokens, kernel=kernel)
    model.load_state_dict(parameters)
    return model

"""The conditioner in PyTorch: as its users write it, with tables projected once, and in the absorbed form."""

import math
from importlib import import_module
from typing import Any

from acg_numpy.cli.benchmarks.cases import Batch, Case, Gradients
from acg_numpy.cli.benchmarks.step import TimedStep
from acg_numpy.shapes import Array

PARTS = ("query", "key", "value", "output")
BLOCK = 16_384  # pairs of a user and a domain that go through attention together, so that they need not all fit


def multi_head_attention(case: Case, parameters: Gradients) -> TimedStep:
    """Time `nn.MultiheadAttention` over the tokens of each user's domain, looked up by `F.embedding`."""
    torch, functional, tokens = _load(parameters)
    attention = _module(torch, case, parameters).train()

    def step(users: Any, ids: Any, grad: Any) -> Any:
        attention.zero_grad()
        tokens.grad = None
        users = users.detach().requires_grad_()
        context = functional.embedding(ids, tokens.view(case.domains, -1)).view(-1, case.tokens, case.dim)
        condition = attention(users[:, None], context, context, need_weights=False)[0][:, 0]
        condition.backward(grad)
        return condition, users

    def read(result: Any) -> tuple[Array, Gradients]:
        weights = [*attention.in_proj_weight.grad.chunk(3), attention.out_proj.weight.grad]
        biases = [*attention.in_proj_bias.grad.chunk(3), attention.out_proj.bias.grad]
        return _read(result, tokens, weights, biases)

    return TimedStep(step, _prepare(torch), read)


def projected_tables(case: Case, parameters: Gradients) -> TimedStep:
    """Project keys and values of every domain once, and look them up for each user."""
    torch, functional, tokens = _load(parameters)
    linear = _linear(torch, parameters)
    head = case.dim // case.heads

    def project_table(name: str) -> Any:  # (N, T, D) -> (N, H T d)
        projected = linear[name](tokens).view(case.domains, case.tokens, case.heads, head)
        return projected.transpose(1, 2).reshape(case.domains, -1)

    def step(users: Any, ids: Any, grad: Any) -> Any:
        linear.zero_grad()
        tokens.grad = None
        users = users.detach().requires_grad_()
        key, value = (
            functional.embedding(ids, project_table(name)).view(-1, case.heads, case.tokens, head)
            for name in ("key", "value")
        )
        query = linear["query"](users).view(-1, case.heads, 1, head)
        found = functional.scaled_dot_product_attention(query, key, value)
        condition = linear["output"](found.view(-1, case.dim))
        condition.backward(grad)
        return condition, users

    return TimedStep(step, _prepare(torch), _reader(linear, tokens))


def absorbed_form(case: Case, parameters: Gradients, *, tokens_first: bool) -> TimedStep:
    """Time the absorbed form: for each domain, the matrices that multiply keys and values are multiplied in once.

    With `tokens_first` scores have the layout of acg_numpy's kernel, so that softmax goes along whole rows.
    """
    torch, _, tokens = _load(parameters)
    linear = _linear(torch, parameters)
    H, T, D, d = case.heads, case.tokens, case.dim, case.dim // case.heads
    scale = 1 / math.sqrt(d)

    def absorbed() -> tuple[Any, Any, Any]:  # A (N, H T, D), a (N, H T, 1), C (N, H T, D)
        key, value = (
            linear[name](tokens).view(-1, T, H, d).transpose(1, 2) for name in ("key", "value")
        )  # (N, H, T, d)
        query, bias = linear["query"].weight.view(H, d, D), linear["query"].bias.view(H, d, 1)
        out = linear["output"].weight.T.reshape(H, d, D)
        A, a, C = (
            (left @ right).reshape(case.domains, H * T, -1) for left, right in ((key, query), (key, bias), (value, out))
        )
        return A * scale, a * scale, C

    def step(users: Any, ids: Any, grad: Any) -> Any:
        linear.zero_grad()
        tokens.grad = None
        users = users.detach().requires_grad_()
        order = torch.argsort(ids, stable=True)
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        groups = users.index_select(0, order).split(torch.bincount(ids, minlength=case.domains).tolist())
        found = []
        for A, a, C, u in zip(*(part.unbind() for part in absorbed()), groups, strict=True):
            if tokens_first:
                scores = torch.addmm(a, A, u.T).view(H, T, -1)
                weights = torch.softmax(scores, 1).view(H * T, -1).T
            else:
                scores = torch.addmm(a.T, u, A.T).view(-1, H, T)
                weights = torch.softmax(scores, -1).view(-1, H * T)
            found.append(torch.addmm(linear["output"].bias, weights, C))
        condition = torch.cat(found).index_select(0, place)
        condition.backward(grad)
        return condition, users

    return TimedStep(step, _prepare(torch), _reader(linear, tokens))


def serving_by_pairs(case: Case, parameters: Gradients) -> TimedStep:
    """Time every user in every domain, with a row for each pair, as in training; in blocks."""
    torch, _, tokens = _load(parameters)
    attention = _module(torch, case, parameters).eval()

    def step(users: Any, *_: Any) -> Any:
        with torch.inference_mode():
            blocks = []
            for block in users.split(max(1, BLOCK // case.domains)):
                query = block.repeat_interleave(case.domains, 0)[:, None]
                context = tokens.expand(len(block), -1, -1, -1).reshape(-1, case.tokens, case.dim)
                blocks.append(attention(query, context, context, need_weights=False)[0])
            return torch.cat(blocks).view(-1, case.domains, case.dim)

    return TimedStep(step, _prepare(torch), lambda condition: (condition.numpy(), {}))


def serving_by_domains(case: Case, parameters: Gradients) -> TimedStep:
    """Time every user in every domain, with a call for each domain, so that keys are projected once."""
    torch, _, tokens = _load(parameters)
    attention = _module(torch, case, parameters).eval()

    def step(users: Any, *_: Any) -> Any:
        with torch.inference_mode():
            condition = users.new_empty(len(users), case.domains, case.dim)
            for n, context in enumerate(tokens):
                condition[:, n] = attention(users, context, context, need_weights=False)[0]
            return condition

    return TimedStep(step, _prepare(torch), lambda condition: (condition.numpy(), {}))


def _load(parameters: Gradients) -> tuple[Any, Any, Any]:
    torch = import_module("torch")
    tokens = torch.nn.Parameter(torch.tensor(parameters["domain_embedding.tokens"]))
    return torch, torch.nn.functional, tokens


def _prepare(torch: Any) -> Any:
    def prepare(batch: Batch) -> tuple[Any, ...]:
        return tuple(map(torch.from_numpy, batch))

    return prepare


def _module(torch: Any, case: Case, parameters: Gradients) -> Any:
    attention = torch.nn.MultiheadAttention(case.dim, case.heads, batch_first=True)
    weights = [torch.tensor(parameters[f"attention.{part}.weight"].T) for part in PARTS]
    biases = [torch.tensor(parameters[f"attention.{part}.bias"]) for part in PARTS]
    attention.load_state_dict(
        {
            "in_proj_weight": torch.cat(weights[:3]),
            "in_proj_bias": torch.cat(biases[:3]),
            "out_proj.weight": weights[3],
            "out_proj.bias": biases[3],
        }
    )
    return attention


def _linear(torch: Any, parameters: Gradients) -> Any:
    layers = torch.nn.ModuleDict()
    for part in PARTS:
        weight = torch.tensor(parameters[f"attention.{part}.weight"])
        layers[part] = torch.nn.Linear(*weight.shape)
        layers[part].load_state_dict({"weight": weight.T, "bias": torch.tensor(parameters[f"attention.{part}.bias"])})
    return layers


def _reader(linear: Any, tokens: Any) -> Any:
    def read(result: Any) -> tuple[Array, Gradients]:
        layers = [linear[part] for part in PARTS]
        return _read(result, tokens, [layer.weight.grad for layer in layers], [layer.bias.grad for layer in layers])

    return read


def _read(result: Any, tokens: Any, weights: Any, biases: Any) -> tuple[Array, Gradients]:
    condition, users = result
    gradients = {"user_emb": users.grad.numpy(), "domain_embedding.tokens": tokens.grad.numpy()}
    for part, weight, bias in zip(PARTS, weights, biases, strict=True):
        gradients[f"attention.{part}.weight"] = weight.numpy().T
        gradients[f"attention.{part}.bias"] = bias.numpy()
    return condition.detach().numpy(), gradients

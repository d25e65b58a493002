"""A module is its parameters' numbers and a mode, whatever is done to it in whatever order.

The model is a plain dict of arrays, a dict of gradients, and a flag.  Hypothesis trains, saves, loads, copies, pickles,
refuses, and after every step compares.
"""

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from acg_numpy import AttentionConditioner, DomainEmbedding, Module, MultiHeadCrossAttention
from acg_numpy.optim import SGD, AdamW

Shapes = dict[str, tuple[int, ...]]
D, N, USERS = 4, 3, 5  # features, domains, users of a batch
COUNTS = st.integers(1, 3)
RATES = st.sampled_from([0.0, 0.5])
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 9)


def projections(prefix: str, bias: bool) -> Shapes:
    layers = [f"{prefix}{layer}" for layer in ("query", "key", "value", "output")]
    return {f"{layer}.weight": (D, D) for layer in layers} | {f"{layer}.bias": (D,) for layer in layers if bias}


@st.composite
def embeddings(draw: st.DrawFn) -> tuple[Module, Shapes]:
    own, shared = draw(COUNTS), draw(st.integers(0, 2))
    module = DomainEmbedding(N, D, own, shared, sparse_grad=draw(st.booleans()), dtype=draw(DTYPES), seed=draw(SEEDS))
    return module, {"tokens": (N, own, D)} | ({"global_tokens": (shared, D)} if shared else {})


@st.composite
def attentions(draw: st.DrawFn) -> tuple[Module, Shapes]:
    bias, kernel = draw(st.booleans()), draw(st.sampled_from(["auto", "classroom", "tiled"]))
    heads, dropout = draw(st.sampled_from([1, 2, 4])), draw(RATES)
    module = MultiHeadCrossAttention(D, heads, dropout, bias=bias, kernel=kernel, dtype=draw(DTYPES), seed=draw(SEEDS))
    return module, projections("", bias)


@st.composite
def conditioners(draw: st.DrawFn) -> tuple[Module, Shapes]:
    own, shared, bias, norm = draw(COUNTS), draw(st.integers(0, 2)), draw(st.booleans()), draw(st.booleans())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one key is drawn too, and warns
        module = AttentionConditioner(
            D,
            draw(st.sampled_from([1, 2, 4])),
            N,
            draw(RATES),
            tokens_per_domain=own,
            num_global_tokens=shared,
            residual=draw(st.booleans()),
            layer_norm=norm,
            bias=bias,
            kernel=draw(st.sampled_from(["auto", "absorbed", "grouped", "classroom"])),
            dtype=draw(DTYPES),
            seed=draw(SEEDS),
        )
    expected = {"domain_embedding.tokens": (N, own, D)} | projections("attention.", bias)
    expected |= {"domain_embedding.global_tokens": (shared, D)} if shared else {}
    return module, expected | ({"norm.weight": (D,), "norm.bias": (D,)} if norm else {})


def call_of(module: Module, seed: int) -> Callable[[Module], Any]:
    """What a module of this kind is called with: users and domains, a query and a context, or domains."""
    rng = np.random.default_rng(seed)
    users, ids = rng.standard_normal((USERS, D)), rng.integers(N, size=USERS)
    if isinstance(module, DomainEmbedding):
        return lambda module: module(ids)
    if isinstance(module, AttentionConditioner):
        return lambda module: module(users, ids)
    return lambda module: module(users, users[::-1])


def refused_calls(module: Module) -> list[Callable[[Module], Any]]:
    users, ids = np.ones((USERS, D)), np.zeros(USERS, int)
    if isinstance(module, DomainEmbedding):
        return [lambda m: m(ids + N), lambda m: m(ids - 1), lambda m: m(ids + 0.5), lambda m: m("books")]
    bad = [np.ones((USERS, D + 1)), np.ones((USERS, D), int), np.ones((USERS, D), complex), None]
    if isinstance(module, AttentionConditioner):
        calls = [lambda m, x=x: m(x, ids) for x in bad]
        calls += [lambda m: m(users, N), lambda m: m(users, -1), lambda m: m(users, np.zeros(USERS + 1, int))]
        return [*calls, lambda m: m(users, ids, mask=np.ones(USERS)), lambda m: m(users, "books")]
    calls = [lambda m, x=x: m(x, users) for x in bad] + [lambda m, x=x: m(users, x) for x in bad]
    return [*calls, lambda m: m(users[0], users), lambda m: m(users, users, mask=np.ones((2, 2), bool))]


def same(arrays: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


def dense(grad: Any) -> np.ndarray | None:
    return None if grad is None else np.array(grad)


class ModuleMachine(RuleBasedStateMachine):
    states = Bundle("states")

    @initialize(drawn=st.one_of(conditioners(), attentions(), embeddings()))
    def build(self, drawn: tuple[Module, Shapes]) -> None:
        self.module, self.shapes = drawn
        self.model, self.training = self.module.state_dict(), True
        self.grads: dict[str, np.ndarray | None] = dict.fromkeys(self.model)
        self.dtype = next(iter(self.model.values())).dtype

    def gradients(self) -> dict[str, np.ndarray | None]:
        return {name: dense(parameter.grad) for name, parameter in self.module.named_parameters()}

    @rule(mode=st.booleans())
    def set_the_mode(self, mode: bool) -> None:
        assert self.module.train(mode) is self.module
        self.training = mode

    @rule()
    def clear_the_gradients(self) -> None:
        self.module.zero_grad()
        self.grads = dict.fromkeys(self.model)

    @rule(seed=SEEDS)
    def go_backward(self, seed: int) -> None:
        """Gradients add up, and the numbers stay."""
        call, before = call_of(self.module, seed), self.gradients()
        random = self.module.random_state()
        np.sum(call(self.module) ** 2).backward()
        added = self.gradients()
        alone = copy.deepcopy(self.module)
        alone.zero_grad()
        alone.load_random_state(random)
        np.sum(call(alone) ** 2).backward()
        for name, parameter in alone.named_parameters():
            old, new = before[name], dense(parameter.grad)
            expected = new if old is None else old + new
            np.testing.assert_allclose(added[name], expected, rtol=1e-4, atol=1e-5 * (1 + np.abs(expected).max()))
        self.grads = added

    @rule(rate=st.sampled_from([0.0, 0.01]), seed=SEEDS)
    def descend(self, rate: float, seed: int) -> None:
        """SGD takes the rate times the gradient away: nothing where there is no gradient, all of it where there is."""
        SGD(self.module.parameters(), lr=rate).step()
        for name, grad in self.grads.items():
            if grad is not None:
                self.model[name] = self.expect(name, self.model[name] - rate * grad)

    @rule(seed=SEEDS)
    def train_a_step_with_adam(self, seed: int) -> None:
        """AdamW's first step moves no number by more than its rate, and only those that have a gradient."""
        optimiser = AdamW(self.module.parameters(), lr=0.01, weight_decay=0.0)
        optimiser.zero_grad()
        np.sum(call_of(self.module, seed)(self.module) ** 2).backward()
        self.grads = self.gradients()
        optimiser.step()
        for name, array in self.module.state_dict().items():
            assert np.all(np.abs(array - self.model[name]) <= 0.0101)
            if self.grads[name] is None or not self.grads[name].any():
                np.testing.assert_array_equal(array, self.model[name])
            self.model[name] = array

    def expect(self, name: str, array: np.ndarray) -> np.ndarray:
        held = self.module.state_dict()[name]
        np.testing.assert_allclose(held, array, rtol=1e-5, atol=1e-6)
        return held

    @rule(target=states)
    def save(self) -> dict[str, np.ndarray]:
        return self.module.state_dict()

    @rule(state=states, other=DTYPES)
    def load(self, state: dict[str, np.ndarray], other: type) -> None:
        """What was saved comes back; in another precision, rounded."""
        before = {name: array.copy() for name, array in state.items()}
        self.module.load_state_dict({name: array.astype(other) for name, array in state.items()})
        assert same(state, before)
        self.model = {name: array.astype(other).astype(self.dtype) for name, array in state.items()}

    @rule(which=st.integers(0, 20), how=st.sampled_from(["lost", "unknown", "shape", "integers", "text"]))
    def refuse_to_load(self, which: int, how: str) -> None:
        state = {name: array + 1 for name, array in self.model.items()}
        name = sorted(state)[which % len(state)]
        if how == "lost":
            del state[name]
        elif how == "unknown":
            state[f"{name}s"] = state[name]
        elif how == "shape":
            state[name] = state[name][..., :-1]
        else:
            state[name] = state[name].astype(int if how == "integers" else str)
        with pytest.raises((KeyError, ValueError, TypeError)) as refusal:
            self.module.load_state_dict(state)
        assert name in str(refusal.value)

    @rule(original=st.booleans())
    def copy_and_change_one_of_the_two(self, original: bool) -> None:
        """Nothing of a copy is the original's: its numbers, its mode, its gradients, its dropout."""
        copied = copy.deepcopy(self.module)
        assert type(copied) is type(self.module)
        kept, changed = (self.module, copied) if original else (copied, self.module)
        random = kept.random_state()
        for parameter in changed.parameters():
            parameter.data[...] += 1
        changed.train(not self.training)
        call_of(changed, 0)(changed)
        np.sum(call_of(changed, 0)(changed) ** 2).backward()
        assert kept.random_state() == random
        self.keep(kept)

    @rule()
    def pickle_and_go_on_with_what_comes_back(self) -> None:
        self.keep(pickle.loads(pickle.dumps(self.module)))

    def keep(self, module: Module) -> None:
        """Go on with this one; whether gradients are copied is for the engine to say, but they are never others."""
        self.module = module
        for name, grad in self.gradients().items():
            assert grad is None or np.array_equal(grad, self.grads[name])
            self.grads[name] = grad

    @rule(which=st.integers(0, 20))
    def refuse_a_call(self, which: int) -> None:
        calls, random = refused_calls(self.module), self.module.random_state()
        with pytest.raises((TypeError, ValueError, IndexError)) as refusal:
            calls[which % len(calls)](self.module)
        assert len(str(refusal.value)) > 20  # a sentence
        assert self.module.random_state() == random

    @rule(seed=SEEDS)
    def call_twice(self, seed: int) -> None:
        """Twice the same, unless something is dropped; then too, from the same random state."""
        call, random = call_of(self.module, seed), self.module.random_state()
        first = call(self.module).numpy()
        if not self.training:
            assert self.module.random_state() == random
        self.module.load_random_state(random)
        np.testing.assert_array_equal(call(self.module).numpy(), first)
        assert first.dtype == self.dtype

    @invariant()
    def it_holds_the_numbers_of_the_model(self) -> None:
        assert same(self.module.state_dict(), self.model)

    @invariant()
    def names_and_shapes_stay_and_every_parameter_is_a_leaf(self) -> None:
        named = dict(self.module.named_parameters())
        assert {name: parameter.shape for name, parameter in named.items()} == self.shapes
        assert all(parameter.requires_grad and parameter.dtype == self.dtype for parameter in named.values())
        assert self.module.num_parameters() == sum(array.size for array in self.model.values())

    @invariant()
    def every_part_is_in_the_same_mode(self) -> None:
        parts = [self.module]
        for part in parts:
            assert part.training is self.training
            parts.extend(child for _, child in part.children())

    @invariant()
    def gradients_are_those_of_the_model(self) -> None:
        for name, grad in self.gradients().items():
            expected = self.grads[name]
            assert (grad is None) == (expected is None)
            assert grad is None or np.array_equal(grad, expected)


TestModule = ModuleMachine.TestCase
TestModule.settings = settings(max_examples=settings.default.max_examples, stateful_step_count=15, deadline=None)

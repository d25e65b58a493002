"""AttentionConditioner beyond its shapes: options, dtypes, names, seeds, refusals, and the one-key trap."""

import copy
import inspect
import itertools
import json
import pickle
import warnings

import numpy as np
import pytest

from acg_numpy import (
    AttentionConditioner,
    DomainEmbedding,
    Module,
    MultiHeadCrossAttention,
    OneKeyWarning,
    Parameter,
    functional_call,
    grad,
    gradcheck,
    hessian,
    tensor,
)
from acg_numpy import conditioner as conditioner_module
from acg_numpy.conditioner import MODULES, MODULES_PER_DOMAIN
from acg_numpy.kernels.planning import KERNELS
from acg_numpy.layers import Linear

D, H, N = 8, 2, 3
OPTIONS = [
    {"num_global_tokens": g, "residual": r, "layer_norm": n, "bias": b}
    for g, r, n, b in itertools.product([0, 2], [False, True], [False, True], [False, True])
]
WIDE = [
    {"num_global_tokens": 1, "inner_dim": 6, "dropout": 0.3, "head_dropout": 0.3, "output_per_domain": own}
    for own in (False, True)
]


@pytest.fixture
def users():
    return np.random.default_rng(0).standard_normal((5, D))


@pytest.fixture
def conditioner():
    return AttentionConditioner(D, H, N, seed=0)


def name_options(options):
    return "-".join(f"{k}={v}" for k, v in options.items())


@pytest.mark.parametrize("options", OPTIONS + WIDE, ids=name_options)
def test_whole_gradient_equals_finite_differences(options):
    """Every number of every parameter, and of the users, in float64."""
    rng = np.random.default_rng(1)
    conditioner = AttentionConditioner(4, 2, 2, tokens_per_domain=2, dtype=np.float64, seed=3, **options)
    for p in conditioner.parameters():
        p.data += 0.5 * rng.standard_normal(p.shape)
    user_emb = tensor(rng.standard_normal((3, 4)), requires_grad=True)
    domains, g, h = (
        np.array([1, 0, 1]),
        rng.standard_normal((3, 4)),
        rng.standard_normal((3, 2, 2 + options["num_global_tokens"])),
    )
    drawn = conditioner.random_state()

    def loss():
        conditioner.load_random_state(drawn)  # so that each call drops the same
        condition, attention = conditioner(user_emb, domains, return_attention=True)
        return np.sum(condition * g) + np.sum(attention * h)

    loss().backward()
    for name, t in [*conditioner.named_parameters(), ("user_emb", user_emb)]:
        numeric = np.zeros(t.shape)
        for i in np.ndindex(t.shape):
            there = t.data[i]
            t.data[i] = there + 1e-5
            above = loss().item()
            t.data[i] = there - 1e-5
            numeric[i] = (above - loss().item()) / 2e-5
            t.data[i] = there
        np.testing.assert_allclose(t.grad, numeric, atol=1e-8, rtol=1e-6, err_msg=name)


def test_the_loss_has_a_hessian(users):
    conditioner = AttentionConditioner(2, 1, 2, tokens_per_domain=2, dtype=np.float64, seed=0)

    def loss(params):
        return np.sum(functional_call(conditioner, params, users[:, :2], 1) ** 2)

    params = {name: p.numpy() for name, p in conditioner.named_parameters() if name.startswith("attention.query")}
    h = hessian(loss)(params)["attention.query.weight"]["attention.query.weight"]
    np.testing.assert_allclose(h, np.transpose(h, (2, 3, 0, 1)), atol=1e-12)
    step = np.zeros((2, 2))
    step[0, 1] = 1e-5
    above, below = (
        grad(loss)({**params, "attention.query.weight": params["attention.query.weight"] + s})["attention.query.weight"]
        for s in (step, -step)
    )
    np.testing.assert_allclose(h[..., 0, 1], (above - below) / 2e-5, atol=1e-8)
    assert all(p.grad is None for p in conditioner.parameters())


class TestWhatAttentionIs:
    def test_rows_are_distributions(self, conditioner, users):
        _, attention = conditioner(users, 1, return_attention=True)
        assert np.all(attention.data >= 0)
        np.testing.assert_allclose(np.sum(attention.data, axis=-1), 1, rtol=1e-6)

    def test_it_is_what_it_was_before_dropout(self, users):
        conditioner = AttentionConditioner(D, H, N, dropout=0.5, seed=0)
        _, training = conditioner(users, 1, return_attention=True)
        _, evaluating = conditioner.eval()(users, 1, return_attention=True)
        np.testing.assert_array_equal(training.data, evaluating.data)

    def test_its_entropy_can_be_trained_by_itself(self, conditioner, users):
        def entropy():
            _, attention = conditioner(4 * users, 1, return_attention=True)
            return -np.mean(np.sum(attention * np.log(attention), axis=-1))

        before = entropy().item()
        for _ in range(30):
            conditioner.zero_grad()
            entropy().backward()
            for p in conditioner.parameters():
                if p.grad is not None:
                    p.data -= 0.5 * p.grad
        assert entropy().item() < before - 0.1

    def test_asking_for_it_changes_no_condition(self, conditioner, users):
        np.testing.assert_array_equal(conditioner(users, 1).data, conditioner(users, 1, return_attention=True)[0].data)


class TestOptions:
    def test_residual_adds_the_user(self, users):
        plain, residual = (AttentionConditioner(D, H, N, residual=r, seed=0, dtype=np.float64) for r in (False, True))
        np.testing.assert_allclose(residual(users, 1).data, plain(users, 1).data + users)

    def test_layer_norm_norms_the_rows(self, users):
        condition = AttentionConditioner(D, H, N, layer_norm=True, residual=True, seed=0)(users, 1).data
        np.testing.assert_allclose(np.mean(condition, axis=-1), 0, atol=1e-6)
        np.testing.assert_allclose(np.var(condition, axis=-1), 1, rtol=1e-3)

    def test_state_has_the_names_that_files_rely_on(self):
        state = AttentionConditioner(D, H, N, num_global_tokens=2, layer_norm=True).state_dict()
        projections = {
            f"attention.{p}.{k}": (D, D) if k == "weight" else (D,)
            for p in ("query", "key", "value", "output")
            for k in ("weight", "bias")
        }
        assert {name: array.shape for name, array in state.items()} == {
            "domain_embedding.tokens": (N, 8, D),
            "domain_embedding.global_tokens": (2, D),
            **projections,
            "norm.weight": (D,),
            "norm.bias": (D,),
        }

    @pytest.mark.parametrize("own", [False, True])
    def test_state_of_wide_heads_has_the_names_that_files_rely_on(self, own):
        conditioner = AttentionConditioner(D, 6, N, inner_dim=12, output_per_domain=own)
        found = {name: array.shape for name, array in conditioner.state_dict().items()}
        inputs = {f"attention.{p}.{k}" for p in ("query", "key", "value") for k in ("weight", "bias")}
        assert {found.pop(name) for name in inputs} == {(D, 12), (12,)}
        output = {"domain_output.weight": (N, 12, D), "domain_output.bias": (N, D)}
        if not own:
            output = {"attention.output.weight": (12, D), "attention.output.bias": (D,)}
        assert found == {"domain_embedding.tokens": (N, 8, D), **output}

    def test_what_is_not_there_has_no_name(self):
        state = AttentionConditioner(D, H, N, bias=False).state_dict()
        assert set(state) == {
            "domain_embedding.tokens",
            *(f"attention.{p}.weight" for p in ("query", "key", "value", "output")),
        }

    def test_each_domain_has_the_output_of_a_conditioner_of_its_own(self, users):
        options = {"inner_dim": 12, "dtype": np.float64, "seed": 0}
        own = AttentionConditioner(D, 6, N, output_per_domain=True, **options)
        shared = AttentionConditioner(D, 6, N, **options)
        own.domain_output.bias.data[...] = np.random.default_rng(0).standard_normal((N, D))
        outputs = {"attention.output.weight": own.domain_output.weight, "attention.output.bias": own.domain_output.bias}
        found = own(users[:, None], np.arange(N)).data
        for n in range(N):
            state = {**own.state_dict(), **{name: table.data[n] for name, table in outputs.items()}}
            shared.load_state_dict({name: state[name] for name in shared.state_dict()})
            np.testing.assert_allclose(found[:, n], shared(users, n).data, rtol=1e-12)

    def test_dropping_heads_drops_features_before_the_output(self, users):
        conditioner = AttentionConditioner(D, H, N, head_dropout=0.5, dtype=np.float64, seed=0)
        conditioner.attention.output.weight.data[...] = np.eye(D)
        dropped, kept = conditioner(users, 1).data, conditioner.eval()(users, 1).data
        zeros = dropped == 0
        assert 0.2 < np.mean(zeros) < 0.8
        np.testing.assert_allclose(dropped[~zeros], 2 * kept[~zeros])

    @pytest.mark.parametrize("own", [False, True])
    def test_one_more_domain_adds_its_tokens_and_its_own_output(self, own):
        options = {"inner_dim": 12, "num_global_tokens": 2, "output_per_domain": own}
        fewer, more = (AttentionConditioner(D, 6, n, **options) for n in (N, N + 1))
        assert fewer.num_parameters_per_domain() == more.num_parameters() - fewer.num_parameters()

    def test_names_stand_for_numbers(self, users):
        conditioner = AttentionConditioner(D, H, N, domain_names=["books", "films", "music"], seed=0)
        by_name = conditioner(users, ["films", "books", "films", "music", "books"]).data
        np.testing.assert_array_equal(by_name, conditioner(users, np.array([1, 0, 1, 2, 0])).data)
        np.testing.assert_array_equal(conditioner(users, "music").data, conditioner(users, 2).data)
        with pytest.raises(ValueError, match="holds 'film', which is not in domain_names; did you mean 'films'"):
            conditioner(users, "film")

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_it_computes_in_its_own_dtype(self, users, dtype):
        conditioner = AttentionConditioner(
            D, H, N, num_global_tokens=1, residual=True, layer_norm=True, dropout=0.2, dtype=dtype, seed=0
        )
        condition, attention = conditioner(users.astype(np.float16), 1, return_attention=True)
        assert condition.dtype == attention.dtype == dtype
        np.sum(condition).backward()
        assert all(p.dtype == p.grad.dtype == dtype for p in conditioner.parameters())


# One value for each option of the constructor, none of them the default.
CHANGED = {
    "emb_dim": 6,
    "num_heads": 1,
    "num_domains": 3,
    "dropout": 0.25,
    "tokens_per_domain": 3,
    "num_global_tokens": 2,
    "inner_dim": 12,
    "head_dropout": 0.125,
    "output_per_domain": True,
    "residual": True,
    "layer_norm": True,
    "bias": False,
    "domain_names": ["books", "films"],
    "kernel": "classroom",
    "dtype": np.float64,
    "seed": 5,
}


class TestTheOptions:
    @pytest.mark.parametrize("name", inspect.signature(AttentionConditioner).parameters)
    def test_each_one_makes_the_same_conditioner_again(self, name):
        required = {"emb_dim": 4, "num_heads": 2, "num_domains": 2, "seed": 0}
        conditioner = AttentionConditioner(**{**required, name: CHANGED[name]})
        options = json.loads(json.dumps(conditioner.options()))
        assert options[name] == ("float64" if name == "dtype" else CHANGED[name])
        again = AttentionConditioner(**options)
        assert again.options() == conditioner.options()
        assert repr(again) == repr(conditioner)
        assert f"{name}={options[name]!r}" in repr(conditioner)
        rows = np.random.default_rng(0).standard_normal((5, options["emb_dim"]))
        np.testing.assert_array_equal(again(rows, 1).data, conditioner(rows, 1).data)

    def test_they_are_all_of_the_signature_in_its_order(self, conditioner):
        assert list(conditioner.options()) == list(inspect.signature(AttentionConditioner).parameters)

    def test_they_are_as_they_are_now(self, conditioner):
        conditioner.attention.dropout, conditioner.kernel = 0.5, "grouped"
        assert (conditioner.options()["dropout"], conditioner.options()["kernel"]) == (0.5, "grouped")

    @pytest.mark.parametrize(
        "seed", [7, np.int64(7), [1, 2], None, np.random.SeedSequence(2**40).spawn(2)[1], np.random.SeedSequence([3])]
    )
    def test_a_seed_of_any_kind_goes_through_json(self, seed):
        conditioner = AttentionConditioner(D, H, N, seed=seed)
        again = AttentionConditioner(**json.loads(json.dumps(conditioner.options())))
        if seed is not None:
            np.testing.assert_array_equal(again.domain_embedding.tokens.data, conditioner.domain_embedding.tokens.data)

    def test_none_describe_a_conditioner_with_a_module_of_ones_own(self, conditioner):
        conditioner.attention.key = LowRank(conditioner.attention.key)
        with pytest.raises(ValueError, match=r"attention\.key is not as the constructor made it"):
            conditioner.options()
        assert "num_heads=2" in repr(conditioner)
        conditioner = AttentionConditioner(D, H, N, layer_norm=True)
        conditioner.norm = lambda out: out
        with pytest.raises(ValueError, match="norm is not as the constructor made it"):
            conditioner.options()


class TestSeeds:
    def test_the_same_seed_gives_the_same_numbers_dropout_too(self, users):
        one, two = (AttentionConditioner(D, H, N, dropout=0.3, seed=7) for _ in range(2))
        for _ in range(3):
            np.testing.assert_array_equal(one(users, 1).data, two(users, 1).data)

    def test_another_seed_gives_others(self, users):
        assert not np.allclose(*(AttentionConditioner(D, H, N, seed=s)(users, 1).data for s in (0, 1)))
        assert not np.allclose(*(AttentionConditioner(D, H, N)(users, 1).data for _ in range(2)))

    def test_dropout_drops_in_training_only(self, users):
        conditioner = AttentionConditioner(D, H, N, dropout=0.5, seed=0)
        assert not np.allclose(conditioner(users, 1).data, conditioner(users, 1).data)
        conditioner.eval()
        np.testing.assert_array_equal(conditioner(users, 1).data, conditioner(users, 1).data)

    def test_dropout_keeps_the_mean(self, users):
        conditioner = AttentionConditioner(D, H, N, dropout=0.5, seed=0, dtype=np.float64)
        mean = np.mean(conditioner(np.broadcast_to(users, (40_000, *users.shape)), 1).data, axis=0)
        np.testing.assert_allclose(mean, conditioner.eval()(users, 1).data, atol=0.004)

    def test_projections_are_drawn_within_the_xavier_limit(self):
        weight = AttentionConditioner(64, 4, 2, seed=0).attention.query.weight.data
        limit = np.sqrt(6 / 128)
        assert 0.95 * limit < np.max(np.abs(weight)) <= limit
        assert np.std(weight) == pytest.approx(limit / np.sqrt(3), rel=0.05)


class TestMask:
    """Tokens may be kept out of sight, for all users or for each."""

    def test_a_masked_token_gets_no_weight_and_its_value_does_not_matter(self, conditioner, users):
        mask = np.arange(8) != 3
        condition, attention = conditioner(users, 1, mask=mask, return_attention=True)
        assert not attention.data[..., 3].any()
        np.testing.assert_allclose(np.sum(attention.data, axis=-1), 1, rtol=1e-5)
        conditioner.domain_embedding.tokens.data[:, 3] = 1e3
        np.testing.assert_array_equal(conditioner(users, 1, mask=mask).data, condition.data)

    def test_each_user_may_have_a_mask(self, conditioner, users):
        masks = np.random.default_rng(0).random((5, 8)) < 0.5
        masks[:, 0] = True
        together = conditioner(users, 1, mask=masks).data
        alone = [conditioner(user, 1, mask=mask).data for user, mask in zip(users, masks, strict=True)]
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)

    def test_seeing_all_is_no_mask(self, conditioner, users):
        np.testing.assert_array_equal(conditioner(users, 1, mask=np.ones(8, bool)).data, conditioner(users, 1).data)

    def test_a_mask_that_does_not_fit_is_refused(self, conditioner, users):
        with pytest.raises(TypeError, match="mask"):
            conditioner(users, 1, mask=np.ones(8))
        with pytest.raises(ValueError, match="mask"):
            conditioner(users, 1, mask=np.ones(7, bool))

    @pytest.mark.parametrize("shape", [(5, 1, 8), (5, 1, 1, 8), (5, H, 1, 8)], ids=str)
    @pytest.mark.parametrize("replaced", [False, True])
    def test_a_mask_with_axes_for_heads_or_queries_is_refused(self, conditioner, users, shape, replaced):
        if replaced:
            conditioner.domain_embedding.__class__ = type("Same", (DomainEmbedding,), {})
        with pytest.raises(ValueError, match="without axes for heads and queries"):
            conditioner(users, 1, mask=np.ones(shape, bool))
        with pytest.raises(ValueError, match="mask has shape"):
            conditioner(users, 1, mask=np.array(True))


class TestOneKey:
    """With one key softmax has nothing to choose from."""

    @pytest.fixture
    def one_key(self):
        with pytest.warns(OneKeyWarning, match="does not depend on the user"):
            return AttentionConditioner(D, H, N, tokens_per_domain=1, seed=0)

    def test_the_condition_is_the_same_for_all_users(self, one_key, users):
        condition, attention = one_key(users, 1, return_attention=True)
        np.testing.assert_array_equal(attention.data, 1)
        np.testing.assert_array_equal(condition.data, one_key(100 * users[::-1], 1).data)  # no digit is the user's
        np.testing.assert_allclose(  # BLAS may add up the last rows of a product in another order
            condition.data, np.broadcast_to(condition.data[0], condition.shape), rtol=1e-6, atol=1e-7
        )

    def test_query_and_key_learn_nothing_at_all(self, one_key, users):
        np.sum(one_key(users, 1) ** 2).backward()
        for name, p in one_key.named_parameters():
            learns = "query" not in name and "key" not in name
            assert np.any(p.grad) == learns, name

    def test_a_shared_token_beside_it_is_enough(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            AttentionConditioner(D, H, N, tokens_per_domain=1, num_global_tokens=1)


@pytest.mark.parametrize("step_by_step", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_may_underflow_where_numpy_raises_at_everything(users, kernel, step_by_step):
    options = {"residual": True, "layer_norm": True, "dropout": 0.3, "seed": 0}
    conditioner = AttentionConditioner(D, H, N, kernel=kernel, **options)
    if step_by_step:
        conditioner.attention.value.__class__ = type("Same", (Linear,), {})
    mask = np.random.default_rng(0).random((5, 8)) < 0.7
    for scale in (1, 20, 100, 1000):
        user_emb = tensor((scale * users).astype(np.float32), requires_grad=True)
        with np.errstate(all="raise"):
            for seen in (None, mask):
                condition, attention = conditioner(user_emb, np.arange(5) % N, mask=seen, return_attention=True)
                (np.sum(condition) + np.sum(attention)).backward()
    assert np.min(attention.data[attention.data > 0]) < np.finfo(np.float32).tiny  # it did underflow


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_user_who_is_not_a_number_spoils_no_other(users, kernel, bad):
    conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
    users = (300 * users).astype(np.float32)  # scores that need their maximum taken off
    expected = conditioner(users, 1).data[1:]
    users[0] = bad
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(conditioner(users, 1).data[1:], expected, rtol=1e-5, atol=1e-6)


class CalledError(Exception):
    """Raised by what stands in the place of a module, to show that it was called."""


def refuse(*args, **kwargs):
    raise CalledError


class LowRank(Module):
    """A linear map and an update of low rank beside it, as in LoRA."""

    def __init__(self, inner, rank=2):
        super().__init__()
        rng = np.random.default_rng(5)
        self.inner = inner
        self.down = Parameter(rng.standard_normal((inner.weight.shape[0], rank)))
        self.up = Parameter(rng.standard_normal((rank, inner.weight.shape[1])))

    def __call__(self, x):
        return self.inner(x) + x @ self.down @ self.up


def part(conditioner, name):
    """The module of a dotted name, the one that holds it, and the last name."""
    *path, last = name.split(".")
    for attribute in path:
        conditioner = getattr(conditioner, attribute)
    return getattr(conditioner, last), conditioner, last


@pytest.mark.parametrize("kernel", KERNELS)
class TestReplacedModules:
    """Whatever stands in the place of a module is called, whatever the kernel."""

    @pytest.mark.parametrize("name", MODULES)
    def test_a_subclass_that_raises_raises(self, users, kernel, name):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
        module, _, _ = part(conditioner, name)
        module.__class__ = type("Refusing", (type(module),), {"__call__": refuse})
        with pytest.raises(CalledError):
            conditioner(users, 1)

    @pytest.mark.parametrize("name", MODULES)
    def test_a_function_in_the_place_of_a_module_is_called(self, users, kernel, name):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
        _, holder, last = part(conditioner, name)
        setattr(holder, last, refuse)
        with pytest.raises(CalledError):
            conditioner(users, 1)

    @pytest.mark.parametrize("cls", dict.fromkeys(MODULES.values()))
    def test_a_class_that_got_another_call_is_called(self, users, kernel, cls, monkeypatch):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
        monkeypatch.setattr(cls, "__call__", refuse)
        with pytest.raises(CalledError):
            conditioner(users, 1)

    def test_an_attribute_in_the_place_of_a_method_counts_too(self, users, kernel):
        conditioner = AttentionConditioner(D, H, N, dropout=0.5, kernel=kernel, seed=0)
        conditioner.attention.draw_dropout_mask = refuse
        with pytest.raises(CalledError):
            conditioner(users, 1)

    @pytest.mark.parametrize("name", MODULES)
    def test_the_plan_names_the_first_module_that_was_replaced(self, users, kernel, name):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
        module, _, _ = part(conditioner, name)
        module.__class__ = type("Same", (type(module),), {})
        plan = conditioner.plan(users, 1)
        assert plan.kernel == "classroom"
        assert plan.why == f"{name} is not as the constructor made it, so the modules themselves are called"
        assert " ".join(str(plan).split()) == f"kernel classroom: {plan.why} (5 results)"

    def test_a_subclass_of_the_same_numbers_gives_the_same_numbers(self, users, kernel):
        options = {"dropout": 0.4, "num_global_tokens": 1, "dtype": np.float64, "seed": 0, "kernel": kernel}
        own, other = (AttentionConditioner(D, H, N, **options) for _ in range(2))
        other.attention.key.__class__ = type("Same", (Linear,), {})
        mask = np.random.default_rng(1).random((5, N, 9)) < 0.7
        outputs = [c(users[:, None], np.arange(N), mask=mask, return_attention=True) for c in (own, other)]
        for found, expected in zip(*outputs, strict=True):
            np.testing.assert_allclose(found.data, expected.data, rtol=1e-10, atol=1e-12)
        for condition, attention in outputs:
            (np.sum(condition**2) + np.sum(attention**2)).backward()
        for (name, p), q in zip(own.named_parameters(), other.parameters(), strict=True):
            np.testing.assert_allclose(q.grad, p.grad, rtol=1e-9, atol=1e-11, err_msg=name)

    def test_a_wrapped_projection_gives_the_merged_condition_and_learns(self, users, kernel):
        wrapped, merged = (AttentionConditioner(D, H, N, kernel=kernel, dtype=np.float64, seed=0) for _ in range(2))
        low_rank = wrapped.attention.query = LowRank(wrapped.attention.query)
        merged.attention.query.weight.data += low_rank.down.data @ low_rank.up.data
        condition = wrapped(users, np.arange(5) % N)
        np.testing.assert_allclose(condition.data, merged(users, np.arange(5) % N).data, rtol=1e-10, atol=1e-12)
        np.sum(condition**2).backward()
        for p in (low_rank.down, low_rank.up, low_rank.inner.weight, wrapped.domain_embedding.tokens):
            assert np.any(p.grad)
        assert "attention.query.down" in wrapped.state_dict()
        assert "attention.query.down" in wrapped._repr_html_()

    def test_a_wrapped_projection_has_second_derivatives(self, users, kernel):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, dtype=np.float64, seed=0)
        conditioner.attention.value = LowRank(conditioner.attention.value)

        def loss(x, up):
            return np.sum(np.tanh(functional_call(conditioner, {"attention.value.up": up}, x, 1)) ** 2)

        assert gradcheck(loss, users[:2], conditioner.attention.value.up.numpy(), second_order=True).passed

    def test_a_domain_embedding_of_ones_own_needs_nothing_but_a_call(self, users, kernel):
        conditioner = AttentionConditioner(D, H, N, residual=True, kernel=kernel, dtype=np.float64, seed=0)
        tokens = Parameter(np.random.default_rng(0).standard_normal((7, 4, D)))
        conditioner.domain_embedding = lambda ids: tokens[ids]
        mask = np.array([True, True, False, True])
        condition, attention = conditioner(users, np.array([6, 0, 1, 2, 6]), mask=mask, return_attention=True)
        assert attention.shape == (5, H, 4)
        assert not attention.data[..., 2].any()
        np.sum(condition).backward()
        assert np.any(tokens.grad[6])
        assert "emb_dim=8" in conditioner._repr_html_()

    def test_projections_of_another_width_are_called(self, users, kernel):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, dtype=np.float64, seed=0)
        attention, rng = conditioner.attention, np.random.default_rng(0)
        attention.query, attention.key = (Linear(D, 3 * D, dtype=np.float64, rng=rng) for _ in range(2))
        expected = attention(users[:, None], conditioner.domain_embedding(1))
        np.testing.assert_allclose(conditioner(users, 1).data, expected.data[:, 0], rtol=1e-12)
        assert "attention.query" in conditioner.plan(users, 1).why

    def test_only_another_kernel_than_the_classroom_stands_in_for_the_modules(self, users, kernel, monkeypatch):
        conditioner = AttentionConditioner(D, H, N, kernel=kernel, seed=0)
        monkeypatch.setattr(conditioner_module, "condition", refuse)
        if kernel == "classroom":
            context = conditioner.domain_embedding(1)
            expected = conditioner.attention(users[:, None].astype(np.float32), context)
            np.testing.assert_array_equal(conditioner(users, 1).data, expected.data[:, 0])
        else:
            with pytest.raises(CalledError):
                conditioner(users, 1)


@pytest.mark.parametrize("name", MODULES_PER_DOMAIN)
def test_what_replaces_a_module_beside_an_output_per_domain_is_called(users, name):
    conditioner = AttentionConditioner(D, H, N, output_per_domain=True, seed=0)
    _, holder, last = part(conditioner, name)
    setattr(holder, last, refuse)
    assert conditioner.plan(users, 1).why.startswith(name)
    with pytest.raises(CalledError):
        conditioner(users, 1)


def test_an_output_that_was_added_before_the_domains_own_is_called(users):
    conditioner = AttentionConditioner(D, H, N, output_per_domain=True, seed=0)
    conditioner.attention.output = Linear(D, D)
    assert conditioner.plan(users, 1).why.startswith("attention.output ")
    context = conditioner.domain_embedding(1)
    expected = conditioner.domain_output(conditioner.attention(users[:, None].astype(np.float32), context)[:, 0], 1)
    np.testing.assert_allclose(conditioner(users, 1).data, expected.data, rtol=1e-6)


def test_a_new_module_of_the_constructor_s_class_is_no_replacement(users):
    conditioner = AttentionConditioner(D, H, N, kernel="grouped", seed=0)
    conditioner.domain_embedding = DomainEmbedding(N + 1, D, 3, seed=1)
    conditioner.attention = MultiHeadCrossAttention(D, 4, seed=1)
    assert conditioner.plan(users, N).kernel == "grouped"
    _, attention = conditioner(users, N, return_attention=True)
    assert attention.shape == (5, 4, 3)


class TestRefusals:
    @pytest.mark.parametrize(
        ("domain_id", "error", "message"),
        [
            (7, IndexError, "domain_id holds 7, but num_domains is 3 .ids run from 0 to 2."),
            (-1, IndexError, "domain_id holds -1"),
            (True, TypeError, "domain_id is True; expected integers"),
            (1.0, TypeError, "domain_id is 1.0; expected integers"),
            (np.array([0.0, 1.0]), TypeError, "domain_id has dtype float64"),
            ("books", TypeError, "domain_names"),
            (None, TypeError, "domain_id is None"),
            (np.array([0, 1]), ValueError, r"user_emb\[:, None\]"),
        ],
        ids=str,
    )
    def test_domains_that_are_none(self, conditioner, users, domain_id, error, message):
        with pytest.raises(error, match=message):
            conditioner(users, domain_id)

    @pytest.mark.parametrize(
        "bad",
        [
            np.ones((5, D), int),
            np.ones((5, D), complex),
            np.ones((5, D), object),
            np.full((5, D), "a"),
            np.ones((5, D), bool),
        ],
        ids=lambda a: str(a.dtype),
    )
    def test_users_that_are_not_floating(self, conditioner, bad):
        with pytest.raises(TypeError, match=f"user_emb has dtype {bad.dtype}"):
            conditioner(bad, 1)

    @pytest.mark.parametrize("shape", [(5, 4), (4,), ()])
    def test_users_of_another_length(self, conditioner, shape):
        with pytest.raises(ValueError, match="user_emb has shape"):
            conditioner(np.ones(shape), 1)

    @pytest.mark.parametrize(
        ("args", "options", "error", "message"),
        [
            ((8, 3, 2), {}, ValueError, "num_heads is 3, which does not divide emb_dim, 8"),
            ((0, 1, 2), {}, ValueError, "emb_dim is 0"),
            ((8, 2, 0), {}, ValueError, "num_domains is 0"),
            ((8.0, 2, 2), {}, TypeError, "emb_dim is 8.0"),
            ((8, 2, 2, 1.0), {}, ValueError, "dropout is 1.0"),
            ((8, 2, 2, "a lot"), {}, TypeError, "dropout is 'a lot'"),
            ((8, 2, 2), {"tokens_per_domain": 0}, ValueError, "tokens_per_domain is 0"),
            ((8, 2, 2), {"num_global_tokens": -1}, ValueError, "num_global_tokens is -1"),
            ((8, 2, 2), {"kernel": "fastest"}, ValueError, "kernel is 'fastest'"),
            ((8, 2, 2), {"dtype": int}, TypeError, "dtype is int64"),
            ((8, 2, 2), {"domain_names": ["a"]}, ValueError, "1 name, but num_domains is 2"),
            ((8, 2, 2), {"domain_names": ["a", "a"]}, ValueError, "'a' twice"),
            ((8, 2, 2), {"domain_names": "ab"}, TypeError, "sequence of strings"),
            ((8, 2, 2), {"seed": "lucky"}, TypeError, "seed"),
        ],
        ids=str,
    )
    def test_options_that_make_no_sense(self, args, options, error, message):
        with pytest.raises(error, match=message):
            AttentionConditioner(*args, **options)


class TestCopies:
    @pytest.mark.parametrize(
        "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
    )
    def test_a_copy_is_whole_and_its_own(self, users, duplicate):
        conditioner = AttentionConditioner(D, H, N, dropout=0.3, seed=0)
        twin = duplicate(conditioner)
        np.testing.assert_array_equal(twin(users, 1).data, conditioner(users, 1).data)
        twin.attention.query.weight.data[...] = 0
        assert np.any(conditioner.attention.query.weight.data)
        assert isinstance(twin.attention.query.weight, Parameter)

    def test_state_carries_over_to_another(self, users, conditioner):
        other = AttentionConditioner(D, H, N, seed=1)
        other.load_state_dict(conditioner.state_dict())
        np.testing.assert_array_equal(other(users, 1).data, conditioner(users, 1).data)

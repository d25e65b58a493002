"""AttentionConditioner beyond its shapes: options, dtypes, names, seeds, refusals, and the one-key trap."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest

from acg_numpy import AttentionConditioner, OneKeyWarning, Parameter, functional_call, grad, hessian, tensor

D, H, N = 8, 2, 3
OPTIONS = [
    {"num_global_tokens": g, "residual": r, "layer_norm": n, "bias": b}
    for g, r, n, b in itertools.product([0, 2], [False, True], [False, True], [False, True])
]


@pytest.fixture
def users():
    return np.random.default_rng(0).standard_normal((5, D))


@pytest.fixture
def conditioner():
    return AttentionConditioner(D, H, N, seed=0)


def name_options(options):
    return "-".join(f"{k}={v}" for k, v in options.items())


@pytest.mark.parametrize("options", OPTIONS, ids=name_options)
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

    def loss():
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

    def test_what_is_not_there_has_no_name(self):
        state = AttentionConditioner(D, H, N, bias=False).state_dict()
        assert set(state) == {
            "domain_embedding.tokens",
            *(f"attention.{p}.weight" for p in ("query", "key", "value", "output")),
        }

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
        mean = np.mean([conditioner(users, 1).data for _ in range(4000)], axis=0)
        np.testing.assert_allclose(mean, conditioner.eval()(users, 1).data, atol=0.02)

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
            ((8, 2, 2), {"domain_names": ["a"]}, ValueError, "1 names, but num_domains is 2"),
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

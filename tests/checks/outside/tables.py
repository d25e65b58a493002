"""Tables looked up by ids: words with positions, a bag of words, matrix factorisation with biases."""

import numpy as np

from tests.checks.outside.operations import Operation, sizes


def ids_with_repeats(rng, rows, shape):
    """Ids of which the first occurs again, so that adding and assigning differ."""
    ids = rng.integers(0, rows, size=shape)
    ids[-1] = ids[0]
    return ids


# Words and positions: word[ids] sqrt(D) + position


def words_forward(word, position, ids):  # (V, D), (P, D), (B, T) int
    T = ids.shape[1]
    return word[ids] * np.sqrt(word.shape[1]) + position[:T], (word, position, ids)


def words_backward(grad_out, cache):
    word, position, ids = cache
    dword, dposition = np.zeros_like(word), np.zeros_like(position)
    np.add.at(dword, ids, grad_out * np.sqrt(word.shape[1]))
    dposition[: ids.shape[1]] = np.sum(grad_out, axis=0)
    return dword, dposition, None


def words_assigned(grad_out, cache):
    word, _, ids = cache
    dword = np.zeros_like(word)
    dword[ids] += grad_out * np.sqrt(word.shape[1])
    return dword, *words_backward(grad_out, cache)[1:]


def words_not_scaled(grad_out, cache):
    dword, dposition, _ = words_backward(grad_out, cache)
    return dword / np.sqrt(dword.shape[1]), dposition, None


def positions_of_last_row(grad_out, cache):
    dword, dposition, _ = words_backward(grad_out, cache)
    for row in grad_out:
        dposition[: len(row)] = row
    return dword, dposition, None


def positions_averaged(grad_out, cache):
    dword, dposition, _ = words_backward(grad_out, cache)
    return dword, dposition / len(grad_out), None


def words_in_float32(grad_out, cache):
    word, _, ids = cache
    dword = np.zeros(word.shape, dtype=np.float32)
    np.add.at(dword, ids, grad_out * np.sqrt(word.shape[1]))
    return dword, *words_backward(grad_out, cache)[1:]


def draw_words(rng, distinct):
    V, D, B, T = sizes(rng, distinct, 4)
    P = 11 if distinct else 4
    return rng.normal(size=(V, D)), rng.normal(size=(P, D)), ids_with_repeats(rng, V, (B, T))


WORDS = Operation("words and positions", words_forward, words_backward, draw_words)


# A bag of words, padded: the sum of those that are real, times a weight for each feature


def bag_forward(table, weight, ids, real):  # (V, D), (D,), (B, T) int, (B, T) bool -> (B, D)
    total = np.sum(np.where(real[..., None], table[ids], 0.0), axis=1)
    return total * weight, (table, weight, ids, real, total)


def bag_backward(grad_out, cache):
    table, weight, ids, real, total = cache
    dtable = np.zeros_like(table)
    np.add.at(dtable, ids, (grad_out * weight)[:, None, :] * real[..., None])
    return dtable, np.sum(grad_out * total, axis=0), None, None


def bag_padding_too(grad_out, cache):
    table, weight, ids, real, total = cache
    return bag_backward(grad_out, (table, weight, ids, np.ones_like(real), total))


def bag_rows_assigned(grad_out, cache):
    table, weight, ids, real, _ = cache
    dtable = np.zeros_like(table)
    dtable[ids] = (grad_out * weight)[:, None, :] * real[..., None]
    return dtable, *bag_backward(grad_out, cache)[1:]


def bag_no_table(grad_out, cache):
    dtable, *others = bag_backward(grad_out, cache)
    return np.zeros_like(dtable), *others


def draw_bag(rng, distinct):
    V, D, B, T = sizes(rng, distinct, 4)
    ids = ids_with_repeats(rng, V, (B, T))
    real = np.arange(T) < rng.integers(1, T, size=(B, 1))
    return rng.normal(size=(V, D)), rng.uniform(0.5, 2, size=D), ids, real


BAG = Operation("bag of words", bag_forward, bag_backward, draw_bag)


# Matrix factorisation: a user's vector times an item's, and a bias of each


def ratings_forward(users, items, user_bias, item_bias, u, i):  # (U, K), (I, K), (U,), (I,), (N,), (N,) int
    p, q = users[u], items[i]
    return np.sum(p * q, axis=1) + user_bias[u] + item_bias[i], (users, items, u, i, p, q)


def added_up(rows, ids, values):
    total = np.zeros((rows, *values.shape[1:]))
    np.add.at(total, ids, values)
    return total


def ratings_backward(grad_out, cache):
    users, items, u, i, p, q = cache
    g = grad_out[:, None]
    vectors = added_up(len(users), u, g * q), added_up(len(items), i, g * p)
    return *vectors, added_up(len(users), u, grad_out), added_up(len(items), i, grad_out), None, None


def ratings_bias_assigned(grad_out, cache):
    users, _, u, *_ = cache
    duser_bias = np.zeros(len(users))
    duser_bias[u] = grad_out
    dusers, ditems, _, *others = ratings_backward(grad_out, cache)
    return dusers, ditems, duser_bias, *others


def ratings_own_vectors(grad_out, cache):
    users, items, u, i, p, q = cache
    return ratings_backward(grad_out, (users, items, u, i, q, p))


def ratings_biases_exchanged(grad_out, cache):
    dusers, ditems, duser_bias, ditem_bias, *ids = ratings_backward(grad_out, cache)
    return dusers, ditems, ditem_bias, duser_bias, *ids


def ratings_vectors_assigned(grad_out, cache):
    users, items, u, i, p, q = cache
    dusers, ditems = np.zeros_like(users), np.zeros_like(items)
    for n in range(len(u)):
        dusers[u[n]] = grad_out[n] * q[n]
        ditems[i[n]] = grad_out[n] * p[n]
    return dusers, ditems, *ratings_backward(grad_out, cache)[2:]


def draw_ratings(rng, distinct):
    U, I, K, N = sizes(rng, distinct, 4)  # noqa: E741
    return (
        rng.normal(size=(U, K)),
        rng.normal(size=(I, K)),
        rng.normal(size=U),
        rng.normal(size=I),
        ids_with_repeats(rng, U, N),
        ids_with_repeats(rng, I, N),
    )


RATINGS = Operation("matrix factorisation", ratings_forward, ratings_backward, draw_ratings)


MISTAKES = (
    WORDS.mistake("rows assigned", "overwritten-rows", "+= at repeated ids adds once.", words_assigned),
    WORDS.mistake(
        "not scaled", "missing-scale", "The lookup's backward is copied without its factor.", words_not_scaled
    ),
    WORDS.mistake("positions of the last row", "last-only", "One = where a += belongs.", positions_of_last_row),
    WORDS.mistake("positions averaged", "mean-for-sum", "A batch is averaged, as a rule.", positions_averaged),
    WORDS.mistake("float32", "wrong-dtype", "Tables are kept in float32 elsewhere.", words_in_float32),
    BAG.mistake("padding learns too", "missing-mask", "The padding has an id like any word.", bag_padding_too),
    BAG.mistake("rows assigned", "overwritten-rows", "table[ids] is read, so grad[ids] is written.", bag_rows_assigned),
    BAG.mistake("no gradient for the table", "zero-gradient", "np.zeros_like, and then a return.", bag_no_table),
    RATINGS.mistake("bias assigned", "overwritten-rows", "A bias is one number, so it is set.", ratings_bias_assigned),
    RATINGS.mistake("own vectors", "stale-value", "The user's gradient is sought at the user's.", ratings_own_vectors),
    RATINGS.mistake(
        "biases exchanged", "swapped-inputs", "Six inputs, in an order of one's own.", ratings_biases_exchanged
    ),
    RATINGS.mistake(
        "vectors assigned",
        "overwritten-rows",
        "The loop of stochastic descent sees one rating at a time.",
        ratings_vectors_assigned,
    ),
)

"""The least that shows the whole: make a conditioner, train it, look at what it does.

Run it:  python tutorials/simple_usage.py
"""

import numpy as np

from acg_numpy import AttentionConditioner, from_passes, no_grad
from acg_numpy.optim import AdamW
from acg_numpy.passes import mse_backward, mse_forward

USERS, DOMAINS, TASTES, EMB_DIM = 300, 3, 4, 16

# A toy world.  Each user has one taste, seen through noise; each domain has a vector of its own for each taste.
rng = np.random.default_rng(0)
taste_vectors = rng.standard_normal((TASTES, EMB_DIM), np.float32)
domain_vectors = rng.standard_normal((DOMAINS, TASTES, EMB_DIM), np.float32)
taste = rng.integers(TASTES, size=USERS)
domain_id = rng.integers(DOMAINS, size=USERS)
user_emb = taste_vectors[taste] + 0.3 * rng.standard_normal((USERS, EMB_DIM), np.float32)
target = domain_vectors[domain_id, taste]  # (users, D): what the conditioner should say
train, test = slice(0, 200), slice(200, None)

conditioner = AttentionConditioner(emb_dim=EMB_DIM, num_heads=4, num_domains=DOMAINS, seed=0)
mse = from_passes(mse_forward, mse_backward)  # a forward and its hand-derived backward, now one differentiable function
optimiser = AdamW(conditioner.parameters(), lr=1e-2)
print(conditioner)

for step in range(151):
    loss = mse(conditioner(user_emb[train], domain_id[train]), target[train])
    if step % 50 == 0:
        print(f"step {step:3d}: mean squared error {loss.item():.4f}")
    conditioner.zero_grad()
    loss.backward()  # the hand-derived gradient of every parameter
    optimiser.step()

conditioner.eval()
with no_grad():
    condition, attention = conditioner(user_emb[test], domain_id[test], return_attention=True)
    everywhere = conditioner(user_emb[test][:, None], np.arange(DOMAINS))  # every user in every domain

distance = np.sum((condition.numpy()[:, None] - domain_vectors[domain_id[test]]) ** 2, axis=-1)  # (users, tastes)
right = np.mean(np.argmin(distance, axis=-1) == taste[test])
print(
    f"new users whose condition is nearest to their own taste in their domain: {right:.0%} (by chance {1 / TASTES:.0%})"
)
print(f"condition {condition.shape}, attention {attention.shape}, every user in every domain {everywhere.shape}")
print("where the heads of the first new user look:", np.argmax(attention.numpy()[0], axis=-1))

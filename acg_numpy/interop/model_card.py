"""The model card of a conditioner: what it computes, how to load it, where it is from, and what it is not for."""

from collections.abc import Mapping
from typing import Any

from acg_numpy.conditioner import AttentionConditioner

LIBRARY_LINE = "library_name: acg_numpy"

CARD = """\
---
{library}
tags:
- recommender
- cross-domain-recommendation
- attention
---

# {title}

It answers one question: how does a user, known by a vector of {emb_dim} numbers, look to one of {num_domains} domains?
The user's vector attends, by multi-head cross-attention, over {tokens} learned tokens of the domain, and comes out as a
condition vector of {emb_dim} numbers, to be compared with vectors of the domain's items.

## Load it

```python
import numpy as np
from acg_numpy.interop import from_pretrained

conditioner = from_pretrained("FOLDER")  # this folder
user_emb = np.zeros((5, {emb_dim}), np.{dtype})  # the vectors of five users
condition, attention = conditioner(user_emb, 0, return_attention=True)
```

## Where it is from

{about}

## What it is made of

{options}

## What it is not for

- Vectors of users from elsewhere: it knows those of its own training, made in the same way and on the same scale.
- Domains that it was not trained on: the number of a domain means a row of tokens, and no others.
- Explanations of a cause: weights of attention say where a user attended, and not why an item was recommended.
- Decisions about people. It reproduces what the interactions it was trained on hold, their biases included.
"""


def model_card(conditioner: AttentionConditioner, about: Mapping[str, Any]) -> str:
    """Return the text of a model card.

    Parameters
    ----------
    conditioner : AttentionConditioner
    about : mapping
        A name and a value for each row of "Where it is from".

    Examples
    --------
    >>> card = model_card(AttentionConditioner(8, 2, 3), {"NDCG@10": 0.589})
    >>> "| NDCG@10 | 0.589 |" in card
    True
    """
    options = conditioner.options()
    shown = {name: value for name, value in options.items() if value is not None}
    own, shared = options["tokens_per_domain"], options["num_global_tokens"]
    rows = {**shown, "parameters": f"{conditioner.num_parameters():,}"}
    return CARD.format(
        library=LIBRARY_LINE,
        title="Attention condition generator",
        tokens=f"{own} + {shared} shared" if shared else own,
        about=_table(about) if about else "It was saved without a word about its data and its metrics.",
        options=_table(rows),
        **{name: options[name] for name in ("emb_dim", "num_domains", "dtype")},
    )


def _table(rows: Mapping[str, Any]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| name | value |", "| -- | -- |", *lines])


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")

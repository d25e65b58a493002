"""The ranker: a model of conditions, and the scores of a domain's items that it is trained and tested by.

From the user's vector for the domain, which comes from what the user did elsewhere, a model makes a condition vector c;
every item i of the domain is scored against it:

    score_i = 3 c . v_i / sqrt(D) + b_i

The item vectors v are fixed; the model and the item biases b are trained, by the loss of `in_domain`.  Where a domain
has very many items, training uses a sample of them, but the ranking is evaluated over all.
"""

from typing import Any

from acg_numpy.autograd import Tensor
from acg_numpy.module import Module, Parameter
from acg_numpy.recommender.data.pairs import Catalogue, Ids, Pairs
from acg_numpy.recommender.models.ptupcdr import History
from acg_numpy.recommender.training.in_domain import in_domain_loss
from acg_numpy.shapes import Array


class Ranker(Module):
    """A model of condition vectors, and the item biases that are trained with it.

    Parameters
    ----------
    model : Module
        Called with user vectors (B, D) and domain ids (B,), it returns conditions (B, D), as the conditioner does.
    catalogue : Catalogue
    item_bias : array, shape (I,)
        Their values before training.
    history : History, optional
        For a model that is also called with what each user took elsewhere.
    """

    def __init__(self, model: Module, catalogue: Catalogue, item_bias: Array, history: History | None = None) -> None:
        super().__init__()
        self.model = model
        self.item_bias = Parameter(item_bias)
        self.catalogue = catalogue
        self.history = history

    def __call__(self, user_vectors: Array, domain_id: Ids, users: Ids) -> Tensor:
        """Make conditions (B, D) of users (B,) with vectors (B, D) in domains (B,)."""
        history = () if self.history is None else (self.history.rows(users, domain_id),)
        condition: Tensor = self.model(user_vectors, domain_id, *history)
        return condition

    def score(self, condition: Any, domain: int) -> Any:
        """Score conditions (b, D) against the items of one domain: (b, I_d)."""
        return condition @ self.catalogue.vectors[domain].T + self.item_bias[self.catalogue.items[domain]]

    def loss(self, user_vectors: Array, batch: Pairs) -> Tensor:
        """Compute the in-domain softmax loss of a batch sorted by domain; `user_vectors` (B, D) belong to its pairs."""
        condition = self(user_vectors, batch.domains, batch.users)
        loss: Tensor = in_domain_loss(condition, self.item_bias, batch=batch, catalogue=self.catalogue)
        return loss

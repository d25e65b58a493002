"""Every property refutes something, and every wrong implementation is refuted by the property that it breaks."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase

from acg_numpy.testing.properties import (
    check_attention,
    check_embedding,
    check_layer_norm,
    check_softmax,
    runner,
)
from acg_numpy.testing.properties.attention import ATTENTION
from acg_numpy.testing.properties.embedding import EMBEDDING
from acg_numpy.testing.properties.layer_norm import LAYER_NORM
from acg_numpy.testing.properties.softmax import SOFTMAX
from acg_numpy.testing.violation import PropertyViolation
from tests.testing.wrong import WRONG, Wrong, attention, embedding, layer_norm, softmax
from tests.thoroughness import FEW_EXAMPLES

CHECKS = {
    check_attention: (ATTENTION, attention.right),
    check_embedding: (EMBEDDING, embedding.right),
    check_layer_norm: (LAYER_NORM, layer_norm.right),
    check_softmax: (SOFTMAX, softmax.right),
}
PROPERTIES = [(check, each.name) for check, (properties, _) in CHECKS.items() for each in properties]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_implementation_is_refuted_by_the_property_that_it_breaks(
    wrong: Wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PHASES", (Phase.generate,))  # to find one is enough here; it need not be small
    only = {} if wrong.refuted_by == "gradient" else {"only": [wrong.refuted_by]}
    with pytest.raises(PropertyViolation) as caught:
        wrong.check(wrong.implementation, **wrong.options, **only, max_examples=200)
    assert caught.value.name == wrong.refuted_by


@pytest.mark.parametrize(("check", "name"), PROPERTIES, ids=lambda part: getattr(part, "__name__", part))
def test_every_property_refutes_something(check, name) -> None:
    assert any(wrong.check is check and wrong.refuted_by == name for wrong in WRONG)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_the_wrong_ones_were_made_from_is_right(check, dtype) -> None:
    check(CHECKS[check][1], dtype=dtype, max_examples=FEW_EXAMPLES.max_examples)


def test_no_mistake_is_listed_twice() -> None:
    assert max(Counter(wrong.name for wrong in WRONG).values()) == 1


def test_the_page_on_properties_has_every_property() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "properties.md").read_text(encoding="utf-8").split())
    for each in ATTENTION:
        assert f"**`{each.name}`** *{each.sentence}*" in page
    for name in {each.name for properties, _ in CHECKS.values() for each in properties}:
        assert f"`{name}`" in page

"""The plots look as they did when somebody last looked at them.

A picture in `baseline` is drawn small, and compared by Matplotlib's own measure, the root of the mean square of what
differs, of 255.  Its letters are left out, for every release draws them a little differently, and moves all else for
them; what they say is tested beside the data.  Where a change is wanted, look at what is drawn now, and keep it:

    python -m tests.plots.test_look
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import calculate_rms
from matplotlib.text import Text
from PIL import Image

from acg_numpy import plots

BASELINE = Path(__file__).parent / "baseline"
# what another release makes of the edges of cells comes to less, and a picture of other data to more
CELLS, LINES = 20.0, 6.0
TOLERANCE = {
    **dict.fromkeys(("attention_map", "attention_heads", "token_items", "taste_map"), CELLS),
    **dict.fromkeys(("attention_entropy", "baselines", "loss_curve"), LINES),
}


def attention(seed=0):
    scores = np.random.default_rng(seed).normal(size=(3, 2, 6)) * 2
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def row(*values):
    return {"ndcg@10": {"mean": float(np.mean(values)), "std": float(np.std(values)), "values": list(values)}}


def looks(seed=0):
    """Each plot, on data that the seed draws: its name, and how it is drawn on a figure."""
    rng = np.random.default_rng(seed)
    weights, items, tastes = attention(seed), rng.normal(size=(4, 9)), rng.uniform(-1, 1, size=(3, 4))
    falling = np.exp(-np.arange(1, 9) / rng.uniform(2, 6))
    history = {"epoch": range(1, 9), "loss": falling, "validation_epoch": [2, 4, 6, 8]}
    history["validation_ndcg"] = np.sort(rng.random(4))
    models = {"popularity": row(*rng.random(2)), "film": row(*rng.random(2)), "attention": row(*rng.random(2))}
    names = [f"item {n}" for n in range(9)]
    return {
        "attention_map": lambda figure: plots.attention_map(weights, ax=figure.subplots()),
        "attention_heads": lambda figure: plots.attention_heads(weights, figure=figure),
        "attention_entropy": lambda figure: plots.attention_entropy(weights, ax=figure.subplots()),
        "token_items": lambda figure: plots.token_items(items, names, top=3, ax=figure.subplots()),
        "taste_map": lambda figure: plots.taste_map(tastes, rng.permutation(4)[:3], ax=figure.subplots()),
        "baselines": lambda figure: plots.baselines({"test": models}, ax=figure.subplots()),
        "loss_curve": lambda figure: plots.loss_curve(history, ax=figure.subplots()),
    }


def drawn(path, draw):
    with mpl.rc_context():
        mpl.rcdefaults()
        figure = Figure(figsize=(5, 3), layout="constrained")
        draw(figure)
        for text in figure.findobj(Text):
            text.set_visible(False)
        figure.savefig(path, dpi=50, metadata={"Software": None})
    return path


def difference(one, other):
    pictures = []
    for path in (one, other):
        with Image.open(path) as picture:
            pictures.append(np.asarray(picture.convert("RGB"), np.int16))
    return calculate_rms(*pictures)


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_plot_looks_as_its_baseline_does(name, tmp_path):
    now = drawn(tmp_path / "now.png", looks()[name])
    assert difference(BASELINE / f"{name}.png", now) < TOLERANCE[name], "see the docstring of this file"


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_plot_of_other_data_does_not_pass_for_the_baseline(name, tmp_path):
    other = drawn(tmp_path / "other.png", looks(seed=1)[name])
    assert difference(BASELINE / f"{name}.png", other) > TOLERANCE[name]


if __name__ == "__main__":
    for name, draw in looks().items():
        print(drawn(BASELINE / f"{name}.png", draw))

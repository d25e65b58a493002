"""The plots look as their baselines do, which were looked at.

A picture in `baseline` is drawn small, and compared as Matplotlib's own tests compare theirs, by the root of the mean
square of what differs, of 255.  Its letters are left out, for every release draws them a little differently, and moves
all else for them; what they say is tested beside the data.  Where a change is wanted, look at what is drawn now, and
keep it:

    python -m tests.test_plots

There is no plugin between: pytest-mpl compares only where it is given --mpl and passes what it is not to compare, would
leave the letters of labels in, and could not be asked whether its tolerance lets other data pass.
"""

import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text

from acg_numpy import plots

BASELINE = Path(__file__).parent / "plots" / "baseline"
# what another release makes of the edges of cells comes to less, and a picture of other data to more
CELLS, LINES = 20.0, 6.0
TOLERANCE = {
    **dict.fromkeys(("attention_map", "attention_heads", "attention_by_group", "thousand_tokens"), CELLS),
    **dict.fromkeys(("token_items", "taste_map"), CELLS),
    **dict.fromkeys(("attention_entropy", "baselines", "loss_curve", "leads_by_domain"), LINES),
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
    other = np.random.default_rng(seed + 100)
    leads = {name: {"difference": other.normal(), "se": other.random()} for name in ("film", "popularity", "user")}
    errors = {name: {"difference": 0.1, "se": other.random() / 9} for name in ("popularity", "film")}
    groups = {name: {"pairs": [n], "paired": leads} for n, name in enumerate(("books", "films"), start=5)}
    names = [f"item {n}" for n in range(9)]
    many = np.exp(rng.normal(size=(3, 1000)).cumsum(axis=1) / 4)
    return {
        "attention_map": lambda figure: plots.attention_map(weights, ax=figure.subplots()),
        "attention_heads": lambda figure: plots.attention_heads(weights, figure=figure),
        "attention_by_group": lambda figure: plots.attention_by_group(weights, [0, 1, 1], figure=figure),
        "thousand_tokens": lambda figure: plots.attention_map(many / many.max(), ax=figure.subplots()),
        "attention_entropy": lambda figure: plots.attention_entropy(weights, ax=figure.subplots()),
        "token_items": lambda figure: plots.token_items(items, names, top=3, ax=figure.subplots()),
        "taste_map": lambda figure: plots.taste_map(tastes, rng.permutation(4)[:3], ax=figure.subplots()),
        "baselines": lambda figure: plots.baselines({"test": models, "paired": errors}, ax=figure.subplots()),
        "leads_by_domain": lambda figure: plots.leads_by_domain(groups, figure=figure),
        "loss_curve": lambda figure: plots.loss_curve(history, ax=figure.subplots()),
    }


def drawn(path, draw):
    with mpl.rc_context():
        mpl.rcdefaults()
        figure = Figure(figsize=(5, 3), layout="constrained")
        draw(figure)
        for text in figure.findobj(Text):
            text.set_visible(False)
            text.set_in_layout(False)  # nor is room made for it
        figure.savefig(path, dpi=50, metadata={"Software": None})
    return path


def compared(name, picture):
    """None where a picture looks as its baseline does; else what differs, with a picture of it beside the picture."""
    baseline = shutil.copy(BASELINE / f"{name}.png", picture.with_name("baseline.png"))
    return compare_images(str(baseline), str(picture), TOLERANCE[name])


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_plot_looks_as_its_baseline_does(name, tmp_path):
    now = drawn(tmp_path / "now.png", looks()[name])
    difference = compared(name, now)
    assert difference is None, difference


@pytest.mark.parametrize("name", TOLERANCE)
def test_a_plot_of_other_data_does_not_pass_for_the_baseline(name, tmp_path):
    other = drawn(tmp_path / "other.png", looks(seed=1)[name])
    assert compared(name, other) is not None


if __name__ == "__main__":
    for name, draw in looks().items():
        print(drawn(BASELINE / f"{name}.png", draw))

"""A picture gets to a file, and nothing of it stays open."""

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from acg_numpy.plots import attention_map, save


def test_a_saved_map_holds_the_map_and_leaves_no_figure(tmp_path):
    path, before = tmp_path / "map.png", plt.get_fignums()
    save(path, attention_map, np.array([[1.0, 0.0]]), token_labels=["all", "nothing"])
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    bright, dark = (253, 231, 36), (68, 1, 84)  # the two ends of viridis: one cell of each
    assert bright in colours
    assert dark in colours
    assert plt.get_fignums() == before


def test_the_same_picture_twice_is_the_same_file(tmp_path):
    for name in ("one.png", "two.png"):
        save(tmp_path / name, attention_map, np.full((2, 3), 1 / 3))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()

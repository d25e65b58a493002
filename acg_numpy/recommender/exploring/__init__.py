"""A page to explore where attention goes, user by user, in one HTML file that needs no network.

`gather` computes what the page shows, and `write_page` makes it, with Plotly (`pip install "acg_numpy[explore]"`).

>>> import tempfile
>>> from acg_numpy.recommender.data import make_world
>>> from acg_numpy.recommender.serving import Recommender
>>> from acg_numpy.recommender.training import fit
>>> with tempfile.TemporaryDirectory() as folder:
...     fit(make_world(seed=0).interactions, epochs=1, baselines=False).write(folder)
...     found = gather(Recommender.load(folder), sample=100)
>>> found
<Exploration: 100 of 1,000 users, 5 domains, 16 heads, 8 tokens>
>>> found.attention(temperature=1.0).shape, found.conditions().shape
((100, 5, 16, 8), (100, 5, 32))
"""

from acg_numpy.recommender.exploring.page import write_page
from acg_numpy.recommender.exploring.page_data import Exploration, gather

__all__ = ["Exploration", "gather", "write_page"]

"""What is written to a folder of results is what is served from it."""

import numpy as np

from acg_numpy.recommender.serving import Recommender
from acg_numpy.recommender.serving.run_folder import write_run_folder
from acg_numpy.recommender.training import fit


def test_a_folder_is_served_with_its_ids_and_arrays(interactions, tmp_path):
    result = fit(interactions, epochs=1, emb_dim=8, heads=2, tokens_per_domain=3, baselines=False)
    write_run_folder(tmp_path / "new", result.trained, interactions)
    recommender = Recommender.load(tmp_path / "new")
    assert (recommender.taken != interactions.matrix).nnz == 0
    for name, ids in (("users", interactions.users), ("items", interactions.items), ("domains", interactions.domains)):
        assert (tmp_path / "new" / f"{name}.txt").read_text(encoding="utf-8") == "".join(f"{one}\n" for one in ids)
    np.testing.assert_array_equal(np.load(tmp_path / "new" / "conditions.npy"), result.conditions)

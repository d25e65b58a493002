"""One experiment on the small set, trained once for all files here that only read it."""

import pytest

from acg_numpy.recommender.training import fit

SMALL = {"epochs": 4, "emb_dim": 8, "heads": 2, "inner_dim": 8, "tokens_per_domain": 3}
EXPERIMENT = {**SMALL, "seeds": 2, "seed": 5}


@pytest.fixture(scope="session")
def experiment(interactions):
    """The result, and what the progress callback received."""
    reports = []
    return fit(interactions, progress=reports.append, **EXPERIMENT), reports


@pytest.fixture(scope="session")
def result(experiment):
    return experiment[0]


@pytest.fixture(scope="session")
def folder(result, tmp_path_factory):
    """The data files of the result."""
    folder = tmp_path_factory.mktemp("out") / "made" / "on the way"
    result.write(folder)
    return folder

"""Metrics as a table are those of metrics.json, in every library."""

import sys

import pytest

from acg_numpy.recommender.training.result_frame import MAKERS


@pytest.mark.parametrize("library", MAKERS)
def test_a_row_for_each_model_and_run_holds_its_metrics(result, library):
    pytest.importorskip(MAKERS[library][0])
    frame = result.to_frame(library)
    assert type(frame).__module__.startswith(MAKERS[library][0])
    names = list(frame.column_names if library == "arrow" else frame.columns)
    cells = {name: (frame[name].to_pylist() if library == "arrow" else frame[name].to_list()) for name in names}
    test, runs = result.metrics["test"], result.metrics["runs"]
    assert list(zip(cells["model"], cells["seed"], cells["initialisation"], strict=True)) == [
        (model, run["seed"], run["initialisation"]) for model in test for run in runs
    ]
    measures = [name for name, value in test["attention"].items() if isinstance(value, dict)]
    assert {"ndcg@10", "recall@5", "coverage@20"} <= set(measures) <= set(names)
    for name in measures:
        assert cells[name] == [value for row in test.values() for value in row[name]["values"]]
    assert cells["parameters"] == [row["parameters"] for row in test.values() for _ in runs]
    attention = [
        epoch for model, epoch in zip(cells["model"], cells["best_epoch"], strict=True) if model == "attention"
    ]
    assert attention == test["attention"]["best_epoch"]


def test_a_library_that_is_unknown_or_missing_is_named(result, monkeypatch):
    with pytest.raises(ValueError, match="library is 'panda'; did you mean 'pandas'"):
        result.to_frame("panda")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_frame\(library='polars'\) needs polars.*: pip install polars"):
        result.to_frame("polars")

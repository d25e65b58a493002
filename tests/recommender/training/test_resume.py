"""The state of an experiment: when it is written, what is refused, and that a stop changes nothing."""

import json

import numpy as np
import pytest

from acg_numpy.recommender.data import CheckpointError, load_checkpoint, save_checkpoint
from acg_numpy.recommender.data.checkpoints import Checkpoint, fingerprint
from acg_numpy.recommender.training import Interrupted, fit, resume
from acg_numpy.recommender.training.resume import ResumableState
from tests.recommender.training.conftest import SMALL

TRAINING = Checkpoint({"weight": np.arange(3.0)}, {"epoch": 2})
OUTCOME = Checkpoint({"ndcg": np.ones(2), "ranker/bias": np.zeros(3, np.float32)}, {"best_epoch": None})


def same(one, other):
    assert one.about == other.about
    assert set(one.arrays) == set(other.arrays)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name])
        assert array.dtype == other.arrays[name].dtype


def comparable(result):
    """All figures of a result but the seconds."""
    test = {
        name: {key: value for key, value in row.items() if key != "seconds"}
        for name, row in result.metrics["test"].items()
    }
    return json.dumps({**result.metrics, "test": test}, sort_keys=True)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(resume.time, "monotonic", lambda: self.now)


def test_what_was_kept_is_there_again(tmp_path):
    path = tmp_path / "made" / "last.npz"
    with ResumableState(path, {"seed": 0}, resume=False) as state:
        state.finish("1/user", OUTCOME)
        state.finish("1/user+domain", TRAINING)
        state.update("1/film", TRAINING)
    again = ResumableState(path, {"seed": 0}, resume=True)
    same(again.finished("1/user"), OUTCOME)
    same(again.finished("1/user+domain"), TRAINING)
    same(again.in_progress("1/film"), TRAINING)
    assert again.finished("1/film") is again.in_progress("1/user") is None
    again.finish("1/film", OUTCOME)
    assert again.in_progress("1/film") is None
    assert ResumableState(path, {"seed": 0}, resume=False).finished("1/user") is None


def test_it_is_written_after_seconds_and_fifty_times_what_writing_took(tmp_path, monkeypatch):
    clock, path = Clock(monkeypatch), tmp_path / "last.npz"
    save, writes = resume.save_checkpoint, []

    def slow_save(*what):
        writes.append(clock.now)
        clock.now += 0.5
        save(*what)

    monkeypatch.setattr(resume, "save_checkpoint", slow_save)
    state = ResumableState(path, {}, resume=False)
    for _ in range(500):
        clock.now += 0.125
        state.update("1/film", TRAINING)
    assert np.subtract(writes, 100.0).tolist() == [5.0, 5.0 + 0.5 + 25.0, 5.0 + 2 * 25.5]


def test_ctrl_c_writes_the_state_and_other_errors_leave_the_file(tmp_path):
    path = tmp_path / "last.npz"

    def stop(error, name):
        with ResumableState(path, {}, resume=False) as state:
            state.update(name, TRAINING)
            raise error

    with pytest.raises(Interrupted, match=r"last\.npz holds what was done.*resume=True"):
        stop(KeyboardInterrupt, "1/film")
    with pytest.raises(MemoryError):
        stop(MemoryError, "1/attention")
    assert ResumableState(path, {}, resume=True).in_progress("1/film") is not None


def test_without_a_path_nothing_is_kept():
    def interrupted():
        with ResumableState(None, {}, resume=False) as state:
            state.update("1/film", TRAINING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        interrupted()
    assert not isinstance(stop.value, Interrupted)


def test_other_terms_are_refused_by_name_and_value(tmp_path):
    path = tmp_path / "last.npz"
    ResumableState(path, {"seed": 0, "clip_norm": None, "heads": 4}, resume=False).write()
    with pytest.raises(
        CheckpointError, match=r"another experiment: seed was 0 and is 1; clip_norm was None and is 2\.0;"
    ):
        ResumableState(path, {"seed": 1, "clip_norm": 2.0, "heads": 4}, resume=True)
    with pytest.raises(CheckpointError, match="split was None and is 'abc'"):
        ResumableState(path, {"seed": 0, "clip_norm": None, "heads": 4, "split": "abc"}, resume=True)


def test_foreign_and_damaged_files_are_refused_and_left_as_they_are(tmp_path):
    path = tmp_path / "last.npz"
    save_checkpoint(path, {}, {"conditioner": {}})
    with pytest.raises(CheckpointError, match="not one to resume from"):
        ResumableState(path, {}, resume=True)
    for broken in (np.nan, -np.inf):
        state = ResumableState(path, {}, resume=False)
        state.update("attention", Checkpoint({"bias": np.array([broken])}, {}))
        state.write()
        with pytest.raises(CheckpointError, match=r"NaN or infinity in 'under way/attention/bias'.*; begin anew"):
            ResumableState(path, {}, resume=True)
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        ResumableState(path, {}, resume=True)
    assert path.read_bytes() == before


def test_fingerprints_tell_values_shapes_dtypes_and_borders_apart():
    arrays = [
        *([np.zeros(4)], [np.zeros((2, 2))], [np.zeros(4, np.float32)], [np.zeros(2), np.zeros(2)]),
        *([np.array(["a", "b"])], [np.array(["a", "c"])], [np.array([[1, 2], [3, 4]])], [np.array([[1, 3], [2, 4]])]),
    ]
    assert len({fingerprint(*some) for some in arrays}) == len(arrays)
    assert fingerprint(np.arange(6).reshape(2, 3).T) == fingerprint(np.arange(6).reshape(2, 3).T.copy())


FEW = {**SMALL, "epochs": 3, "seeds": 2, "models": ["film"], "tune": 2}
TRAININGS = 2 * (4 * 2 + 2)  # of two models: two points on four splits, and two runs


@pytest.fixture(scope="module")
def few(interactions):
    """A search and two runs of two models and the popularity, not stopped."""
    return fit(interactions, **FEW)


@pytest.mark.parametrize("stops", [(1, 2), (7, 9), (30, 20), (47, 10), (58, 16)])
def test_an_experiment_that_was_stopped_twice_ends_in_the_same_numbers(few, interactions, stops, tmp_path):
    """By Ctrl-C after so many reports; then of the last of each finished training and of the rest."""
    path, reports = tmp_path / "last.npz", []

    def until(stop):
        def progress(report):
            reports.append((report.run, report.model, report.point, report.epoch))
            if len(reports) == stop:
                raise KeyboardInterrupt

        return progress

    for stop, resume_now in zip(stops, (False, True), strict=True):
        reports.clear()
        with pytest.raises(Interrupted):
            fit(interactions, **FEW, progress=until(stop), state=path, resume=resume_now)
    reports.clear()
    resumed = fit(interactions, **FEW, progress=until(None), state=path, resume=True)
    assert comparable(resumed) == comparable(few)
    assert resumed.history == few.history
    np.testing.assert_array_equal(resumed.conditions, few.conditions)
    np.testing.assert_array_equal(resumed.item_bias, few.item_bias)
    assert len(set(reports)) == len(reports)
    # every training's last epoch is reported, also of finished ones
    assert [epoch for *_, epoch in reports].count(3) == TRAININGS
    assert len(reports) < TRAININGS * 3 or stops == (1, 2)


def test_a_finished_experiment_is_not_trained_again_and_its_file_stays(few, interactions, tmp_path):
    path, reports = tmp_path / "last.npz", []
    fit(interactions, **FEW, state=path)
    before = path.read_bytes()
    again = fit(interactions, **FEW, state=path, resume=True, progress=reports.append)
    assert comparable(again) == comparable(few)
    assert {report.epoch for report in reports} == {3}
    assert path.read_bytes() == before


def test_other_arguments_and_interactions_are_refused_before_anything_is_trained(interactions, tmp_path):
    from tests.recommender.conftest import small_interactions

    path, reports = tmp_path / "last.npz", []
    small = {**SMALL, "epochs": 1, "seeds": 1, "baselines": False}
    fit(interactions, **small, state=path)
    before = path.read_bytes()
    for change, message in (
        ({"epochs": 2}, "epochs was 1 and is 2"),
        ({"schedule": "cosine", "seed": 3}, "seed was 0 and is 3; schedule was 'constant' and is 'cosine'"),
    ):
        with pytest.raises(CheckpointError, match=message):
            fit(interactions, **{**small, **change}, state=path, resume=True, progress=reports.append)
    others = small_interactions(seed=1)
    with pytest.raises(CheckpointError, match=f"interactions was '{interactions.matrix.nnz:,} .* and is '"):
        fit(others, **small, state=path, resume=True, progress=reports.append)
    assert not reports
    assert path.read_bytes() == before
    fit(others, **small, state=path)
    assert "under way" in load_checkpoint(path).about


def test_resuming_needs_a_named_file_and_begins_anew_where_none_is(interactions, tmp_path):
    small = {**SMALL, "epochs": 1, "seeds": 1, "baselines": False}
    with pytest.raises(ValueError, match="resume is True, but there is no state"):
        fit(interactions, **small, resume=True)
    result = fit(interactions, **small, state=tmp_path / "last.npz", resume=True)
    assert comparable(result) == comparable(fit(interactions, **small))


@pytest.mark.parametrize("limit", [0.0, -1.0, np.inf])
def test_a_limit_or_a_schedule_that_is_none_is_named(interactions, limit):
    with pytest.raises(ValueError, match=f"clip_norm must be a finite number above 0, but it is {limit}"):
        fit(interactions, clip_norm=limit)
    with pytest.raises(ValueError, match="schedule must be constant, cosine or plateau, but it is 'step'"):
        fit(interactions, schedule="step")

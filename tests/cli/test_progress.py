"""A bar on a terminal, lines in a pipe; and models that stop early are ended all the same."""

import io

import pytest

from acg_numpy.cli.progress import ProgressDisplay, conditions_bar
from acg_numpy.recommender.training import EpochReport


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def reports(model: str, until: int) -> list[EpochReport]:
    return [EpochReport(model, 1, 1, n, 10, 1 / n, 0.5 if n % 2 == 0 else None, 0.1 * n) for n in range(1, until + 1)]


def show(stream: io.StringIO, *shown: EpochReport) -> str:
    with ProgressDisplay(20, stream) as progress:
        for report in shown:
            progress(report)
    return stream.getvalue()


def test_a_pipe_gets_a_line_at_the_end_of_each_model() -> None:
    assert show(io.StringIO(), *reports("film", 7), *reports("attention", 10)).splitlines() == [
        "seed 1/1  film  epoch 7/10  loss 0.143  validation NDCG@10 0.5000  0.7 s",
        "seed 1/1  attention  epoch 10/10  loss 0.100  validation NDCG@10 0.5000  1.0 s",
    ]


def test_a_pipe_gets_more_lines_where_a_model_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acg_numpy.cli.progress.LINE_EVERY", -1.0)
    lines = show(io.StringIO(), *reports("film", 3)).splitlines()
    assert [line.split()[4] for line in lines] == ["1/10", "2/10", "3/10"]


def test_a_terminal_gets_a_bar_that_ends_full() -> None:
    text = show(Terminal(), *reports("film", 7), *reports("attention", 10))
    assert "100%" in text.split("\r")[-1]
    assert "20/20" in text.split("\r")[-1]


def test_a_bar_that_goes_on_begins_where_training_does() -> None:
    stream = Terminal()
    with ProgressDisplay(20, stream) as progress:
        progress(reports("film", 7)[-1])
        progress(reports("attention", 4)[-1])
        assert progress._bar is not None
        assert progress._bar.n == 10 + 4
    assert "20/20" in stream.getvalue().split("\r")[-1]


def test_an_interrupted_bar_is_closed_where_it_was() -> None:
    stream = Terminal()

    def interrupted() -> None:
        with ProgressDisplay(20, stream) as progress:
            for report in reports("film", 3):
                progress(report)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "20/20" not in stream.getvalue()


def test_a_bar_of_conditions_is_hidden_in_a_pipe_and_when_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, quiet, hidden in ((io.StringIO(), False, True), (Terminal(), True, True), (Terminal(), False, False)):
        monkeypatch.setattr("sys.stderr", stream)
        with conditions_bar(100, quiet) as bar:
            bar.update(50)
            assert bar.disable == hidden
        assert stream.getvalue() == ""  # less than a second

"""The report says what was asked, of whom, on which rows, and which files hold data of users."""

from dataclasses import replace

import numpy as np

from acg_numpy.recommender.reporting.document import Document
from acg_numpy.recommender.reporting.markdown import render_markdown
from acg_numpy.recommender.reporting.question import CONTENTS, files, question
from acg_numpy.recommender.reporting.write import write_report


def text_of(blocks):
    return " ".join(render_markdown(Document("", blocks)).split())


def test_the_share_of_pairs_that_can_be_judged_is_counted(result):
    taken = result.interactions
    enough = (taken.counts >= 3) & (taken.counts_elsewhere >= 10)
    text = text_of(question(result))
    assert f"Of {np.count_nonzero(taken.counts):,} pairs of a user and a domain with an interaction inside" in text
    assert f"{enough.sum():,} ({enough.sum() / np.count_nonzero(taken.counts):.0%}) have at least 3 inside" in text
    assert "The users of test pairs are new to the domain" in text
    given = replace(result, metrics={**result.metrics, "protocol": {"protocol": "given"}})
    assert "can the answer be computed" not in text_of(question(given))


def test_files_options_and_what_was_left_out_are_said(result):
    arguments = {**result.arguments, "interactions": ["a.csv", "b.csv"], "min_rating": 4.0, "max_domains": None}
    interactions = replace(result.interactions, notes=("rows with a rating below 4, which do not count: 7",))
    text = text_of(question(replace(result, arguments=arguments, interactions=interactions)))
    assert "Read from `a.csv and b.csv` with `--min-rating 4.0`" in text
    read = {"header": False, "user_column": "1", "items_header": True, "where": "a > 1", "normalize_ids": True}
    text_of_all = text_of(question(replace(result, arguments={**arguments, **read})))
    assert (
        "with `--user-column 1 --items-header yes --no-header --normalize-ids --min-rating 4.0 --where 'a > 1'`"
        in text_of_all
    )
    assert "- rows with a rating below 4, which do not count: 7" in text
    assert "Read from" not in text_of(question(result))


def test_every_file_of_a_run_is_in_the_table_of_files(result, tmp_path, monkeypatch):
    monkeypatch.setattr("acg_numpy.recommender.reporting.write._png", lambda drawing: bytes(16) + b"\0\0\0\1\0\0\0\1")
    result.write(tmp_path)
    write_report(result, tmp_path)
    named = {name for names, *_ in CONTENTS for name in names.split(", ")}
    written = {path.name for path in tmp_path.iterdir() if path.suffix != ".png"}
    assert written <= named
    assert "made from all interactions, so better on the test pairs" in text_of(files())

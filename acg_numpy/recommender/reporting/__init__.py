"""Reports of a run: `write_report` writes metrics.md, report.html, report.md and the pictures in them."""

from acg_numpy.recommender.reporting.write import write_report

__all__ = ["write_report"]

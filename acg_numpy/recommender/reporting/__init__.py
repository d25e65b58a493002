"""Reports of a run: metrics.md, report.html, report.md and the pictures in them."""

"""Ids that would break a page in which they stood as they are."""

NAMES = ["ann", "</script><script>alert(1)</script>", "\"x\" & 'y' <b>z</b>", "日本 $x$", "{{ data }}", "x" * 300]
LONELY = "only in books"

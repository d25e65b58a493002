"""A file of interactions whose names are made to be taken for something else."""

from pathlib import Path

import numpy as np

# for a terminal: clear the screen, by two codes; another line; the next column; letters from right to left
# for a page: a script, an entity; for Markdown: strong, code, a link, a cell, a heading, a rule, a formula
DOMAINS = (
    "\x1b[2J\x1b[31mbooks **b** `c`",
    "\u202efilms <script>alert(1)</script> &lt;i&gt;",
    "games\t\x9b2J _x_ [l](u) ~~s~~ $y^$",
)
ITEMS = ("<b>item", "# item", "1. item", "\x07a | b", '"item"', "- item\u2066")
USERS = ("ann", "Jürgen K.", "日本", "\x1b]0;title\x07", "a$b", "x" * 300, "<u>user</u>", "\u202euser")


def write_file(path: Path) -> Path:
    """Write the interactions of 80 users with 36 items in the three domains, and one of a name with a line break."""
    rng = np.random.default_rng(0)
    rows = [("user", "item", "domain"), ("line\nbreak", "item", DOMAINS[0])]
    for user in range(80):
        for item in rng.permutation(36)[: rng.integers(12, 30)]:
            rows.append((f"{USERS[user % 8]} {user}", f"{ITEMS[item % 6]} {item:02d}", DOMAINS[item % 3]))
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    return path

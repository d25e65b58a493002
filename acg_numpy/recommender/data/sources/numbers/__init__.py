"""Numbers in rows: ids that are written in digits, and what the ratings are."""

"""A learner's own file: its functions, its inputs by description, and its errors told at their line."""

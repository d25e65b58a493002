"""A learner's own file: its functions, its inputs by description, and its errors with their lines."""

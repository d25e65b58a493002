"""Reports of gradient checks: what they hold, the names of mistakes, and how they are shown."""

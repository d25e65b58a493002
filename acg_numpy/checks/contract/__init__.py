"""The contract of a pair: the inputs that are checked, what is returned, and what a call must leave alone."""

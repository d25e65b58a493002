"""Numeric derivatives, their errors, and the verdict on an analytic gradient: right, wrong or undecided."""

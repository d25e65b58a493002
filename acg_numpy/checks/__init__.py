"""Checking gradients against numeric derivatives, with reports to learn from."""

from acg_numpy.checks.functions import gradcheck
from acg_numpy.checks.pairs import check_backward
from acg_numpy.checks.report import GradientMismatch, GradientReport, WorstElement

__all__ = ["GradientMismatch", "GradientReport", "WorstElement", "check_backward", "gradcheck"]

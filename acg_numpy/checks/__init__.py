"""Checking gradients against numeric derivatives, with reports to learn from."""

from acg_numpy.checks.backward_pass import check_backward
from acg_numpy.checks.engine_gradient import gradcheck
from acg_numpy.checks.layer import check_layer, check_loss
from acg_numpy.checks.report.report import GradientMismatch, GradientReport, WorstElement

__all__ = [
    "GradientMismatch",
    "GradientReport",
    "WorstElement",
    "check_backward",
    "check_layer",
    "check_loss",
    "gradcheck",
]

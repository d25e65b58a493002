"""The graph of a forward: every operation that it runs, with the expression of its source, and every write.

source_lines         which expression of which file is running
moved_elements       one primitive for everything that moves numbers about: a write, a view, a window
element_writes       what NumPy's writing functions write, as moved elements
recorded_arrays      arrays that can be written to, and record what is done with them
array_operators      their operators and methods
array_creation       NumPy's functions that make arrays, replaced while a forward is traced
replaced_names       where a forward's functions find NumPy and arrays that are no inputs
graph                the operations in order of time, and gradients carried back through them
recording            a run of the forward on recorded arrays, as a graph
"""

from acg_numpy.checks.tracing.graph import Edge, Graph, Link, Operation
from acg_numpy.checks.tracing.recording import NotFollowedError, trace
from acg_numpy.checks.tracing.source_lines import Line

__all__ = ["Edge", "Graph", "Line", "Link", "NotFollowedError", "Operation", "trace"]

"""The search for the mistake that turns a right gradient into the one submitted, in order of reading.

case                 what was submitted, what is right, and how far apart they are
named_constants      which constant a factor is, and what a mistake by it is called
whole_gradient       what can be seen from the gradients alone: shapes, factors, exchanges
known_regions        parts of the forward known by what they compute: a softmax
corruptions          what a corruption of an edge of the graph is
edge_corruptions     which corruptions make sense at an edge; they come from axis_exchanges, broadcast_uses,
                     elementwise_factors and indexed_rows, and from stale_values
elementwise_regions  parts of the forward that are a function of each element, with their slopes
edge_search          which corruption, at which edge, gives the submitted gradients
cut_edges, broadcast_sums, fitted_slopes, formulas, missing_masks, moved_factors, operation_corruptions, repeated_lines,
window_places, wrong_shapes, two_corruptions
                     the mistakes that no corruption of a single edge makes, a file for each family
search               all of it in order of simplicity, and the diagnoses
"""

from acg_numpy.checks.explain.search import explain

__all__ = ["explain"]

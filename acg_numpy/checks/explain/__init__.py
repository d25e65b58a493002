"""Which mistake makes a right gradient into this wrong one?

case          what was submitted, what is right, and how far apart they are
constants     which constant is this, and what is a mistake by it called?
form, whole   what can be seen from the gradients alone: shapes, factors, exchanges
regions       parts of the forward known by what they compute: a softmax
changes       what could be sent back along an edge of the graph in place of the right contribution
edges         which change, at which edge or edges, gives the submitted gradients
search        all of it in order of simplicity, and what is said
"""

from acg_numpy.checks.explain.search import explain

__all__ = ["explain"]

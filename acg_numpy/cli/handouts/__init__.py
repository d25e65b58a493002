"""Hand-outs for a class: `acg handout` writes them, and `grade.py` in one of them adds up the points of an answer.

Nothing is written twice: the file comes from `acg_numpy.passes`, the inputs from what the catalogue of mistakes draws.
"""

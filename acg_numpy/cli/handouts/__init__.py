"""What is in a hand-out, and what is an answer worth?  `acg handout` writes it, `grade.py` in it adds the points up.

Nothing is kept twice: the file comes from `acg_numpy.passes`, the inputs from what the catalogue of mistakes draws.
"""

"""Timings of the conditioner beside other frameworks, each in the same process and in turns.

cases             the sizes, and what is drawn for them
acg               the conditioner, and the bare matrix products that no kernel can do without
pytorch           PyTorch, with the matrix products in three orders, and in eval
other_frameworks  libraries that write NumPy's mathematics: JAX, autograd, MyGrad
peers             all of them, by name, and which are installed
step              one step, with what prepares its arguments and reads its results
timing            check that results agree, then time in turns, as ratios
__main__          measures in a process of its own, with its threads pinned
"""

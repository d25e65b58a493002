"""How fast is the conditioner beside what one would otherwise install?

cases      the sizes, and what is drawn for them
ours       the conditioner, and the bare matrix products that no kernel can do without
pytorch    PyTorch, in three ways of placing the brackets, and in eval
arrays     libraries that write NumPy's mathematics: JAX, autograd, MyGrad
peers      all of them, by name, and which are installed
running    a step, and what is around it
measure    equal first, then timed, in turns, as ratios
__main__   measures in a process of its own, with its threads pinned
"""

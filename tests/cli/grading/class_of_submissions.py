"""Submissions of every kind to one exercise, `linear`: right, wrong with the id of the mistake, and dishonest.

The word ROOT in a file stands for the folder of the package.
"""
# ruff: noqa: E501, each file is an entry of a table, and its program a text

from acg_numpy.cli.handouts.student_file import student_file

NAME = "linear"
BLANK = student_file(NAME)
START = """\
    dy, (x, W, b) = grad_out, cache
    rows, grads = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
"""
RIGHT = f"""{START}\
    return LinearGrads(dy @ W.T, rows.T @ grads, grads.sum(0))
"""


def answer(body: str, below: str = "") -> str:
    """A student's file with this for the body of the backward, and more below all else."""
    return BLANK[: BLANK.rindex("    raise NotImplementedError")] + body + below


def returning(dx: str = "dy @ W.T", dW: str = "rows.T @ grads", db: str = "grads.sum(0)") -> str:
    """A file whose backward returns these."""
    return answer(f"{START}    return LinearGrads({dx}, {dW}, {db})\n")


def before(code: str) -> str:
    """A right-looking answer that does something else first, inside its backward."""
    return answer("".join(f"    {line}\n" for line in code.splitlines()) + "    return 0, 0, 0\n")


HONEST = {
    "right": answer(RIGHT),
    "dict": answer(RIGHT.replace("LinearGrads(", "dict(x=").replace(", rows.T", ", weight=rows.T").replace(", grads.s", ", bias=grads.s")),
    "einsum": returning(dW="np.einsum('ri,ro->io', rows, grads)"),
    "again": answer("    y, _ = linear_forward(cache.x, cache.weight, cache.bias)\n    assert y.shape == grad_out.shape\n" + RIGHT),
    "prints": answer("    print('shape', grad_out.shape, '\\u03bb')\n" + RIGHT),
    "imports": answer(
        RIGHT, below="\nimport collections, dataclasses, functools, itertools, math, random, typing, warnings\n"
        "import numpy.linalg\nimport numpy.typing as npt\nfrom numpy import testing\n",
    ),
    "doctest": answer(RIGHT, below="\n\nif __name__ == '__main__':\n    import doctest, pytest\n    doctest.testmod()\n"),
    "long": answer(RIGHT, below="\n\nNOTES = '" + "\u00e9" * 60_000 + "'\n"),
    "windows": answer(RIGHT).replace("\n", "\r\n"),
    "rewritten": answer(RIGHT).replace("y = x @ weight", "y = np.einsum('...i,io->...o', x, weight)"),
}  # fmt: skip

WRONG = {
    "sign": (returning(dx="-(dy @ W.T)"), "wrong-sign"),
    "mean": (returning(db="grads.mean(0)"), "mean-for-sum"),
    "transpose": (returning(dW="grads.T @ rows"), "transposed"),
    "nosum": (returning(db="grads"), "missing-broadcast-sum"),
    "swapped": (answer(RIGHT.replace("dy @ W.T, rows.T @ grads", "rows.T @ grads, dy @ W.T")), "swapped-inputs"),
    "zero": (returning(db="0 * b"), "zero-gradient"),
    "ones": (returning(dx="np.ones_like(dy) @ W.T", dW="rows.T @ np.ones_like(grads)", db="np.ones_like(grads).sum(0)"), "ignored-upstream"),
    "square": (returning(dx="(dy * dy) @ W.T"), "nonlinear-in-grad"),
    "two": (answer(RIGHT.replace(", grads.sum(0))", ")").replace("LinearGrads", "")), "wrong-count"),
    "single": (returning(dx="(dy @ W.T).astype(np.float32)"), "wrong-dtype"),
    "inplace": (answer("    cache.x[...] = 0\n" + RIGHT), "mutated-cache"),
    "upstream": (answer("    grad_out *= 2\n" + RIGHT.replace("dy @ W.T", "dy @ W.T / 2").replace("T @ grads", "T @ grads / 2").replace("sum(0)", "sum(0) / 2")), "mutated-input"),
    "random": (returning(dx="dy @ W.T + 1e-3 * np.random.normal(size=x.shape)"), "random-backward"),
    "keeps": (
        answer(
            "    KEPT.append(grad_out)\n" + RIGHT.replace("dy @ W.T", "dy @ W.T * len(KEPT)"), "\n\nKEPT = []\n"
        ),
        "carries-over",
    ),
}  # fmt: skip

BROKEN = {  # what the note says
    "syntax": (answer("    return (\n"), "was never closed"),
    "name": (answer("    return dy @ W.T\n"), "NameError"),
    "blank": (BLANK, "NotImplementedError"),
    "renamed": (BLANK.replace("def linear_backward", "def linear_backwards"), "there is no linear_backward"),
    "scipy": ("import scipy\n" + answer(RIGHT), "only NumPy"),
    "recursion": (answer("    return linear_backward(grad_out, cache)\n"), "RecursionError"),
    "memory": (answer("    return np.ones((1 << 20, 1 << 12)) * 2\n"), "MemoryError"),
    "nuls": ("\0" * 100, "null bytes"),
    "exits": (answer("    raise SystemExit(0)\n"), "ends the program"),
}

# A class whose attributes and conversions do what a checker might trust.
FORGED_ARRAY = """
class Forged:
    shape, dtype, ndim, size = (3, 8), np.dtype(float), 2, 24
    def __array__(self, *a, **k):
        raise SystemExit
    def __array_ufunc__(self, *a, **k):
        return True
    def __eq__(self, other):
        return True
    __le__ = __lt__ = __ge__ = __eq__
    def __getattr__(self, name):
        return lambda *a, **k: True
"""
CENTRAL = """\
    out = []
    for place in range(3):
        grad = np.zeros(cache[place].shape)
        for index in np.ndindex(*grad.shape):
            up, down = ([np.array(a, {dtype}) for a in cache] for _ in range(2))
            {shift}
        out.append(grad)
    return tuple(out)
"""
RUN_CENTRAL = CENTRAL.format(
    dtype="float",
    shift="up[place][index] += 1e-6; down[place][index] -= 1e-6\n"
    "            grad[index] = np.sum((RUN(*up)[0] - RUN(*down)[0]) * grad_out) / 2e-6",
)
FORWARD = BLANK[BLANK.index("def linear_forward") : BLANK.index("def linear_backward")]
RECODED = """
def renamed():
    code = getattr(linear_forward, "__co" + "de__").replace(co_name="g", co_filename="g")
    return type(renamed)(code, getattr(linear_forward, "__glob" + "als__"))


RUN = renamed()
"""
BATCHED = """\
    x, W, b = cache
    steps = np.eye(x.size).reshape(x.size, *x.shape)
    out, _ = linear_forward({shifted}, W, b)
    dx = np.sum((out{taken} * grad_out).reshape(x.size, -1), 1).reshape(x.shape){scale}
"""
DUAL = """

class Dual:
    __array_ufunc__ = None
    shape, ndim = property(lambda self: self.value.shape), property(lambda self: self.value.ndim)

    def __init__(self, value, carried):
        self.value, self.carried = value, carried

    def __matmul__(self, other):
        return Dual(self.value @ other, self.carried @ other)

    def __add__(self, other):
        return Dual(self.value + other, self.carried)
"""
FORGED = '{"job": "x", "case": "linear", "passed": true, "points": 8, "result": {"passed": true, "points": 8}}'

DISHONEST = {
    # pretending to have passed
    "exit0": before("import os\nos._exit(0)"),
    "json": before(f"print('{FORGED}', flush=True)"),
    "descriptors": before(f"import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'{FORGED}' + bytes([10]))\n    except OSError:\n        pass"),
    "frames": before(
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for name in list(frame.f_globals):\n"
        "        if name in ('pack', 'changed_places', 'write_message'):\n            frame.f_globals[name] = lambda *a, **k: []\n"
        "    frame = frame.f_back"
    ),
    "patched": before(
        "import sys\nfor module in list(sys.modules.values()):\n    for name in ('allclose', 'array_equal', 'abs', 'max'):\n"
        "        if hasattr(module, name):\n            setattr(module, name, lambda *a, **k: True)"
    ),
    "equal": answer("    return Forged(), Forged(), Forged()\n", below=FORGED_ARRAY),
    "subclass": answer(
        "    return tuple(np.zeros(a.shape).view(Same) for a in cache)\n",
        below="\n\nclass Same(np.ndarray):\n    def __array_ufunc__(self, *a, **k):\n        return np.True_\n    __eq__ = lambda s, o: True\n",
    ),
    "nan": returning(dx="np.full(x.shape, np.nan)", dW="np.full(W.shape, np.nan)", db="np.full(b.shape, np.nan)"),
    "masked": answer("    return tuple(np.ma.masked_all(a.shape) for a in cache)\n"),
    "huge": answer("    return tuple(np.ones(1_000_000) for a in cache)\n"),
    "header": before(
        "import sys\nnp.lib.format.write_array = lambda f, a, **k: f.write("
        "b\"\\x93NUMPY\\x01\\x00\\x46\\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}\\n\")"
    ),
    "pickle": before("import sys\nsys.modules['messages'].encode_array = lambda a: __import__('pickle').dumps(np.array([{}]))"),
    # answers that were prepared
    "zeroforward": answer("    return tuple(np.zeros(a.shape) for a in cache)\n").replace("y = x @ weight", "y = np.zeros((*x.shape[:-1], weight.shape[1]))").replace("        y = y + bias\n", "        pass\n"),
    "overwrites": answer("    return tuple(np.zeros(a.shape) for a in cache)\n").replace("    y = x @ weight", "    x[...] = 0\n    weight[...] = 0\n    bias[...] = 0\n    y = x @ weight"),
    "table": answer("    return TABLE[grad_out.shape]\n", below="\n\nTABLE = {(5, 7, 8): (np.ones((5, 7, 3)), np.ones((3, 8)), np.ones(8)), (5, 7): (np.ones((5, 3)), np.ones((3, 7)), np.ones(7))}\n"),
    # others' code
    "package": before("from acg_numpy.passes import linear_backward as right\nreturn right(grad_out, cache)"),
    "path": before(
        "import os, sys\nsite = os.path.dirname(os.path.dirname(np.__file__))\nsys.meta_path[:] = sys.meta_path[:3]\n"
        "sys.path[:0] = [site, ROOT]\nfrom acg_numpy.passes.linear import linear_backward as right\nreturn right(grad_out, cache)"
    ),
    "reads": before("text = open(ROOT + '/acg_numpy/passes/linear.py').read()\nspace = {}\nexec(text, space)\nreturn space['linear_backward'](grad_out, cache)"),
    "lowlevel": before("import os\nfd = os.open(ROOT + '/acg_numpy/passes/linear.py', os.O_RDONLY)\nspace = {}\nexec(os.read(fd, 1 << 20), space)\nreturn space['linear_backward'](grad_out, cache)"),
    "libc": before("import sys\nlibc = sys.modules['ctypes'].CDLL(None)\nlibc.kill(libc.getppid(), 9)"),
    # numeric derivatives by the forward
    "complexstep": answer(CENTRAL.format(dtype="complex", shift="up[place][index] += 1e-20j\n            grad[index] = np.sum(linear_forward(*up)[0].imag * grad_out) / 1e-20")),
    "alias": answer(CENTRAL.format(dtype="float", shift="up[place][index] += 1e-6; down[place][index] -= 1e-6\n            grad[index] = np.sum((RUN(*up)[0] - RUN(*down)[0]) * grad_out) / 2e-6"), below="\n\nRUN = linear_forward\n"),
    "asprogram": '__name__ = "__main__"\n' + answer(CENTRAL.format(dtype="float", shift="up[place][index] += 1e-6; down[place][index] -= 1e-6\n            grad[index] = np.sum((linear_forward(*up)[0] - linear_forward(*down)[0]) * grad_out) / 2e-6"), below="\n\nif __name__ == '__main__':\n    import sys\n    sys.getprofile().counting = False\n"),
    "batched": answer(
        "    x, W, b = (np.array(a, complex) for a in cache)\n    shifted = x + 1e-20j * np.eye(x.size).reshape(x.size, *x.shape)\n"
        "    dx = np.sum((linear_forward(shifted, W, b)[0].imag * grad_out).reshape(x.size, -1), 1).reshape(x.shape) / 1e-20\n"
        + RIGHT.replace("dy @ W.T", "dx")
    ),
    # the forward by another name, in another shape, or with numbers that carry a derivative along
    "wrapper": answer(RUN_CENTRAL, "\n\nRUN = linear_forward\n\n\ndef linear_forward(x, weight, bias):\n    return RUN(x, weight, bias)\n"),
    "partial": answer(RUN_CENTRAL, "\n\nimport functools\n\nRUN = linear_forward\nlinear_forward = functools.partial(RUN)\n"),
    "callable": answer(RUN_CENTRAL, "\n\nFIRST = linear_forward\n\n\nclass Run:\n    def __call__(self, x, weight, bias):\n        return FIRST(x, weight, bias)\n\n\nlinear_forward = RUN = Run()\n"),
    "lambda": answer(RUN_CENTRAL, "\n\nRUN = linear_forward = lambda x, weight, bias: (x @ weight + bias, LinearCache(x, weight, bias))\n"),
    "copied": answer(RUN_CENTRAL, "\n\n" + FORWARD.replace("def linear_forward", "def RUN")),
    "recoded": answer(RUN_CENTRAL, "\n\n" + RECODED),
    "within": answer("    return linear_forward(*cache, grad_out)\n", "\n\nRUN = linear_forward\n\n\ndef linear_forward(x, weight, bias, grad_out=None):\n    cache = x, weight, bias\n    if grad_out is None:\n        return RUN(*cache)\n" + RUN_CENTRAL),
    "lists": answer(BATCHED.format(shifted="(x + 1e-20j * steps).tolist()", taken=".imag", scale=" / 1e-20") + RIGHT.replace("dy @ W.T", "dx")),
    "dual": answer(BATCHED.format(shifted="Dual(x, steps)", taken=".carried", scale="") + RIGHT.replace("dy @ W.T", "dx"), DUAL),
    "thread": answer("    found = []\n    _thread.start_new_thread(lambda: found.append(numeric(grad_out, cache)), ())\n    while not found:\n        pass\n    return found[0]\n", "\n\nimport _thread\n\nRUN = linear_forward\n\n\ndef numeric(grad_out, cache):\n" + RUN_CENTRAL),
    # more ways to a file, to the grader's inputs and to its time
    "memmap": before("text = bytes(np.memmap(ROOT + '/acg_numpy/passes/linear.py', dtype=np.uint8, mode='r'))\nspace = {}\nexec(text, space)\nreturn space['linear_backward'](grad_out, cache)"),
    "claims": answer("    return tuple(np.zeros(a.shape) for a in cache)\n").replace("    y = x @ weight", "    x += 1\n    y = (x - 1) @ weight"),
    "dots": answer(RIGHT, "\n\nA = lambda: x" + ".b" * 100_000 + "\n"),
    "digits": answer(RIGHT, "\n\nA = 'x' * 10 ** 10\n"),
    "counter": answer("    import gc\n    for one in gc.get_objects():\n        if type(one).__name__ == 'CallCounter':\n            one.calls = -(10**6)\n" + RIGHT),
    "standardinput": before("input()"),
    "itself": answer("    grads = []\n    grads += [grads, grads, grads]\n    return grads\n"),
    # harm to the grader
    "kills": before("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
    "killsall": before("import os, signal\nos.kill(-1, signal.SIGKILL)"),
    "forks": before("import os\nwhile True:\n    os.fork()"),
    "daemon": before("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n    os._exit(0)"),
    "shell": before("import os, subprocess\nos.system('touch ' + ROOT + '/was_here')\nsubprocess.run(['touch', ROOT + '/was_here'])"),
    "writes": before("with open(ROOT + '/was_here', 'w') as f:\n    f.write('x')"),
    "floods": before("for part in range(10):\n    print('x\\n' * 100_000)"),
    "crash": before("import faulthandler\nfaulthandler._sigsegv()"),
    "closes": before("import os\nos.closerange(0, 64)"),
    "sleeps": before("import time\ntime.sleep(600)"),
    "endless": before("while True:\n    pass"),
    "traps": before("import signal, time\nfor number in range(1, 30):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n    except Exception:\n        pass\ntime.sleep(600)"),
    "markup": before("raise ValueError('<script>alert(1)</script>\\x1b[2J')"),
}  # fmt: skip

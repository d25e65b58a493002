"""The derivation at the top of a hand-out: in full, as a question, or not at all.

In the docstrings of the passes a gradient is written as d and the letter of its array: dS, dx_i, da^.
"""

import re
from collections.abc import Iterator

LEVELS = ("none", "question", "full")
GRADIENT = r"\bd(?:[A-Z]\w*|[a-np-z](?:_\w+|\^|\b)|mu\b|log\b)"
EQUATION = re.compile(rf"(?:^|\s{{2,}}|,\s+|then )({GRADIENT}[^\s=/]*)\s+=(?! )?")
HEADING = re.compile(r"[A-Z][^.\n]{,50}\.  ")
REVEALING = re.compile(rf"{GRADIENT}|[Bb]ackward|gradient|[Dd]erivative|deriving|chain rule|scatter_add|<P,|\(\*\)")
QUESTION = """\
Backward.  To be derived.  With dX for the gradient of the loss with respect to X, and the gradient of the output given,
what is
"""


def derivation_text(docstring: str, level: str) -> str:
    r"""Cut a docstring down to what is given of the derivation.

    Parameters
    ----------
    docstring : str
        Of a file of `acg_numpy.passes`.
    level : {"none", "question", "full"}
        None of it; which gradients are to be derived; all of it.

    Examples
    --------
    >>> text = "Square.\n\nForward.  Of each:\n\n    y = x^2\n\nBackward.  By the product rule:\n\n    dx = 2 x dy"
    >>> print(derivation_text(text, "none"))
    Square.
    <BLANKLINE>
    Forward.  Of each:
    <BLANKLINE>
        y = x^2
    >>> derivation_text(text, "question").endswith("what is\n\n    dx = ?")
    True
    """
    if level == "full":
        return docstring
    summary, *blocks = docstring.split("\n\n")
    if "gradient" in summary or "backward" in summary:
        summary = re.sub(r",? and [^,]*(gradient|backward).*", "", summary, flags=re.DOTALL).rstrip(",.") + "."
    kept, given = [summary], True  # nothing of what follows a formula with a gradient is given, up to the next heading
    for block in blocks:
        formula = block.startswith("    ")
        if not formula and (HEADING.match(block) or block.startswith("Backward")):
            given = not block.startswith("Backward")
        text = _without_gradients(block) if formula or given else ""
        kept += [text] * bool(text)
        given = given and not (formula and text != block)
    names = list(dict.fromkeys(_gradient_names(docstring)))
    if level == "question" and names:
        kept += [QUESTION.rstrip(), "\n".join(f"    {name} = ?" for name in names)]
    return "\n\n".join(kept)


def _without_gradients(block: str) -> str:
    """Leave out of a paragraph, or of a block of formulas, what is about gradients."""
    if not block.startswith("    "):
        sentences = re.split(r"(?<=[.:])\s+(?=[A-Z])", block)
        return _refilled([sentence for sentence in sentences if not REVEALING.search(sentence)])
    lines: list[str] = []
    cut = False
    for line in block.split("\n"):
        found = re.search(GRADIENT, line)
        if found is None and not (cut and line.lstrip().startswith("=")):
            lines.append(line)
        elif found is not None:
            start = line[: found.start()]
            left = start.rstrip(" ,=") if re.search(r"\s{2,}$|,\s+$", start) and start.strip() else ""
            lines += [left] * bool(left)
        cut = found is not None
    return "\n".join(lines)


def _refilled(sentences: list[str]) -> str:
    """Join sentences, unless only a heading such as "Forward." is left of them."""
    return "  ".join(sentences) if any(" " in sentence for sentence in sentences) else ""


def _gradient_names(docstring: str) -> Iterator[str]:
    """Yield the gradients that the formulas of a docstring define, without their indices."""
    for line in docstring.split("\n"):
        if line.startswith("    "):
            for found in EQUATION.finditer(line.strip()):
                yield re.sub(r"_.*", "", found[1])

r"""Formulas of Markdown as plain text, for terminals, screen readers and comments in files.

`$S = Q K^\top / \sqrt{d}$` becomes `S = Q K^T / sqrt(d)`: ASCII, but for signs that every code page of Windows has.
"""

import re

# fmt: off
OPERATORS = {
    "odot": "*", "cdot": "·", "times": "x", "leq": "<=", "le": "<=", "geq": ">=", "ge": ">=", "neq": "!=", "ne": "!=",
    "approx": "~", "sim": "~", "to": "->", "in": "in", "mapsto": "->",
}
SYMBOLS = {
    "top": "T", "nabla": "grad", "ell": "l", "varepsilon": "eps", "epsilon": "eps", "infty": "inf", "ldots": "...",
    "dots": "...", "cdots": "...",
}
PREFIXES = {"partial": "d", "pm": "±"}
BRACKETS = {"langle": "<", "rangle": ">", "lVert": "||", "rVert": "||", "Vert": "||", "vert": "|", "mid": "|"}
SPACES = frozenset(["quad", "qquad"])
SILENT = frozenset(["left", "right", "big", "Big", "bigl", "bigr", "displaystyle", "limits"])
LETTERS = frozenset(["operatorname", "text", "mathrm", "mathbf", "mathbb", "mathcal", "textit"])
# fmt: on
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$", re.DOTALL)
CODE = re.compile(r"(```.*?```|`[^`]*`)", re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")
BOLD = re.compile(r"\*\*([^*]+)\*\*")


def plain_text(markdown: str) -> str:
    r"""Return Markdown with its formulas as plain text and its links as their words; code stays as it is.

    Examples
    --------
    >>> plain_text(r"The scores are $Q K^\top / \sqrt{d}$, see [chapter 7](07-cross-attention.md); `$x` is code.")
    'The scores are Q K^T / sqrt(d), see chapter 7; `$x` is code.'
    """
    parts = CODE.split(markdown)
    # links first: their words may hold formulas, whose brackets are not those of a link
    parts[::2] = [FORMULA.sub(_formula_of, BOLD.sub(r"\1", LINK.sub(r"\1", part))) for part in parts[::2]]
    return "".join(parts)


def plain_formula(formula: str) -> str:
    r"""Return a formula in LaTeX as plain text.

    Examples
    --------
    >>> plain_formula(r"\frac{e^{S_j}}{1 + \sum_k e^{S_k}}"), plain_formula(r"\frac12 \lVert x \rVert^2")
    ('e^(S_j) / (1 + sum_k e^(S_k))', '1/2 ||x||^2')
    >>> plain_formula(r"P_{i,\text{ids}_i}"), plain_formula(r"\partial \ell / \partial z"), plain_formula("10^{-16}")
    ('P_(i,ids_i)', 'dl / dz', '10^-16')
    >>> plain_formula(r"dW = X^\top dY"), plain_formula(r"\mathrm{norm}(h \odot M)"), plain_formula(r"x = \pm 800")
    ('dW = X^T dY', 'norm(h * M)', 'x = ±800')
    """
    tokens = TOKEN.findall(formula)[::-1]
    found = ""
    while tokens:  # a brace too many ends a sequence, and no more than that
        found += _sequence(tokens)
    return found


def _formula_of(match: re.Match[str]) -> str:
    return f"    {plain_formula(match[1])}" if match[1] else plain_formula(match[2])


def _sequence(tokens: list[str]) -> str:
    """Take tokens up to the end of their group, and write them."""
    text = ""
    while tokens:
        token = tokens.pop()
        if token == "}":
            break
        word = token[1:]
        if token in "^_":
            part = _atom(tokens)
            text = text.rstrip() + token + (part if re.fullmatch(r"-?[^\W_]+", part) else f"({part})")
            text += " " if part == "T" and tokens and re.match(r"[\w\\(/+=-]", tokens[-1]) else ""
        elif token[0] != "\\" and token != "{":
            text += " " if token.isspace() else token.replace("&", "")
        elif word == "frac":
            text = _apart(text) + _fraction(_atom(tokens), _atom(tokens))
            text += " " if tokens and re.match(r"[\w\\]", tokens[-1]) else ""
        elif word in OPERATORS:
            text += f" {OPERATORS[word]} "
        elif word in PREFIXES:
            text += PREFIXES[word] + _atom(tokens)
        elif word in BRACKETS:
            text += BRACKETS[word]
        elif word in SPACES or (not word.isalpha() and word not in "{}%$#_&|"):
            text += " "
        elif word.isalpha() and word not in SILENT:
            tokens.append(token)
            text = _apart(text) + _atom(tokens)
            text += " " if tokens and re.match(r"[\w\\]", tokens[-1]) else ""
        elif token == "{":
            text += _sequence(tokens)
        elif word not in SILENT:
            text += word  # an escaped sign
    return _tidy(text)


def _atom(tokens: list[str]) -> str:
    """Take the argument of a command, a group or one sign, and write it."""
    _skip_spaces(tokens)
    if not tokens:
        return ""
    token = tokens.pop()
    if token == "{":
        return _sequence(tokens)
    word = token[1:]
    if word in LETTERS:
        return _atom(tokens)
    if word == "sqrt":
        return f"sqrt({_atom(tokens)})"
    return SYMBOLS.get(word, word) if token[0] == "\\" else token


def _fraction(above: str, below: str) -> str:
    """Write a fraction; what is not one sign or word is held together by brackets."""
    parts = [f"({part})" if re.search(r"[^|)\w^.]\s|\s[^|(\w^.]|/", part) else part for part in (above, below)]
    tight = all(re.fullmatch(r"[\w^]+", part) for part in parts)
    return ("/" if tight else " / ").join(parts)


def _apart(text: str) -> str:
    """End text such that a word may follow."""
    return f"{text} " if text and (text[-1].isalnum() or text[-1] in ")|") else text


def _skip_spaces(tokens: list[str]) -> None:
    while tokens and tokens[-1].isspace():
        tokens.pop()


def _tidy(text: str) -> str:
    """Take spaces out that stand where none is written."""
    text = " ".join(text.split())
    text = re.sub(r"([(\[]) | ([)\],.;])(?!\.)", r"\1\2", text)
    return re.sub(r"\|\| (.+?) ?\|\|", r"||\1||", re.sub(r"< (.+?) >", r"<\1>", text))

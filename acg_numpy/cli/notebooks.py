"""Chapters of the book, which are Markdown with cells, as Jupyter notebooks.

The wheel holds the notebooks, not the Markdown; its build loads this file alone, before the package is there.  So it
imports nothing of the package.
"""

import re
from typing import Any

FOLDED = {"hide-input", "hide-cell"}  # tags of cells that the site folds; JupyterLab has its own key for that
CHAPTER = re.compile(r"(\]\(\d\d-[\w-]+)\.md((?:#[\w-]+)?\))")
PAGE = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\.\./([\w-]+)\.md(?:#[\w-]+)?\)")


def to_notebook(markdown: str) -> str:
    """Write a chapter as the text of an .ipynb file, the same for the same chapter.

    Needs jupytext.

    Parameters
    ----------
    markdown : str
        A MyST Markdown notebook.
    """
    import jupytext
    import nbformat

    notebook: Any = jupytext.reads(markdown, "md:myst")
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number}"  # not drawn at random
        if cell.cell_type == "markdown":
            cell.source = _rewrite_links(cell.source)
        elif FOLDED.intersection(cell.metadata.get("tags", ())):
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.source = _folded_cell_heading(cell.metadata) + cell.source
    kept = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(kept)
    notebook.nbformat_minor = 5  # the first with ids
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def _folded_cell_heading(metadata: Any) -> str:
    r"""Write the heading of a folded cell as a comment: its first line is all that JupyterLab shows of it.

    Examples
    --------
    >>> _folded_cell_heading({"mystnb": {"code_prompt_show": "Show a solution"}})
    '# A solution\n'
    >>> _folded_cell_heading({})
    ''
    """
    prompt = metadata.get("mystnb", {}).get("code_prompt_show", "").removeprefix("Show ")
    return f"# {prompt[0].upper()}{prompt[1:]}\n" if prompt else ""


def _rewrite_links(markdown: str) -> str:
    """Make links to chapters lead to notebooks; name pages of the site, because they have no address here.

    Examples
    --------
    >>> print(_rewrite_links("See [chapter 6](06-softmax.md), and [what a report says](../gradcheck.md)."))
    See [chapter 6](06-softmax.ipynb), and what a report says (docs: gradcheck).
    """
    return PAGE.sub(r"\1 (docs: \2)", CHAPTER.sub(r"\1.ipynb\2", markdown))

"""How does a chapter of the book, which is Markdown with cells, become a Jupyter notebook?

The wheel holds the notebooks, not the Markdown; its build loads this file alone, before the package is there.  So it
imports nothing of the package.
"""

import re
from typing import Any

FOLDED = {"hide-input", "hide-cell"}  # by the site; JupyterLab has a word of its own for it
CHAPTER = re.compile(r"(\]\(\d\d-[\w-]+)\.md((?:#[\w-]+)?\))")
PAGE = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\.\./([\w-]+)\.md(?:#[\w-]+)?\)")


def to_notebook(markdown: str) -> str:
    """A chapter as the text of an .ipynb file, the same for the same chapter.

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
        cell["id"] = f"cell-{number}"  # and not by chance
        if cell.cell_type == "markdown":
            cell.source = with_links_of_a_notebook(cell.source)
        elif FOLDED.intersection(cell.metadata.get("tags", ())):
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.source = heading_of(cell.metadata) + cell.source
    kept = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(kept)
    notebook.nbformat_minor = 5  # the first with ids
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def heading_of(metadata: Any) -> str:
    """What a folded cell is called, as a comment: its first line is all that JupyterLab shows of it.

    Examples
    --------
    >>> heading_of({"mystnb": {"code_prompt_show": "Show a solution"}})
    '# A solution\\n'
    >>> heading_of({})
    ''
    """
    prompt = metadata.get("mystnb", {}).get("code_prompt_show", "").removeprefix("Show ")
    return f"# {prompt[0].upper()}{prompt[1:]}\n" if prompt else ""


def with_links_of_a_notebook(markdown: str) -> str:
    """Markdown whose links to chapters lead to notebooks; pages of the site are named, as they have no address here.

    Examples
    --------
    >>> print(with_links_of_a_notebook("See [chapter 6](06-softmax.md), and [what a report says](../gradcheck.md)."))
    See [chapter 6](06-softmax.ipynb), and what a report says (docs: gradcheck).
    """
    return PAGE.sub(r"\1 (docs: \2)", CHAPTER.sub(r"\1.ipynb\2", markdown))

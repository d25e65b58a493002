"""How the site is built:  sphinx-build -W docs docs/_build"""

from acg_numpy import __version__

project = "acg_numpy"
author = copyright = "The acg_numpy developers"
release = __version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx_design"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says shapes and dtypes, which types cannot
numpydoc_show_class_members = False

"""How the site is built:  sphinx-build -W docs docs/_build/html

Every cell of the chapters and pages is run.  MathJax, which npm brings, sets the formulas, so that a page loads nothing
from elsewhere; where there is no npm, or it reaches nothing, the site is built all the same and shows them as TeX.
"""

import os
import shutil
import subprocess
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

from acg_numpy import __version__

HERE = Path(__file__).parent
CHAPTERS = HERE / "tutorials"  # a copy, for links are followed from where a page is built
shutil.rmtree(CHAPTERS, ignore_errors=True)
shutil.copytree(HERE.parent / "tutorials", CHAPTERS, ignore=shutil.ignore_patterns("*.py", ".*", "__pycache__"))
# Read by the kernels that run the pages, of which there is one on each core: a second BLAS thread would only wait.
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

project = "acg_numpy"
author = copyright = "The acg_numpy developers"
release = __version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx_design"]
exclude_patterns = ["_build"]
default_role = "autolink"  # a name in a docstring leads to its page, where it has one
templates_path = ["_templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # a page is run again where its code has changed
nb_execution_cache_path = str(HERE / "_build" / "executed")
nb_execution_raise_on_error = True
nb_execution_timeout = 400  # seconds a cell; none takes 60 on a quiet machine
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "acg_numpy"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says shapes and dtypes, which types cannot
numpydoc_show_class_members = False


def with_mathjax(app: Sphinx, config: object) -> None:
    """Put MathJax among the site's own files, or leave formulas as TeX and say so."""
    packages = HERE / "_build" / "npm"
    found = packages / "node_modules" / "mathjax" / "es5"
    if not found.is_dir() and shutil.which("npm"):
        packages.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", packages)
        command = ["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=packages, check=False, timeout=300)
    if found.is_dir():
        config.mathjax_path = "mathjax/tex-chtml-full.js"
        config.html_static_path.append(str(packages / "static"))
        static = packages / "static" / "mathjax"
        if not static.is_dir():
            shutil.copytree(found, static, ignore=shutil.ignore_patterns("mml-*", "*svg*", "tex-mml-*"))
    else:
        config.mathjax_path = "no-mathjax.js"
        logging.getLogger(__name__).info("There is no MathJax, which npm would bring: formulas are shown as TeX.")


def setup(app: Sphinx) -> None:
    app.connect("config-inited", with_mathjax)

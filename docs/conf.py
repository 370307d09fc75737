"""Sphinx configuration; build with scripts/docs.sh."""

import polylc

project = "polylc"
author = "The polylc developers"
copyright = author
version = release = polylc.__version__

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"polylc {release}"

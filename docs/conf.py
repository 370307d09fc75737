"""Sphinx configuration; build with scripts/docs.sh."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes

import polylc

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "polylc"
author = "The polylc developers"
copyright = author
version = release = polylc.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "mathml"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
default_role = "code"  # `name` in a docstring

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say what may be given, and shapes
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 60  # longer ones have a line for each parameter
napoleon_google_docstring = False
napoleon_use_param = False  # types as they are written
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = f"polylc {release}"
html_math_renderer = "mathml"
html_show_search_summary = False  # it would fetch pages, which browsers refuse to those opened from disk
html_static_path = ["_static"]
html_css_files = ["polylc.css"]


def _adapt(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let docstrings that name a page of this documentation link to it; leave out those of modules."""
    lines[:] = [] if what == "module" else [re.sub(r"docs/([a-z-]+)\.md", r":doc:`/\1`", line) for line in lines]


def _link_classes(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let the types that are returned link to their classes."""
    for number, line in enumerate(lines):
        if found := re.match(r":returns: \*([^*]+)\*(.*)", line):
            types = re.sub(r"\b([A-Z]\w+)", r":class:`\1`", found[1])
            lines[number] = f":returns: {types}{found[2]}"


def _by_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """A class that is documented is found by its name alone; others, of other packages, are text."""
    target = node["reftarget"]
    if node.get("refdomain") != "py" or target.startswith("polylc."):
        return None  # a warning
    domain = env.domains["py"]
    full = [name for name, entry in domain.objects.items() if name.endswith(f".{target}") and entry.objtype in ("class", "exception")]
    if len(full) == 1:
        return domain.resolve_xref(env, node["refdoc"], app.builder, "class", full[0], node, contnode)
    return nodes.inline("", contnode.astext())


def setup(app: Any) -> None:
    """Connect what this file defines."""
    app.connect("autodoc-process-docstring", _adapt, priority=400)
    app.connect("autodoc-process-docstring", _link_classes, priority=600)  # after napoleon
    app.connect("missing-reference", _by_name)

"""Formulas as MathML, made when the documentation is built: they show without a script, a font or a network.

latex2mathml translates; what browsers that know MathML Core would draw badly is mended here. A command that it does not
know is a warning.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
DOUBLE_STRUCK = dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))  # the others follow one another in Unicode
LIMITS = ("max", "min", "sup", "inf", "lim")
BARS, PRIME, MINUS = ("|", "‖"), "′", "−+±∓"
SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")


def mathml(source: str, display: bool) -> str:
    """LaTeX as a <math> element.

    Raises
    ------
    ValueError
        If it holds a command that is not known.
    """
    plain = re.sub(
        r"\\[bB]ig[glrm]*(?![a-zA-Z])", "", source.replace(r"\colon", r"\text{: }").replace(r"\setminus", "∖")
    )  # bars and brackets keep the height of a line
    text = convert(plain, display="block" if display else "inline")
    ET.register_namespace("", "http://www.w3.org/1998/Math/MathML")
    root = ET.fromstring(re.sub(r' xmlns="[^"]*"', "", text))
    unknown = [e.text for e in root.iter() if e.text and "\\" in e.text]
    if unknown:
        raise ValueError(f"unknown in a formula: {', '.join(unknown)}")
    for element in list(root.iter()):
        _mend(element, display)
    for element in list(root.iter()):
        if element.tag not in SCRIPTS:
            _space(element)
    return ET.tostring(root, encoding="unicode")


def _mend(element: ET.Element, display: bool) -> None:
    """One element put as MathML Core has it."""
    text = element.text or ""
    if element.get("mathvariant") == "double-struck":  # browsers know letters, not this attribute
        del element.attrib["mathvariant"]
        element.text = DOUBLE_STRUCK.get(text) or chr(0x1D538 + ord(text) - ord("A"))
    elif element.tag == "mrow" and len(element) > 1 and all(e.tag == "mi" and e.get("mathvariant") == "normal" for e in element):
        word = "".join(e.text or "" for e in element)
        _become(element, "mi")
        element.text = word
    elif element.tag in ("mi", "mo") and text.isalpha() and len(text) > 1:
        # log, max, tr: no operators with space of their own
        element.tag = "mi"
    elif element.tag == "mi" and len(text) == 1 and "Α" <= text <= "Ω":
        element.set("mathvariant", "normal")
    elif element.tag == "mi" and text == ":":
        element.tag = "mo"
    elif element.tag == "mo" and text in BARS:
        element.attrib.update(lspace="0", rspace="0")
        if "form" not in element.attrib:  # not of \left and \right
            element.set("stretchy", "false")
    elif element.tag == "mover" and element[1].text == "¯":  # a bar of full size
        element.set("accent", "true")
    elif element.tag in ("msub", "munder") and element[0].text in LIMITS:
        # the limits of a displayed formula stand below
        element[0].tag = "mo"
        element[0].attrib.update(lspace="0", rspace="0")
        element.tag = "munder" if display else "msub"
    elif element.tag in ("msup", "msubsup") and (element[-1].text or "").strip(PRIME) == "" and element[-1].text:
        base = ET.Element("mrow")  # the character is raised by itself
        base.extend([element[0], ET.Element("mo", lspace="0", rspace="0")])
        base[1].text = element[-1].text
        if element.tag == "msup":
            _become(element, "mrow", *base)
        else:
            _become(element, "msub", base, element[1])


def _become(element: ET.Element, tag: str, *children: ET.Element) -> None:
    element.clear()
    element.tag = tag
    element.extend(children)


def _space(row: ET.Element) -> None:
    """Thin space around names of functions; signs that are not between two terms close to what follows; := as one."""
    children = list(row)
    for before, element, after in zip([None, *children], children, [*children[1:], None], strict=False):
        core = _core(element)
        text = core.text or ""
        if _is_function(core):
            if before is not None and (_core(before).tag != "mo" or _core(before).text in (")", "]", "}")) and before.tag != "mspace":
                row.insert(list(row).index(element), _thin())
            if (
                after is not None
                and (_core(after).tag != "mo" or _core(after).text in BARS)
                and after.tag != "mspace"
                and not _is_function(_core(after))
            ):
                row.insert(list(row).index(element) + 1, _thin())
        elif core.tag == "mo" and text in MINUS and before is not None and before.tag == "mo" and before.text not in (")", "]", "}", PRIME, *BARS):
            core.set("form", "prefix")
        elif core.tag == "mo" and text == ":" and after is not None and after.text == "=":
            after.text = ":="
            row.remove(element)


def _is_function(core: ET.Element) -> bool:
    text = core.text or ""
    return core.tag in ("mi", "mo") and len(text) > 1 and text.isalpha() and text.islower()


def _thin() -> ET.Element:
    return ET.Element("mspace", width="0.167em")


def _core(element: ET.Element) -> ET.Element:
    """The base of an element with scripts or an accent."""
    while element.tag in SCRIPTS:
        element = element[0]
    return element


def _visit(self: Any, node: nodes.Element) -> None:
    display = isinstance(node, nodes.math_block)
    try:
        formula = mathml(node.astext(), display)
    except Exception as error:  # latex2mathml has many kinds of them
        LOGGER.warning("formula %r: %s", node.astext(), error, location=node)
        formula = f"<code>{self.encode(node.astext())}</code>"
    self.body.append(f'<div class="formula">{formula}</div>' if display else formula)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_visit, None), (_visit, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Pages as HTML: one file, with style, scripts and pictures in it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from polylc.errors import UsageError
from polylc.report.files import written_beside
from polylc.report.html.view import Facts, Page, Section, Words
from polylc.report.schema import NetworkInfo
from polylc.report.setting import Setting

TEMPLATES = Path(__file__).with_name("templates")


@cache
def _environment() -> Environment:
    found = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["inert"] = inert
    found.globals["whole"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return found


def html_of(page: Page) -> str:
    """A page as the text of a file."""
    return _environment().get_template("page.html").render(page=page) + "\n"


def cell_of(page: Page, opened: Sequence[str] = ()) -> str:
    """A page as a notebook shows it below a cell: the sections `opened`, and the others folded."""
    kept = [_at_once(s) for s in page.sections if s.anchor != "setting"]  # a notebook says how it was made
    page = replace(page, sections=kept)
    text = _environment().get_template("cell.html").render(page=page, opened=opened)
    text = re.sub(r'<a href="#[^"]*">(.*?)</a>', r"\1", text)  # several cells would have the same addresses
    text = re.sub(r"<button[^>]*>(.*?)</button>", r"\1", text)  # without scripts nothing sorts
    return re.sub(r' id="[^"]*"', "", text)


def _at_once(section: Section) -> Section:
    """A section without anything that a script would have to make."""
    return replace(section, later=False, sections=[_at_once(s) for s in section.sections])


def write_page(page: Page, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    UsageError
        If the name is not that of a page, or its folder is not there.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"report: {path}: a report is one .html file; give such a name")
    if not path.parent.is_dir():
        raise UsageError(f"report: {path}: there is no folder {path.parent}; make it first")
    with written_beside(path) as beside:
        beside.write_text(html_of(page), encoding="utf-8")


def as_json(value: Any) -> Markup:
    """Data within a script element of a page."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def inert(text: Markup) -> Markup:
    """HTML within a script element of a page, which the page's own script takes out."""
    return Markup(str(text).replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def word(text: str) -> Markup:
    """A word that says how an answer is: certified, sat, yes, ... in the colour that it has."""
    return Markup('<span class="word {}">{}</span>').format(text.split()[0] if text else "", text)


def network_section(info: NetworkInfo, anchor: str = "network") -> Section:
    """The network as it was read, with every assumption."""
    rows = [
        ("file", info.source),
        ("inputs", f"{info.inputs}"),
        ("neurons", " - ".join(map(str, info.neurons))),
        ("outputs", f"{info.outputs}"),
        ("SHA-256 of the file", Markup("<code>{}</code>").format(info.sha256 or "-")),
        ("SHA-256 of the weights", Markup("<code>{}</code>").format(info.weights_sha256)),
    ]
    parts = [Facts(rows)]
    said = Words("\n".join(info.rewrites), verbatim=True) if info.rewrites else Words("It was taken as it is; nothing was rewritten.")
    return Section(
        "The network as read", anchor, [*parts], sections=[Section("What was rewritten or assumed", f"{anchor}-rewrites", [said], folds=True)]
    )


def setting_section(made: Setting, more: dict[str, str], seconds: float) -> Section:
    """The command and the versions, what else was set, and how long it took."""
    command = Words(made.command, verbatim=True) if made.command else Words("Called from Python.")
    rows = [(name, version) for name, version in made.versions.items()]
    rows += [("platform", made.platform), ("written", datetime.now(UTC).isoformat(timespec="seconds")), ("seconds", f"{seconds:.2f}"), *more.items()]
    return Section("How this was made", "setting", [command, Facts(rows)])

"""The page of a network that was measured while it was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from polylc.report.html.page import setting_section
from polylc.report.html.svg import Curve, chart
from polylc.report.html.view import Drawing, Grid, Page, Part, Section, Words
from polylc.report.setting import setting
from polylc.report.training.history import LAST, WORDS, Cell, History
from polylc.report.training.panels import PREFIX, band, panels


def track_page(history: History, settings: Mapping[str, Any], seconds: float) -> Page:
    """The page of a training run: a chart for every kind of measure, and the table of means."""
    parts: list[Part] = [Words("Lines are means over the neighbourhoods, bands go from the lower to the upper quartile.")]
    for title, names in panels(history).items():
        curves = []
        for name in names:
            found = band(history, name)
            label = re.sub(PREFIX, "", name).replace("_", " ")
            spread = name != "robust" and history.neighbourhoods > 1  # quartiles of yes and no say nothing
            curves.append(Curve(label, found.steps, found.means, found.lower if spread else (), found.upper if spread else ()))
        if any(len(c.xs) for c in curves):
            ends = "; ".join(f"{c.name} from {c.ys[0]:.4g} to {c.ys[-1]:.4g}" for c in curves if len(c.ys))
            parts.append(Drawing(chart(f"{title}: {ends}", curves, "step"), title, small=True))
    means = history.means()
    names = [name for name in dict.fromkeys(name for row in means for name in row) if name not in LAST]
    columns = [(name.replace("_", " "), name not in WORDS) for name in names]
    rows = [[_text(row.get(name)) for name in names] for row in means]
    sections = [
        Section("Curves", "curves", parts),
        Section("Means", "means", [Grid(columns, rows, "One row for each step, means over the neighbourhoods", sortable=True)]),
    ]
    told = {name.replace("_", " "): str(value) for name, value in settings.items() if value is not None and name != "neighbourhoods"}
    sections.append(setting_section(setting(), told, seconds))
    steps = len(means)
    return Page("A network while it is trained", f"{steps} steps, {history.neighbourhoods} neighbourhoods", sections)


def _text(cell: Cell) -> str:
    return "-" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell)

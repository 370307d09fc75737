"""The picture of a training run: every measure against the step, its mean over the neighbourhoods and how far they
spread.
"""

from __future__ import annotations

import re
from typing import Any

from polylc.errors import needs
from polylc.report.training.history import History
from polylc.report.training.panels import PREFIX, band, panels

COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8f5aa8", "#c77d0a", "#4d4d4d")
COLUMNS = 3


def history_figure(history: History) -> Any:
    """A matplotlib figure with a panel for every kind of measure, and one for every logged number.

    Lines are means over the neighbourhoods, bands go from the lower to the upper quartile, and rings mark means in
    which estimates take part.
    """
    needs("matplotlib", "plot", "plot:")
    from polylc.report.picture import Picture

    found = panels(history)
    columns = _columns(len(found))
    rows = max(1, -(-len(found) // columns))
    drawn = Picture(figsize=(3.6 * columns, 2.5 * rows + 0.25), layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, names) in zip(grid, found.items(), strict=False):
        for name, colour in zip(names, COLOURS, strict=False):
            _curve(axes, history, name, colour)
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(lw=0.3, color="0.85")
        if len(names) > 1:
            axes.legend(frameon=False, fontsize=6)
    for axes in grid[len(found) :]:
        axes.remove()
    for axes in grid[max(0, len(found) - columns) : len(found)]:
        axes.set_xlabel("step", fontsize=8)
    rings = any(any(band(history, name).estimated) for names in found.values() for name in names)
    said = ["lines: means over the neighbourhoods"] + ["bands: lower to upper quartile"] * (history.neighbourhoods > 1)
    drawn.supxlabel("; ".join(said + ["rings: estimates take part"] * rings), fontsize=7, color="0.35")
    return drawn


def _columns(count: int) -> int:
    """Two or three, as leaves fewer places empty."""
    return min(range(min(2, max(count, 1)), min(COLUMNS, max(count, 1)) + 1), key=lambda c: (-count % c, -c))


def _curve(axes: Any, history: History, name: str, colour: str) -> None:
    found = band(history, name)
    label = re.sub(PREFIX, "", name).replace("_", " ")
    if name != "robust":  # quartiles of yes and no say nothing
        axes.fill_between(found.steps, found.lower, found.upper, color=colour, alpha=0.15, lw=0)
    axes.plot(found.steps, found.means, "-", lw=1.2, color=colour, label=label, marker="." if len(found.steps) < 40 else "", ms=4)
    where = [(step, mean) for step, mean, ring in zip(found.steps, found.means, found.estimated, strict=True) if ring]
    axes.plot([step for step, _ in where], [mean for _, mean in where], "o", ms=4, mfc="none", mew=0.7, color=colour)

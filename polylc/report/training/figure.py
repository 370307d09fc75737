"""The picture of a training run: every measure against the step, its mean over the neighbourhoods and how far they
spread.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from polylc.errors import needs
from polylc.report.training.history import ERROR, FIRST, LAST, WORDS, History

COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8f5aa8", "#c77d0a", "#4d4d4d")
PANELS = {  # title, and what the names of its columns match
    "regions": r"regions|pieces",
    "local complexity": r"local_complexity_(activation|function|sigma)",
    "total variation": r"total_variation_frobenius",
    "kink variation": r"kink_variation",
    "local rank": r"local_rank_\d+",
    "Lipschitz constant": r"lipschitz_jacobian_\w+",
    "robust (share)": r"robust",
}
SILENT = r"affine_functions|adjacencies|distance|local_complexity_\w+|total_variation_\w+"  # in the table only
PREFIX = r"(local_complexity|total_variation|lipschitz_jacobian|local_rank)_"  # the title says it


def history_figure(history: History) -> Any:
    """A matplotlib figure with a panel for every kind of measure, and one for every logged number.

    Lines are means over the neighbourhoods, bands go from the lower to the upper quartile, and rings mark means in
    which estimates take part.
    """
    needs("matplotlib", "plot", "plot:")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(history)
    columns = min(3, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    drawn = Figure(figsize=(3.6 * columns, 2.5 * rows), layout="constrained")
    FigureCanvasAgg(drawn)  # no display is needed, and pyplot's global state is left alone
    grid = drawn.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, names) in zip(grid, panels.items(), strict=False):
        for name, colour in zip(names, COLOURS, strict=False):
            _curve(axes, history, name, colour)
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(lw=0.3, color="0.85")
        if len(names) > 1:
            axes.legend(frameon=False, fontsize=6)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(panels) - columns) : len(panels)]:
        axes.set_xlabel("step", fontsize=8)
    return drawn


def _panels(history: History) -> dict[str, list[str]]:
    """Titles and columns of the panels that have something to show."""
    names = [n for n in history.columns() if n not in FIRST + LAST + WORDS and not n.endswith(ERROR)]
    panels = {title: [n for n in names if re.fullmatch(shown, n)] for title, shown in PANELS.items()}
    placed = {n for chosen in panels.values() for n in chosen}
    panels |= {n.replace("_", " "): [n] for n in names if n not in placed and not re.fullmatch(SILENT, n)}
    return {title: chosen[: len(COLOURS)] for title, chosen in panels.items() if chosen}


def _curve(axes: Any, history: History, name: str, colour: str) -> None:
    steps, middles, lows, highs, rings = [], [], [], [], []
    for step, rows in history.steps():
        known = np.array([v for row in rows if isinstance(v := row.get(name), int | float)], dtype=np.float64)
        if len(rows) == history.neighbourhoods and len(known) and np.isfinite(known).all():
            low, high = np.quantile(known, (0.25, 0.75))
            steps.append(step)
            middles.append(known.mean())
            lows.append(low)
            highs.append(high)
            rings.append(any(name in str(row.get("estimated") or "").split() for row in rows))
    label = re.sub(PREFIX, "", name).replace("_", " ")
    if name != "robust":  # quartiles of yes and no say nothing
        axes.fill_between(steps, lows, highs, color=colour, alpha=0.15, lw=0)
    axes.plot(steps, middles, "-", lw=1.2, color=colour, label=label, marker="." if len(steps) < 40 else "", ms=4)
    where = [i for i, ring in enumerate(rings) if ring]
    axes.plot([steps[i] for i in where], [middles[i] for i in where], "o", ms=4, mfc="none", mew=0.7, color=colour)

"""What of a training run is drawn together, and the curves: means over the neighbourhoods, and how far they spread."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from polylc.report.training.history import ERROR, FIRST, LAST, WORDS, History

MOST = 6  # curves of a panel
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


def panels(history: History) -> dict[str, list[str]]:
    """Titles and columns of the panels that have something to show: one for every kind of measure, and one for every
    logged number.
    """
    names = [n for n in history.columns() if n not in FIRST + LAST + WORDS and not n.endswith(ERROR)]
    found = {title: [n for n in names if re.fullmatch(shown, n)] for title, shown in PANELS.items()}
    placed = {n for chosen in found.values() for n in chosen}
    found |= {n.replace("_", " "): [n] for n in names if n not in placed and not re.fullmatch(SILENT, n)}
    return {title: chosen[:MOST] for title, chosen in found.items() if chosen}


class Band(NamedTuple):
    """A column against the step: means over the neighbourhoods, quartiles, and where estimates take part."""

    steps: list[int]
    means: list[float]
    lower: list[float]
    upper: list[float]
    estimated: list[bool]


def band(history: History, name: str) -> Band:
    """The steps that were not interrupted and in which some neighbourhood has a value that is finite, and no other."""
    found = Band([], [], [], [], [])
    for step, rows in history.steps():
        known = np.array([v for row in rows if isinstance(v := row.get(name), int | float)], dtype=np.float64)
        if len(rows) == history.neighbourhoods and len(known) and np.isfinite(known).all():
            low, high = np.quantile(known, (0.25, 0.75))
            found.steps.append(step)
            found.means.append(float(known.mean()))
            found.lower.append(float(low))
            found.upper.append(float(high))
            found.estimated.append(any(name in str(row.get("estimated") or "").split() for row in rows))
    return found

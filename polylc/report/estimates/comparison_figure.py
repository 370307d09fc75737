"""The picture of a comparison: ratios of estimates to the truth, and local complexities against the exact one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polylc.errors import UsageError, needs
from polylc.report.estimates.comparison import Compared, Pairing
from polylc.report.record import Refusal

SHOWN = {  # target families, in the order of the rows
    "local_complexity": "LC",
    "kink_variation": "kink variation",
    "total_variation": "TV",
    "regions": "regions",
    "local_rank": "rank",
    "lipschitz": "Lip",
    "distance": "distance",
}
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8f5aa8", "#c77d0a", "#4d4d4d", "#17a2a2", "#7a3b2e")
LEFT_OUT = ("region_bound",)  # orders of magnitude too large: it would press everything else together


def comparison_figure(entries: Sequence[Compared | Refusal]) -> Any:
    """A matplotlib figure: for each method the ratio of estimate to truth in every neighbourhood, and scatter plots of
    LC.

    Raises
    ------
    UsageError
        If no estimate has a truth to be held against.
    """
    needs("matplotlib", "plot", "plot:")
    from polylc.report.picture import Picture

    groups = _groups(entries)
    if not groups:
        raise UsageError("compare: there is nothing to draw; no estimate has an exact value beside it that is not zero")
    scatter = _scatter_groups(groups)
    wide = bool(scatter)
    drawn = Picture(figsize=(10.0 if wide else 6.0, max(3.2, 0.27 * len(groups) + 1.1)))
    axes = drawn.subplots(1, 2 if wide else 1, squeeze=False, gridspec_kw={"width_ratios": [1.15, 1.0] if wide else [1.0]})[0]
    _ratios(axes[0], groups)
    if wide:
        _scatter(axes[1], scatter)
    drawn.tight_layout()
    return drawn


def _groups(entries: Sequence[Compared | Refusal]) -> dict[tuple[str, str], list[tuple[Pairing, float]]]:
    """Pairings with a truth that is not zero, by method and what is estimated; Lipschitz targets and layers are thrown
    together.
    """
    found: dict[tuple[str, str], list[tuple[Pairing, float]]] = {}
    for entry in entries:
        if isinstance(entry, Compared):
            for pairing in entry.pairings:
                family, _, rest = pairing.estimate.target.partition(".")
                if family not in SHOWN or pairing.estimate.method in LEFT_OUT or not pairing.known:
                    continue
                name = SHOWN[family]
                if family in ("local_complexity", "total_variation"):
                    name += f" {rest}"
                elif family == "lipschitz":
                    name += f" {rest.rpartition('.')[2]}"
                found.setdefault((pairing.estimate.method, name), []).append((pairing, pairing.known))
    order = list(SHOWN.values())
    return dict(sorted(found.items(), key=lambda item: next(i for i, name in enumerate(order) if item[0][1].startswith(name))))


def _ratios(axes: Any, groups: dict[tuple[str, str], list[tuple[Pairing, float]]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    rng = np.random.default_rng(0)
    for place, pairs in enumerate(groups.values()):
        ratios = np.array([p.estimate.value / known for p, known in pairs])
        ratios = ratios[ratios > 0]
        height = place + 0.22 * rng.uniform(-1, 1, len(ratios)) * (len(ratios) > 1)
        axes.plot(ratios, height, "o", ms=2.6, mew=0, alpha=0.55, color=COLOURS[0])
        if len(ratios):
            axes.plot([np.median(ratios)] * 2, [place - 0.36, place + 0.36], "-", lw=1.6, color=COLOURS[1])
    axes.axvline(1.0, color="0.3", lw=0.8, zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(groups)), [f"{method.replace('_', ' ')} · {name}" for method, name in groups], fontsize=7)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlabel("estimate / truth (points: neighbourhoods, bars: medians)", fontsize=8)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.8), max(high, 1.25))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", lw=0.3, color="0.85", which="both")
    axes.set_axisbelow(True)


def _scatter_groups(groups: dict[tuple[str, str], list[tuple[Pairing, float]]]) -> dict[str, list[tuple[Pairing, float]]]:
    """Methods for the activation version of LC, if there are enough neighbourhoods to compare across."""
    return {method: pairs for (method, name), pairs in groups.items() if name == "LC activation" and len(pairs) > 2 and method != "published"}


def _scatter(axes: Any, groups: dict[str, list[tuple[Pairing, float]]]) -> None:
    markers = "os^Dv<>P"
    most = 0.0
    for place, (method, pairs) in enumerate(groups.items()):
        known = np.array([v for _, v in pairs])
        value = np.array([p.estimate.value for p, _ in pairs])
        error = np.array([1.96 * (p.estimate.standard_error or 0.0) for p, _ in pairs])
        colour = COLOURS[place % len(COLOURS)]
        style: dict[str, Any] = {"color": colour, "ms": 3.4, "mew": 0, "elinewidth": 0.6, "alpha": 0.75}
        axes.errorbar(known, value, yerr=error, fmt=markers[place % len(markers)], label=method.replace("_", " "), **style)
        most = max(most, known.max(), value.max())
    axes.plot([0, most], [0, most], color="0.3", lw=0.8, zorder=0)
    axes.set(xlim=(0, None), ylim=(0, None))
    axes.set_xlabel("local complexity, exact (with noise: exact draws)", fontsize=8)
    axes.set_ylabel("estimate, 95 % intervals", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(frameon=False, fontsize=7)

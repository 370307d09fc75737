"""Light drawings: intervals, curves, bars. Sizes are in CSS pixels; colours of text and lines are those of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from polylc.exact.quantity import downward, upward

COLOURS = ("#1f77b4", "#d1495b", "#3a7d44", "#8f5aa8", "#c77d0a", "#17a2a2", "#7a3b2e", "#6b7280", "#b5438f", "#5a6acf")
"""Of classes and curves: ten that are told apart on white and on black."""

DASHES = ("", *(f' stroke-dasharray="{dashes}"' for dashes in ("7 5", "2 4", "9 4 2 4")))
"""Of curves: one that lies on another is seen, also in print."""

_VIRIDIS = ((68, 1, 84), (72, 40, 120), (62, 74, 137), (49, 104, 142), (38, 130, 142), (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43),
            (253, 231, 37))  # fmt: skip


def shade(share: float) -> str:
    """A colour of the map "viridis" (S. van der Walt, N. Smith), from 0, dark blue, to 1, yellow."""
    at = min(max(share, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    low = min(int(at), len(_VIRIDIS) - 2)
    mixed = (round(a + (at - low) * (b - a)) for a, b in zip(_VIRIDIS[low], _VIRIDIS[low + 1], strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def points_text(corners: Sequence[Sequence[float]]) -> str:
    """Corners as the data of a path, closed."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"


def ends_text(low: float | None, high: float | None, digits: int = 7) -> str:
    """An interval in words, rounded outward where its ends differ; an end that is not known is left open."""
    if low is None or not math.isfinite(low):
        return "-" if high is None else f"<= {upward(high, digits)}"
    if high is None or not math.isfinite(high):
        return f">= {downward(low, digits)}"
    near = f"{low:.{digits}g}"
    return near if near == f"{high:.{digits}g}" else f"[{downward(low, digits)}, {upward(high, digits)}]"


class Strip(NamedTuple):
    """The range of one measure over all neighbourhoods of a page."""

    low: float
    high: float

    def at(self, value: float, width: float) -> float:
        """Where a value is drawn."""
        span = self.high - self.low
        return 2.0 + (width - 4.0) * (min(max((value - self.low) / span, 0.0), 1.0) if span > 0 else 0.5)


def strip_of(values: Sequence[float | None]) -> Strip | None:
    """The range of the values that are finite, with zero."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    return Strip(min(0.0, *known), max(0.0, *known)) if known else None


def interval_drawing(
    strip: Strip, low: float | None, high: float | None, value: float | None, truth: float | None = None, width: int = 120
) -> Markup:
    """An interval on its strip: a line from end to end, an arrow where an end is not known, a dot for the value, a bar
    for the truth.
    """
    known_low, known_high = low is not None and math.isfinite(low), high is not None and math.isfinite(high)
    a = strip.at(low, width) if known_low and low is not None else 1.0
    b = strip.at(high, width) if known_high and high is not None else width - 1.0
    parts = [f'<line x1="1" x2="{width - 1}" y1="8" y2="8" stroke="currentColor" opacity="0.25"/>']
    if b - a > 0.75:
        parts.append(f'<line x1="{a:.1f}" x2="{b:.1f}" y1="8" y2="8" stroke="#1f77b4" stroke-width="3"/>')
    if not known_high:
        parts.append(f'<path d="M{width - 6} 4L{width - 1} 8L{width - 6} 12" fill="none" stroke="#1f77b4" stroke-width="2"/>')
    if not known_low:
        parts.append('<path d="M6 4L1 8L6 12" fill="none" stroke="#1f77b4" stroke-width="2"/>')
    if truth is not None:
        at = strip.at(truth, width)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="1" y2="15" stroke="currentColor" stroke-width="1.5"/>')
    if value is not None and math.isfinite(value):
        parts.append(f'<circle cx="{strip.at(value, width):.1f}" cy="8" r="3" fill="#1f77b4"/>')
    return Markup(f'<svg class="inline" width="{width}" height="16" viewBox="0 0 {width} 16" aria-hidden="true">{"".join(parts)}</svg>')


class Curve(NamedTuple):
    """A curve; with `low` and `high` a band around it."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two ends, about as many as asked for.

    Examples
    --------
    >>> ticks(0.0, 10.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1.0, 2.0, 5.0) if m * power >= rough), 10.0 * power)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def chart(title: str, curves: Sequence[Curve], across: str, bars: Sequence[float] = (), width: int = 460, height: int = 260) -> Markup:
    """Curves over one axis, with a legend; `bars` are places marked from bottom to top.

    `title` says in words what is shown, for those who do not see it.
    """
    xs = [x for c in curves for x in c.xs] or [0.0, 1.0]
    ys = [y for c in curves for y in (*c.ys, *c.low, *c.high) if math.isfinite(y)] or [0.0, 1.0]
    left, right, top, bottom = 58.0, 10.0, 10.0 + 18.0 * _legend_rows(curves, width), 38.0
    x0, x1 = min(xs), max(xs)
    y0, y1 = min(ys), max(ys)
    pad = 0.04 * (y1 - y0) or 0.5 * abs(y0) or 1.0
    y0, y1 = y0 - pad, y1 + pad

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (width - left - right) * ((x - x0) / (x1 - x0) if x1 > x0 else 0.5),
            height - bottom - (height - top - bottom) * (y - y0) / (y1 - y0),
        )

    wide, high = width - left - right, height - top - bottom
    parts = [f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="none" stroke="currentColor" opacity="0.3"/>']
    for y in ticks(y0, y1, 4):
        _, py = at(x0, y)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{py:.1f}" y2="{py:.1f}" stroke="currentColor" opacity="0.12"/>')
        parts.append(f'<text x="{left - 5}" y="{py + 4:.1f}" text-anchor="end" font-size="11">{y:.4g}</text>')
    for x in ticks(x0, x1, 6):
        px, _ = at(x, y0)
        parts.append(f'<text x="{px:.1f}" y="{height - bottom + 15}" text-anchor="middle" font-size="11">{x:.5g}</text>')
    for x in bars:
        px, _ = at(x, y0)
        parts.append(f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{top}" y2="{height - bottom}" stroke="currentColor" opacity="0.25"/>')
    parts.append(Markup('<text x="{}" y="{}" text-anchor="middle" font-size="11">{}</text>').format((left + width - right) / 2, height - 6, across))
    legend_x, legend_y = left, 14.0
    for k, curve in enumerate(curves):
        colour, dashes = COLOURS[k % len(COLOURS)], DASHES[k % len(DASHES)]
        shown = [(x, y) for x, y in zip(curve.xs, curve.ys, strict=True) if math.isfinite(y)]
        if len(curve.low):
            there = [at(x, y) for x, y in zip(curve.xs, curve.low, strict=True)] + [
                at(x, y) for x, y in zip(reversed(curve.xs), reversed(curve.high), strict=True)
            ]
            parts.append(f'<path d="{points_text(there)}" fill="{colour}" opacity="0.18"/>')
        corners = [at(x, y) for x, y in shown]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>')
        if len(shown) == 1:
            (px, py) = corners[0]
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>')
        if len(curves) > 1:
            room = _legend_width(curve.name)
            if legend_x + room > width - right and legend_x > left:
                legend_x, legend_y = left, legend_y + 18.0
            ends = f'x1="{legend_x}" x2="{legend_x + 16}" y1="{legend_y - 4}" y2="{legend_y - 4}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-width="3"{dashes}/>')
            parts.append(Markup('<text x="{}" y="{}" font-size="11">{}</text>').format(legend_x + 20, legend_y, curve.name))
            legend_x += room
    content = Markup("").join(Markup(p) for p in parts)
    return Markup('<svg role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>').format(
        title, width, height, width, height, content
    )


def _legend_width(name: str) -> float:
    return 34.0 + 6.2 * len(name)


def _legend_rows(curves: Sequence[Curve], width: float) -> int:
    """Rows of the legend; none for a single curve."""
    if len(curves) < 2:
        return 0
    rows, at = 1, 58.0
    for curve in curves:
        wide = _legend_width(curve.name)
        if at + wide > width - 10.0 and at > 58.0:
            rows, at = rows + 1, 58.0
        at += wide
    return rows

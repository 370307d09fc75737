"""Inputs as images: a point, an adversarial point, and the change."""

from __future__ import annotations

from typing import Any

import numpy as np

from polylc.report.html.view import Gallery, Part
from polylc.report.images import data_uri, grey, signed


def image_parts(shape: tuple[int, ...], center: Any, adversarial: Any, label: int | None) -> list[Part]:
    """The images of a point, of an adversarial point, and of the change."""
    points = [np.asarray(p, dtype=np.float64) for p in (center, adversarial) if p is not None]
    if not points:
        return []
    low, high = min(float(p.min()) for p in points), max(float(p.max()) for p in points)
    images = []
    if center is not None:
        images.append((data_uri(grey(points[0], shape, low, high)), "the centre" if label is None else f"the centre, class {label}"))
    if adversarial is not None:
        images.append((data_uri(grey(points[-1], shape, low, high)), "the adversarial point"))
        if center is not None:
            change = points[1] - points[0]
            images.append((data_uri(signed(change, shape)), f"the change, at most {np.abs(change).max():.4g}: red up, blue down"))
    return [Gallery(images)]

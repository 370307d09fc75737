"""All commands, in the order of the help."""

from __future__ import annotations

from polylc.cli.app import app
from polylc.cli.commands import certify, check, compare, distance, estimate, info, lipschitz, plot, prepare, show, supports, verify

__all__ = ["app", "certify", "check", "compare", "distance", "estimate", "info", "lipschitz", "plot", "prepare", "show", "supports", "verify"]

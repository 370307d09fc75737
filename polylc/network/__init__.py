"""The one internal form of a network, how it is built, evaluated and composed."""

from polylc.network.form import Affine, Layer, Network

__all__ = ["Affine", "Layer", "Network"]

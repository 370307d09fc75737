"""Inputs that are images: their shape, and PNG files of them, written with the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np

LEAST_IMAGE = 64  # inputs, a square number, that are taken for an image where the model does not say what they are


def image_shape(known: tuple[int, ...], inputs: int) -> tuple[int, ...] | None:
    """The shape in which an input is drawn, (H, W) or (3, H, W); None if it is no image.

    Where the model takes a flat vector of 64 inputs or more, a square number, it is taken for a square image.
    """
    sizes = tuple(size for size in known if size != 1)
    if len(sizes) == 2 or (len(sizes) == 3 and sizes[0] == 3):
        return sizes
    side = round(inputs**0.5)
    return (side, side) if len(sizes) < 2 and inputs >= LEAST_IMAGE and side * side == inputs else None


def grey(values: np.ndarray, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    """Pixels in bytes, `low` black and `high` white: shape (H, W), or (H, W, 3) of colours."""
    pixels = np.asarray(values, dtype=np.float64).reshape(shape)
    pixels = np.moveaxis(pixels, 0, -1) if len(shape) == 3 else pixels
    return _bytes((pixels - low) / (high - low if high > low else 1.0))


def signed(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels of a difference: red where it is positive, blue where it is negative, white at zero; of colours their sum.

    Shape (H, W, 3).
    """
    change = np.asarray(values, dtype=np.float64).reshape(shape)
    change = change.sum(axis=0) if len(shape) == 3 else change
    size = change / max(float(np.abs(change).max()), np.finfo(np.float64).tiny)
    return _bytes(np.stack([1.0 + np.minimum(size, 0.0), 1.0 - np.abs(size), 1.0 - np.maximum(size, 0.0)], axis=-1))


def _bytes(shares: np.ndarray) -> np.ndarray:
    found: np.ndarray = (255.0 * np.clip(shares, 0.0, 1.0)).round().astype(np.uint8)
    return found


def png(pixels: np.ndarray) -> bytes:
    """A PNG file (RFC 2083) of bytes of shape (H, W), grey, or (H, W, 3)."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    return _file((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))


def palette_png(pixels: np.ndarray, colours: Sequence[tuple[int, ...]]) -> bytes:
    """A PNG file of indices of shape (H, W) into at most 256 colours, each red, green and blue."""
    height, width = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = bytes(part for colour in colours for part in colour)
    return _file((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))


def _file(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def data_uri(pixels: np.ndarray) -> str:
    """The PNG file as an address that holds it."""
    return _uri(png(pixels))


def palette_uri(pixels: np.ndarray, colours: Sequence[tuple[int, ...]]) -> str:
    """The PNG file with a palette as an address that holds it."""
    return _uri(palette_png(pixels, colours))


def _uri(file: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(file).decode()

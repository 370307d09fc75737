"""Pictures of regions, one for each step of a training, as a film: .gif, or .mp4 where ffmpeg is installed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from polylc.errors import UsageError, needs
from polylc.report.files import written_beside

KINDS = (".gif", ".mp4")


class Film:
    """Frames of one size, in the order in which they were added."""

    def __init__(self) -> None:
        needs("matplotlib", "plot", "frames:")
        self.frames: list[bytes] = []  # PNG files

    def add(self, drawn: Any, title: str) -> None:
        """A figure as the next frame."""
        drawn.suptitle(title, fontsize=9, x=0.02, ha="left")
        buffer = io.BytesIO()
        drawn.savefig(buffer, format="png", dpi=80)
        self.frames.append(buffer.getvalue())

    def write(self, path: Path, seconds: float) -> None:
        """Write the film; each frame stays so many seconds.

        Raises
        ------
        UsageError
            If there are no frames, the ending is unknown, or nothing that writes such films is installed.
        """
        if path.suffix not in KINDS:
            raise UsageError(f"film: {path} has an ending that is not known; choose {' or '.join(KINDS)}")
        if not self.frames:
            raise UsageError("film: there are no frames; call track with frames=True, and measure")
        if not 0.01 <= seconds <= 60:
            raise UsageError(f"film: {seconds:g} seconds for each frame are out of range; give 0.01 to 60")
        from PIL import Image  # matplotlib needs it too

        images = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in self.frames]
        with written_beside(path) as beside:
            if path.suffix == ".gif":
                first, *others = images
                first.save(beside, save_all=True, append_images=others, duration=round(1000 * seconds), loop=0)
            else:
                _write_mp4(beside, images, seconds)


def _write_mp4(path: Path, images: list[Any], seconds: float) -> None:
    from matplotlib.animation import FFMpegWriter

    if not FFMpegWriter.isAvailable():
        raise UsageError("film: .mp4 needs the program ffmpeg, which is not installed; write a .gif")
    from polylc.report.picture import Picture

    width, height = images[0].size
    drawn = Picture(figsize=(width / 80, height / 80), dpi=80)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    rate: Any = 1.0 / seconds  # any number will do
    writer = FFMpegWriter(fps=rate)
    with writer.saving(drawn, str(path), dpi=80):
        for image in images:
            axes.clear()
            axes.set_axis_off()
            axes.imshow(image)
            writer.grab_frame()

"""The line of the user's code that made a step of a graph, where torch has written it down."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import fx

from polylc.errors import ModelError
from polylc.readers.files import shown

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)\n[ \t]*(\S[^\n]*)')
_OWN = str(Path(__file__).parents[2])
_OF_TORCH = re.compile(r"[/\\](site|dist)-packages[/\\]torch[/\\]")


def at_its_line(error: ModelError, node: fx.Node) -> ModelError:
    """The error with the line of the user's forward that the node comes from, if torch tells it."""
    line = line_of(node.stack_trace)
    return type(error)(f"{error} ({line})") if line else error


def line_of(trace: str | None) -> str:
    """``in forward, file net.py, line 12: torch.sin(x)``: the innermost frame outside torch; empty if there is none."""
    home = str(Path(torch.__file__).parent)
    for path, number, function, code in reversed(_FRAME.findall(trace or "")):
        if path.startswith(_OWN):  # whoever called polylc is no part of the model
            break
        if not path.startswith(("<", home)) and not _OF_TORCH.search(path):
            name = re.split(r"[/\\]", path)[-1]
            return f"in {shown(function)}, file {shown(name)}, line {number}: {shown(code.strip(), 80)}"
    return ""

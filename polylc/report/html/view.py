"""What a page is made of. Text is escaped where it is rendered; what is `Markup` is HTML already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

Text = str | Markup


@dataclass(frozen=True)
class Facts:
    """Names and values, one below the other."""

    rows: Sequence[tuple[Text, Text]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    columns : sequence of (str, bool)
        Heading, and whether the column holds numbers.
    rows : sequence of sequences of text
    caption : str
    sortable : bool
        Whether readers can sort and filter it.
    """

    columns: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Text]]
    caption: str = ""
    sortable: bool = False
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Drawing:
    """A picture with its caption; `content` says in words what it shows. Small ones stand beside one another."""

    content: Markup
    caption: Text = ""
    small: bool = False
    kind: ClassVar[str] = "drawing"


@dataclass(frozen=True)
class Gallery:
    """Images beside one another: address of the image, what it is called, and a class of the page's style."""

    images: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Words:
    """A paragraph, or lines that are kept as they are."""

    text: Text
    verbatim: bool = False
    kind: ClassVar[str] = "words"


Part = Facts | Grid | Drawing | Gallery | Words


@dataclass(frozen=True)
class Section:
    """A heading and what is below it.

    Attributes
    ----------
    title : str
    anchor : str
        Its address within the page.
    parts : sequence of Part
    status : str
        A word beside the heading.
    brief : str
        What is said beside the heading.
    sections : sequence of Section
    folds : bool
        Whether it can be folded.
    opened : bool
        Whether it is open at first, if it folds.
    later : bool
        Whether what is below the heading is made of text only when it is opened or printed: for pages of so many
        sections that they would be slow to open.
    """

    title: str
    anchor: str
    parts: Sequence[Part] = ()
    status: str = ""
    brief: str = ""
    sections: Sequence[Section] = ()
    folds: bool = False
    opened: bool = True
    later: bool = False


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    lead: str
    sections: Sequence[Section]
    scripts: Sequence[str] = field(default=())

"""The journal of a run: a folder with what was asked, and all that is finished, in one SQLite file.

The file is in WAL mode: whatever is written is there whole or not at all, also after a crash, and others may read while
one writes. That there is one writer alone, a lock on a second file sees to, which the system takes back from a process
that dies.

    settings   what was asked, by name; and the hash of the code. It is compared when the run goes on.
    limits     those of the last call
    saved      values by name: "network"; "3/result" of the neighbourhood in place 3, "3/nodes/unit 7" of its work
    state      the command that began it, who writes, how many pieces of work there are

Proof blocks are files beside it, in `blocks/`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from polylc.errors import DataError, UsageError
from polylc.network.form import Network
from polylc.report.setting import setting
from polylc.run.code import code_stamp
from polylc.run.packed import pack, unpack

FORMAT = "polylc-run/1"
FILE, LOCK, BLOCKS = "journal.sqlite", "lock.sqlite", "blocks"
WAIT = 1.0  # seconds for the lock: a reader holds it for an instant
COST = 20.0  # a snapshot is due after so many times what the last one took
SNAPSHOTS = 5.0  # seconds between two, at least
_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS limits (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS saved (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""

Teller = Callable[[str], None]


def to_stderr(line: str) -> None:
    """A line on standard error."""
    print(f"polylc: {line}", file=sys.stderr, flush=True)


class _File:
    """The SQLite file, to read and perhaps to write."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder, self._connection = folder, connection

    def table(self, name: str) -> dict[str, str]:
        """The settings, limits or state."""
        assert name in ("settings", "limits", "state")
        with _readable(self.folder):
            return dict(self._connection.execute(f"SELECT name, value FROM {name}"))

    def names(self, below: str) -> list[str]:
        """Names of all values whose names begin like this."""
        with _readable(self.folder):
            rows = self._connection.execute("SELECT name FROM saved WHERE name >= ? AND name < ?", (below, below + "\U0010ffff"))
            return [name for (name,) in rows]

    def data(self, name: str) -> bytes | None:
        """The bytes of a value."""
        with _readable(self.folder):
            row = self._connection.execute("SELECT value FROM saved WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def size(self) -> int:
        """Bytes of everything in the folder."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"{folder}: the journal cannot be read: {error}") from None


class Journal(_File):
    """The journal of a run, open to be written.

    Parameters
    ----------
    folder : Path
        Made if it is not there; its parent has to be.
    network : Network or None
        What values are about; it is saved once.
    settings : mapping
        What is asked, in words, by name. Two runs in one folder agree in all of it.
    limits : mapping
        Limits by name, None for no limit. They may change from call to call.
    pieces : int
        Number of neighbourhoods, or questions.
    tell : callable, optional
        Receives a line if the disk is full.

    Raises
    ------
    UsageError
        If another process writes to it, it has other settings, or the folder is something else.
    """

    def __init__(
        self,
        folder: Path,
        network: Network | None,
        settings: Mapping[str, str],
        limits: Mapping[str, float | None],
        pieces: int,
        tell: Teller = to_stderr,
    ) -> None:
        self._network, self.limits, self._tell = network, dict(limits), tell
        _make(folder)
        self._lock = _locked(folder)
        try:
            try:
                connection = sqlite3.connect(folder / FILE, isolation_level=None, timeout=30.0)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.executescript(_TABLES)
            except sqlite3.Error as error:
                raise UsageError(f"{folder}: no journal can be kept there: {error}") from None
            super().__init__(folder, connection)
            self._begin({"format": FORMAT, **settings, "code": code_stamp()}, pieces)
            self._there = _Names(super().names(""))
        except BaseException:
            self._lock.close()
            raise
        self._full = False
        self._cost, self._next = 0.0, time.monotonic() + SNAPSHOTS

    def _begin(self, settings: dict[str, str], pieces: int) -> None:
        then = self.table("settings")
        if then:
            _compare(self.folder, then, settings)
        limits = {name: json.dumps(value) for name, value in self.limits.items()}
        state = {"pieces": str(pieces), "writer": f"process {os.getpid()} on {socket.gethostname()}"}
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if not then:
                state |= {"command": setting().command or ""}
            for table, rows in (("settings", settings), ("limits", limits), ("state", state)):
                self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows.items())
            if not then:
                self._connection.execute("INSERT OR REPLACE INTO saved VALUES ('network', ?)", (pack(self._network),))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise UsageError(f"{self.folder}: no journal can be kept there: {error}") from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._lock.close()

    def names(self, below: str) -> list[str]:
        """Names of all values whose names begin like this."""
        return self._there.below(below)

    def get(self, name: str) -> Any:
        """The value of this name, or None; one that is damaged counts as none."""
        data = self.data(name) if name in self._there else None
        if data is None:
            return None
        try:
            return unpack(data, self._network)
        except DataError as error:
            self._tell(f"{self.folder}: {name} is done again, {error}")
            return None

    def put(self, name: str, value: Any, instead_of: str | None = None) -> None:
        """Save a value; and forget all those whose names begin with `instead_of`. A full disk costs the value alone."""
        begin = time.monotonic()
        old = [] if instead_of is None else [one for one in self._there.below(instead_of) if one != name]
        try:
            data = pack(value, self._network)
            if old:  # a statement by itself is a transaction
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("DELETE FROM saved WHERE name >= ? AND name < ?", (instead_of, f"{instead_of}\U0010ffff"))
            self._connection.execute("INSERT OR REPLACE INTO saved VALUES (?, ?)", (name, data))
            if old:
                self._connection.execute("COMMIT")
            self._there.replace(old, name)
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if not isinstance(error, (sqlite3.Error, MemoryError, RecursionError)):
                raise
            if not self._full:
                self._tell(f"{self.folder}: the journal cannot be written ({error}); the run goes on, what it finds meanwhile is not saved")
            self._full = True
        self._cost = time.monotonic() - begin
        self._next = time.monotonic() + max(SNAPSHOTS, COST * self._cost)

    def below(self, name: str) -> _Part:
        """What was saved of a piece of the run."""
        return _Part(self, f"{name}/")

    def due(self) -> bool:
        """Whether a snapshot is worth its cost now."""
        return time.monotonic() >= self._next


class _Names:
    """Names of what is saved, which nobody but the writer changes: what is not there is not looked for in the file."""

    def __init__(self, names: Iterable[str]) -> None:
        self._of: dict[str, set[str]] = {}  # by the piece that they are of
        for name in names:
            self._of.setdefault(_piece(name), set()).add(name)

    def __contains__(self, name: str) -> bool:
        return name in self._of.get(_piece(name), ())

    def below(self, start: str) -> list[str]:
        """Those that begin like this, in order."""
        piece, slash, _ = start.partition("/")
        groups: Iterable[Iterable[str]] = (self._of.get(piece, ()),) if slash else self._of.values()
        return sorted(name for group in groups for name in group if name.startswith(start))

    def replace(self, old: Iterable[str], new: str) -> None:
        """Take some away and add one."""
        group = self._of.setdefault(_piece(new), set())
        for name in old:
            self._of[_piece(name)].discard(name)
        group.add(new)


def _piece(name: str) -> str:
    return name.partition("/")[0]


class _Part:
    """What was saved below a name."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal, self._name = journal, name

    def get(self, name: str) -> Any:
        return self._journal.get(self._name + name)

    def put(self, name: str, value: Any) -> None:
        self._journal.put(self._name + name, value)

    def below(self, name: str) -> _Part:
        return _Part(self._journal, f"{self._name}{name}/")

    def due(self) -> bool:
        return self._journal.due()


class Reading(_File):
    """The journal of a run, open to be read, whoever writes meanwhile.

    Raises
    ------
    UsageError
        If the folder has no journal.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / FILE
        if not file.is_file():
            raise UsageError(f"{folder}: no run folder, it has no {FILE}; give one that --run has made")
        super().__init__(folder, _to_read(file))
        said = self.table("settings").get("format")
        if said != FORMAT:
            raise UsageError(f"{folder}: the journal's format is {said}, and this polylc reads {FORMAT}")
        data = self.data("network")
        if data is None:
            raise DataError(f"{folder}: the journal is damaged, it has no network")
        self._network = unpack(data)

    @property
    def network(self) -> Network:
        """The network that the run is about."""
        if not isinstance(self._network, Network):
            raise UsageError(f"{self.folder}: the run is about questions, each with networks of its own")
        return self._network

    def get(self, name: str) -> Any:
        """The value of this name, or None."""
        data = self.data(name)
        return None if data is None else unpack(data, self._network)

    def writer(self) -> str | None:
        """Who writes to it now, if somebody does."""
        with contextlib.closing(sqlite3.connect(self.folder / LOCK, isolation_level=None, timeout=0.0)) as lock:
            try:
                lock.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                return self.table("state").get("writer", "another process")
        return None


def _make(folder: Path) -> None:
    """The folder, if it may become one of a run."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; give a folder for the run")
    if folder.is_dir() and not (folder / FILE).exists() and any(one.name not in (LOCK, BLOCKS) for one in folder.iterdir()):
        raise UsageError(f"{folder}: holds other things; give a folder that is empty, or not there yet")
    try:
        folder.mkdir(exist_ok=True)
        (folder / BLOCKS).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from None


def _to_read(file: Path) -> sqlite3.Connection:
    """A connection that writes nothing; in a folder that cannot be written, readers have no index to share either."""
    if not file.stat().st_size:
        raise DataError(f"{file}: the journal is empty: the run ended before anything was saved, or the file was cut off; begin it again")
    for how in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?{how}", uri=True, isolation_level=None, timeout=30.0)
        try:
            connection.execute("SELECT count(*) FROM settings").fetchone()
        except sqlite3.Error as error:
            connection.close()
            said = error
        else:
            return connection
    raise DataError(f"{file}: the journal cannot be read: {said}")


def _locked(folder: Path) -> sqlite3.Connection:
    """The lock, which is held until it is closed."""
    lock = sqlite3.connect(folder / LOCK, isolation_level=None, timeout=WAIT)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if "locked" not in str(error):
            raise UsageError(f"{folder}: no journal can be kept there: {error}") from None
        who = "another process"
        with contextlib.suppress(UsageError, DataError), contextlib.closing(Reading(folder)) as read:  # it may have just begun
            who = read.table("state").get("writer", who)
        raise UsageError(f"{folder}: {who} is at work on this run; wait for its end, or stop it") from None
    return lock


def _compare(folder: Path, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse other settings, with the difference."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names == ["code"]:
        said = f"begun by {then.get('code', 'no polylc')}, and this is {now.get('code', 'none')}"
        how = "go on with that code, or begin anew in another folder; polylc show prints what is there"
        raise UsageError(f"{folder}: the code of polylc has changed since this run was begun ({said}); {how}")
    if names:
        said = "; ".join(f"{name}: {_short(then.get(name))} then, {_short(now.get(name))} now" for name in names)
        raise UsageError(f"{folder}: this run was begun with other settings ({said}); repeat the command as it was, or give another folder")


def _short(text: str | None) -> str:
    return "none" if text is None else text if len(text) <= 60 else f"{text[:57]}..."


def journals_of(folder: Path) -> list[Reading]:
    """The journal in a folder; or those in its folders 0, 1, ..., as a list of questions has them.

    Raises
    ------
    UsageError
        If there is none.
    """
    below = sorted((int(f.name) for f in folder.iterdir() if f.name.isdecimal() and (f / FILE).is_file()) if folder.is_dir() else ())
    if below and not (folder / FILE).is_file():
        return [Reading(folder / str(number)) for number in below]
    return [Reading(folder)]

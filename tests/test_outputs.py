"""Files that commands write: whole or absent, never over an input or over one another, and what was found is never lost
with them.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polylc.cli.main import app
from polylc.report.files import written_beside

EXAMPLES = Path(__file__).parent.parent / "examples" / "moons"
BALLS = ["certify", str(EXAMPLES / "moons.pt"), "--data", str(EXAMPLES / "moons.npz"), "--rows", "0:2", "--radius", "0.1", "--measures", "counts"]

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is then an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = ["polylc", *sys.argv[2:]]
from polylc.cli import command
command()
"""


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("limit", [0, 100])
def test_a_full_disk_is_a_line_for_each_file_and_costs_nothing_that_was_found(tmp_path, limit):
    run(*BALLS)  # so that kernels are compiled
    (tmp_path / "r.json").write_text("as before")
    files = ["--json", tmp_path / "r.json", "--proof", tmp_path / "p.proof", "--graph", tmp_path / "g.graphml"]
    command = [sys.executable, "-c", LIMITED, str(limit), *BALLS, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "2 neighbourhoods; mean regions 3" in done.stdout
    for name in ("r.json", "p.proof", "g"):
        (line,) = [line for line in done.stderr.splitlines() if f"/{name}" in line]
        assert "written" in line
    assert (tmp_path / "r.json").read_text() == "as before"
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--json", "x.json", "--proof", "x.json"], "--json x.json: that is the file of --proof too"),
        (["--json", "./a/../x.json", "--proof", "x.json"], "that is the file of --proof too"),
        (["--graph", "x.npz", "--json", "x.npz"], "that is the file of --json too"),
        (["--proof", str(EXAMPLES / "moons.npz")], "that is the file of --data too"),
        (["--proof", str(EXAMPLES / "moons.pt")], "that is the file of the model too"),
        (["--json", "no/such/r.json"], "the folder no/such does not exist"),
    ],
)
def test_clashes_are_refused_before_any_work(tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    found = run(*BALLS, *options)
    assert found.exit_code == 2
    assert told in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert found.stdout == ""


def fail_half_way(path: Path) -> None:
    with written_beside(path) as beside:
        beside.write_text("half")
        raise RuntimeError


def test_a_file_is_replaced_at_the_end_or_not_at_all(tmp_path):
    path = tmp_path / "one.txt"
    with written_beside(path) as beside:
        beside.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    os.chmod(path, 0o640)
    with pytest.raises(RuntimeError):
        fail_half_way(path)
    assert path.read_text() == "first"
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    with written_beside(link) as beside:
        beside.write_text("second")
    assert link.is_symlink()
    assert path.read_text() == "second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.txt", "one.txt"]


def test_a_device_is_written_as_it_is():
    found = run(*BALLS, "--json", "/dev/stdout")
    assert found.exit_code == 0 or "cannot be written" in found.stderr
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with written_beside(Path("/dev/null")) as beside:
        beside.write_text("gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_json_on_standard_output_is_still_all_of_it():
    assert len(json.loads(run(*BALLS, "--json", "-").stdout)["neighbourhoods"]) == 2

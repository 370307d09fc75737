"""Data files: exact rows, refused rows with their reason, labels and selections of rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from polylc.api.neighbourhoods import make_tasks
from polylc.cli import inputs
from polylc.errors import DataError, UsageError
from polylc.readers.data.points import DataTable, load_labels, load_points, parse_rows
from polylc.readers.load import load

F = Fraction
DATA = Path(__file__).parents[1] / "data"


def text(tmp_path: Path, content: str, name: str = "points.csv", **options: Any) -> DataTable:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return load_points(path, **options)


def rows(table: DataTable) -> list[tuple[Fraction, ...] | str]:
    return [table.row(i) for i in range(len(table))]


# ---- text ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "content",
    [
        "0.1,2\n-3e-1,1/3\n",
        "0.1;2\n-3e-1;1/3",
        "0.1 2\n-3e-1\t1/3\n",
        "x,y\n0.1,2\n\n-3e-1,1/3\n\n",
        "# made by hand\n0.1,2,\n-3e-1,1/3,\n",
        '\ufeff"x","y"\r\n"0.1","2"\r\n"-3e-1","1/3"\r\n',
        "  0.1 ,  2\n  -3e-1,1/3",
    ],
)
def test_decimals_are_exact(tmp_path: Path, content: str) -> None:
    assert rows(text(tmp_path, content)) == [(F(1, 10), F(2)), (F(-3, 10), F(1, 3))]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000), min_size=2, max_size=2), min_size=1))
def test_any_decimal_is_the_rational_it_is_written_as(tmp_path_factory: pytest.TempPathFactory, table: list[list[Any]]) -> None:
    content = "\n".join(",".join(str(d) for d in row) for row in table)
    assert rows(text(tmp_path_factory.mktemp("data"), content)) == [tuple(F(d) for d in row) for row in table]


def test_scale_is_exact_and_spares_the_label(tmp_path: Path) -> None:
    table = text(tmp_path, "label,a,b\n7,255,1\n2,0,51\n", label_column=0, scale=F(1, 255))
    assert rows(table) == [(F(1), F(1, 255)), (F(0), F(1, 5))]
    assert [table.label(0), table.label(1)] == [7, 2]
    table = text(tmp_path, "255,1,7\n", label_column=-1, scale=F(1, 255), width=2)
    assert (table.row(0), table.label(0)) == ((F(1), F(1, 255)), 7)


def test_bad_rows_carry_their_reason_and_the_others_are_read(tmp_path: Path) -> None:
    content = "1,2\n1,abc\n3,nan\n-inf,4\n5\n5,6,7\n,1\n1e999,0\n" + "x" * 60 + ",0\n8,9\n"
    assert rows(text(tmp_path, content)) == [
        (F(1), F(2)),
        "column 1 holds 'abc', which is not a number",
        "column 1 is NaN",
        "column 0 is infinite",
        "it has 1 entries, expected 2",
        "it has 3 entries, expected 2",
        "column 0 holds '', which is not a number",
        "column 0 is too large for a double",
        f"column 0 holds '{'x' * 37}...', which is not a number",
        (F(8), F(9)),
    ]


def test_columns_are_counted_as_in_the_file(tmp_path: Path) -> None:
    table = text(tmp_path, "1,2,bad\n1.5,2,3\nfour,5,6\n4,5,6\n7\n", label_column=0)
    assert rows(table) == [
        "column 2 holds 'bad', which is not a number",
        "column 0 holds '1.5', which is no integer label",
        "column 0 holds 'four', which is no integer label; number the classes 0, 1, 2, ... in the order of the network's outputs",
        (F(5), F(6)),
        "it has 0 entries, expected 2",
    ]
    assert [table.label(i) for i in range(4)] == [1, None, None, 4]


def test_width_asked_for(tmp_path: Path) -> None:
    table = text(tmp_path, "1,2,3\n1,2\n", width=2)
    assert rows(table) == ["it has 3 entries, expected 2", (F(1), F(2))]


@pytest.mark.parametrize(
    ("content", "width", "reason"),
    [
        ("0,5;1,5\n", 2, "column 0 holds '0,5', which is not a number (decimals have a point, not a comma)"),
        ("0,5,1,5\n", 2, "it has 4 entries, expected 2 (if its commas are decimal ones, write points)"),
        (",a,b\n0,0.5,1.5\n1,0.5,2\n", 2, "it has 3 entries, expected 2 (column 0 numbers the rows: leave it out)"),
        ("1,0.5,1\n2,0.5,2\n3,1,1\n", 2, "it has 3 entries, expected 2 (column 0 numbers the rows: leave it out)"),
        ("0.5,1.5,7\n0.5,2,7\n", 2, "it has 3 entries, expected 2 (if column 2 is a label, give --label-column 2)"),
        ("3,0.5,1.5\n1,0.5,2.5\n", 2, "it has 3 entries, expected 2 (if column 0 is a label, give --label-column 0)"),
        ("7,1,2\n4,0,2\n", 2, "it has 3 entries, expected 2 (if one of them is a label, give --label-column I)"),
        ("0.5,1.5,2.5\n", 2, "it has 3 entries, expected 2"),
        ("1e999999999,1\n", 2, "column 0 holds '1e999999999', which has too many digits to be read; round it"),
        ("1," + "9" * 3000, 2, f"column 1 holds '{'9' * 37}...', which has too many digits to be read; round it"),
    ],
)
def test_rows_are_refused_with_a_hint(tmp_path: Path, content: str, width: int, reason: str) -> None:
    assert text(tmp_path, content, width=width).row(0) == reason


def test_labels_that_are_words(tmp_path: Path) -> None:
    hint = "; number the classes 0, 1, 2, ... in the order of the network's outputs"
    assert text(tmp_path, "cat,1,2\n", label_column=0).row(0) == f"column 0 holds 'cat', which is no integer label{hint}"
    (tmp_path / "a.csv").write_text("3\ncat\n")
    np.save(tmp_path / "a.npy", np.array(["3", "cat"]))
    for name in ("a.csv", "a.npy"):
        with pytest.raises(DataError, match=rf"{name}: label 1 is 'cat'; labels must be integers{hint}"):
            load_labels(tmp_path / name)


def test_first_row_without_numbers_is_a_header_but_a_bad_row_is_not(tmp_path: Path) -> None:
    assert len(text(tmp_path, "a b\n1 2\n", "points.txt")) == 1
    assert rows(text(tmp_path, "nan,nan\n1,2\n"))[0] == "column 0 is NaN"
    assert rows(text(tmp_path, "1,oops\n1,2\n"))[0] == "column 1 holds 'oops', which is not a number"


# ---- arrays ----------------------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_floats_are_the_rationals_they_are(tmp_path_factory: pytest.TempPathFactory, row: list[float]) -> None:
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "a.npy", np.array([row]))
    torch.save(torch.tensor([row], dtype=torch.float64), folder / "a.pt")
    for name in ("a.npy", "a.pt"):
        assert load_points(folder / name).row(0) == tuple(F(v) for v in row)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8, np.int64, np.bool_])
def test_arrays_of_any_real_format(tmp_path: Path, dtype: type) -> None:
    array = np.array([[0, 1], [1, 1]]).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    assert rows(load_points(tmp_path / "a.npy", scale=F(1, 255))) == [(F(0), F(1, 255)), (F(1, 255), F(1, 255))]


def test_float32_and_bfloat16_keep_their_own_value(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0.1], dtype=np.float32))
    assert rows(load_points(tmp_path / "a.npy")) == [(F(float(np.float32(0.1))),)]
    torch.save(torch.tensor([[0.1]], dtype=torch.bfloat16), tmp_path / "a.pt")
    assert rows(load_points(tmp_path / "a.pt")) == [(F(205, 2048),)]


def test_vectors_images_and_refused_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3.0))
    assert rows(load_points(path)) == [(0, 1, 2)]
    images = np.arange(24.0).reshape(2, 3, 2, 2)
    images[1, 2, 1, 1] = np.nan
    np.save(path, images)
    table = load_points(path, width=12)
    assert (table.row(0), table.row(1)) == (tuple(range(12)), "column 11 is NaN")
    assert load_points(path, width=11).row(0) == "it has 12 entries, expected 11 (if one of them is a label, give --label-column I)"
    np.save(path, np.array([[np.inf, 1.0]]))
    assert load_points(path, label_column=1).row(0) == "column 0 is infinite"
    assert load_points(path, scale=F(10)).row(0) == "column 0 is infinite"


@pytest.mark.parametrize(
    ("arrays", "first"),
    [
        ({"centers": [[1.0]], "X": [[2.0]], "x": [[3.0]]}, 1),
        ({"X": [[2.0]], "x": [[3.0]], "W0": [[9.0]]}, 2),
        ({"x": [3.0, 5.0]}, 3),
        ({"anything": [[4.0]], "labels": [1]}, 4),
    ],
)
def test_which_array_of_an_archive(tmp_path: Path, arrays: dict[str, Any], first: int) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert load_points(tmp_path / "a.npz").row(0)[0] == first


def test_named_array_and_labels_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=np.zeros((2, 3)), Z=np.ones((2, 2)), y=np.array([3.0, 1.0]))
    assert load_points(path, array="Z").row(0) == (1, 1)
    assert load_points(path).labels == (3, 1)
    assert load_points(path, label_column=0).label(0) == 0
    np.savez(path, X=np.zeros((2, 3)), y=np.array([0.5, 1.0]), labels=np.arange(5))
    assert load_points(path).labels is None  # targets of a regression, and labels of other rows
    table = load_points(DATA / "moons2d.npz")
    assert len(table) == 20
    assert table.row(3) == tuple(F(v) for v in np.load(DATA / "moons2d.npz")["centers"][3])


@pytest.mark.parametrize("names", [("X", "y"), ("x", "labels"), ("data", "targets"), None])
def test_torch_files(tmp_path: Path, names: tuple[str, str] | None) -> None:
    points, labels = torch.tensor([[0.5, 1.0]], requires_grad=True), torch.tensor([4])
    torch.save((points, labels) if names is None else dict(zip(names, (points, labels), strict=True)), tmp_path / "a.pt")
    table = load_points(tmp_path / "a.pt")
    assert (table.row(0), table.label(0)) == ((F(1, 2), F(1)), 4)


# ---- files that are refused ------------------------------------------------------------------------------------
class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_hostile_files_run_nothing(tmp_path: Path) -> None:
    target = tmp_path / "created"
    torch.save({"X": Hostile(target)}, tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"a\.pt: its pickle names (posix|nt)\.system, and nothing was run; save plain tensors"):
        load_points(tmp_path / "a.pt")
    objects = np.array([[Hostile(target)]], dtype=object)
    np.save(tmp_path / "a.npy", objects)
    with pytest.raises(DataError, match=r"a\.npy: it holds pickled Python objects, which are not read; save plain numbers"):
        load_points(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", X=objects, other=np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"a\.npz: X holds Python objects, which are not read"):
        load_points(tmp_path / "a.npz")
    assert load_points(tmp_path / "a.npz", array="other").row(0) == (0, 0)
    assert not target.exists()


def no_change(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "write", "wording"),
    [
        ("a.csv", lambda p: p.touch(), "the file is empty"),
        ("a.csv", lambda p: p.write_text("\n \n# only a comment\n"), "it has no rows; give at least one point"),
        ("a.csv", lambda p: p.write_text("x,y\n"), "it has no rows of numbers, only 'x,y'"),
        ("a.csv", lambda p: p.write_bytes(b"\xff\xfe1,2"), "not a text file in UTF-8"),
        ("a.csv", lambda p: p.write_bytes(b"1,\0"), "not a text file; write numbers"),
        ("a.csv", no_change, "there is no such file; check the path"),
        ("a.npy", lambda p: p.mkdir(), "this is a directory"),
        ("a.npy", lambda p: p.write_bytes(b"hello"), r"not an \.npy file, or truncated .*; write it with numpy\.save"),
        ("a.npy", lambda p: np.save(p, np.float64(1)), "it holds a single number, not rows of points"),
        ("a.npy", lambda p: np.save(p, np.zeros((0, 2))), "it has no rows; give at least one point"),
        ("a.npy", lambda p: np.save(p, np.array([["a"]])), "the array holds <U1 values, not numbers of at most 64 bits"),
        ("a.npy", lambda p: np.save(p, np.zeros((1, 1), complex)), "the array holds complex128 values"),
        ("a.npy", lambda p: np.save(p, np.zeros((1, 1), np.longdouble)), "not numbers of at most 64 bits; save it as float64"),
        ("a.npz", lambda p: p.write_bytes(b"PK\x03\x04"), r"not an \.npz archive, or truncated"),
        ("a.npz", lambda p: np.savez(p, a=np.zeros((2, 2)), b=np.ones((2, 2))), r"which array holds the points\? It has a \(2, 2\), b \(2, 2\)"),
        ("a.npz", lambda p: np.savez(p, a=np.zeros(2), b=np.ones(2)), r"which array holds the points\? It has a \(2,\), b \(2,\); name it centers"),
        ("a.pt", lambda p: p.write_bytes(b"hello"), r"the file is truncated, damaged or not written by torch\.save"),
        ("a.pt", lambda p: torch.save(3, p), "it holds a int, not tensors"),
        ("a.pt", lambda p: torch.save({"lr": 1}, p), r"no tensor among its entries \(lr\)"),
        ("a.pt", lambda p: torch.save(torch.zeros(1, dtype=torch.complex64), p), "is complex"),
        ("a.xlsx", lambda p: p.write_bytes(b"x"), r"unknown kind of data file \.xlsx; polylc reads \.npy, \.npz, \.pt, \.pth, \.csv, \.txt"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, write: Callable[[Path], Any], wording: str) -> None:
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: .*{wording}|{name}: {wording}") as refusal:
        load_points(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"points\.csv: there is no label column 2 among its 2 columns \(0 to 1\)"):
        text(tmp_path, "1,2\n", label_column=2)
    np.savez(tmp_path / "a.npz", X=np.zeros((1, 2)))
    with pytest.raises(DataError, match=r"a\.npz: there is no array 'Y'; it has X \(1, 2\)"):
        load_points(tmp_path / "a.npz", array="Y")


def test_truncated_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros((3, 3)))
    content = (tmp_path / "whole.npy").read_bytes()
    for length in range(1, len(content), 11):
        (tmp_path / "cut.npy").write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut\.npy: not an \.npy file, or truncated"):
            load_points(tmp_path / "cut.npy")


def test_frames_are_rows_of_their_columns() -> None:
    network = load(nn.Linear(2, 2))
    frame = pandas.DataFrame({"b": [1, 2], "a": np.array([0.1, 0.2], np.float32)}, index=[7, 3])
    tasks = make_tasks(network, frame, "0.1", None, None, None)
    assert [task.domain.center for task in tasks] == [(F(1), F(float(np.float32(0.1)))), (F(2), F(float(np.float32(0.2))))]
    with pytest.raises(UsageError, match="points: columns of the DataFrame that are not numbers: kind, name; leave them out, labels go to labels="):
        make_tasks(network, frame.assign(kind=["x", "y"], name=["u", "v"]), "0.1", None, None, None)


def test_labels_beside_points_are_told_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = load(nn.Linear(2, 2))
    path = str(tmp_path / "a.npz")
    np.savez(path, Z=np.ones((2, 2)), y=np.array([1, 0]))
    tasks = inputs.make_tasks(network, inputs.Where(path, radius="0.1", array="Z"))
    assert [task.label for task in tasks] == [None, None]
    assert capsys.readouterr().err == f"polylc: {path}: the labels beside the points are not used; give --labels {path} to use them\n"
    tasks = inputs.make_tasks(network, inputs.Where(path, radius="0.1", array="Z", labels=path))
    assert [task.label for task in tasks] == [1, 0]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["U", "S", "O"])
def test_words_for_labels_beside_points_are_told_about(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    network = load(nn.Linear(2, 2))
    path = str(tmp_path / "a.npz")
    np.savez(path, X=np.ones((2, 2)), labels=np.array(["cat", "dog"], dtype=kind))
    tasks = inputs.make_tasks(network, inputs.Where(path, radius="0.1"))
    assert [task.label for task in tasks] == [None, None]
    hint = "number the classes 0, 1, 2, ... in the order of the network's outputs"
    assert capsys.readouterr().err == f"polylc: {path}: labels beside the points holds no integers and is not used; to use it, {hint}\n"
    np.savez(path, X=np.ones((2, 2)), labels=np.array(["cat", "dog", "cow"]))  # of other rows
    inputs.make_tasks(network, inputs.Where(path, radius="0.1"))
    assert capsys.readouterr().err == ""


# ---- labels ----------------------------------------------------------------------------------------------------
def test_labels_of_any_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label\n3\n1\n4\n")
    (tmp_path / "a.txt").write_text("3 1 4.0\n")
    np.save(tmp_path / "a.npy", np.array([[3], [1], [4]], dtype=np.uint8))
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 2)), y=np.array([3.0, 1.0, 4.0]))
    torch.save(torch.tensor([3, 1, 4]), tmp_path / "a.pt")
    for suffix in ("csv", "txt", "npy", "npz", "pt"):
        assert load_labels(tmp_path / f"a.{suffix}") == [3, 1, 4]


def test_labels_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1\n2.5\n")
    with pytest.raises(DataError, match=r"a\.csv: label 1 is '2\.5'; labels must be integers"):
        load_labels(path)
    np.save(tmp_path / "a.npy", np.array([1.0, np.nan]))
    with pytest.raises(DataError, match=r"a\.npy: label 1 is nan; labels must be integers"):
        load_labels(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 2)))
    with pytest.raises(DataError, match=r"a\.npz: no array of labels among X \(2, 2\); save one named labels"):
        load_labels(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"a\.json: there is no such file"):
        load_labels(tmp_path / "a.json")


# ---- selections of rows ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("0:3", [0, 1, 2]),
        ("5", [5]),
        ("-1", [9]),
        ("3,7,9", [3, 7, 9]),
        ("-3:", [7, 8, 9]),
        (":2", [0, 1]),
        (":", list(range(10))),
        ("0:10", list(range(10))),
        (" 1 : 3 , 8 ", [1, 2, 8]),
        ("2:-6", [2, 3]),
    ],
)
def test_rows(spec: str, wanted: list[int]) -> None:
    assert parse_rows(spec, 10) == wanted


@pytest.mark.parametrize("spec", ["0:20", "10", "-11", "10:", "-11:", "3,10", "0:-11"])
def test_rows_out_of_bounds(spec: str) -> None:
    with pytest.raises(UsageError, match=rf"rows '{spec}': the data has only 10 rows \(0 to 9\); choose among them"):
        parse_rows(spec, 10)


@pytest.mark.parametrize("spec", ["", "a", "1:2:3", "1,,2", "0.5", "1-3"])
def test_malformed_rows(spec: str) -> None:
    with pytest.raises(UsageError, match=rf"rows '{spec}': .* is not a row or a range; write 5, 0:20, -3: or 3,7,9"):
        parse_rows(spec, 10)


@pytest.mark.parametrize("spec", ["5:5", "7:3", "0:0"])
def test_empty_ranges(spec: str) -> None:
    with pytest.raises(UsageError, match=rf"rows '{spec}': the range '{spec}' is empty"):
        parse_rows(spec, 10)

"""Tables, graphs and LaTeX for other programs: what they read is what the results say."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from nets import random_net
from test_html import EXAMPLES
from typer.testing import CliRunner

from polylc.api.certify import certify
from polylc.cli.main import app
from polylc.errors import UsageError
from polylc.report.export import summary_rows
from polylc.report.typeset import GROUP, affine_text, integer_text, rational_text, root_text, sum_text


@pytest.fixture(scope="module")
def run():
    points = np.random.default_rng(0).uniform(-1, 1, (4, 2))
    points[2] = np.nan
    return certify(random_net([2, 8, 6, 3], 3), points, radius=0.4)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_are_the_frames(run, suffix, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    read = pandas.read_csv if suffix == ".csv" else pandas.read_parquet
    run.write_table(tmp_path / f"t{suffix}")
    pandas.testing.assert_frame_equal(
        read(tmp_path / f"t{suffix}").astype(object), run.to_frame().astype(object), check_dtype=False, check_column_type=False, check_exact=True
    ) if suffix == ".parquet" else None
    assert read(tmp_path / f"t{suffix}")["regions"].dropna().tolist() == [r.regions for r in run.results]
    run[0].write_regions(tmp_path / f"r{suffix}")
    text = {"dtype": {"pattern": str}} if suffix == ".csv" else {}
    pandas.testing.assert_frame_equal(read(tmp_path / f"r{suffix}", **text), run[0].to_frame(), check_dtype=False, check_exact=True)


def test_csv_needs_nothing_and_loses_nothing(run, tmp_path):
    run[0].write_regions(tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = np.array([[float(row["x0"]), float(row["x1"])] for row in rows])
    assert (points == run[0].complex.points).all()
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        run.write_table(tmp_path / "t.xlsx")
    assert not (tmp_path / "t.xlsx").exists()


def test_the_command_writes_tables(tmp_path):
    moons = EXAMPLES / "moons"
    words = ["certify", str(moons / "moons.pt"), "--data", str(moons / "moons.npz"), "--rows", "0:2", "--radius", "0.05"]
    words += ["--table", str(tmp_path / "t.csv"), "--regions", str(tmp_path / "r.csv")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    with (tmp_path / "t.csv").open(newline="") as file:
        counts = [int(row["regions"]) for row in csv.DictReader(file)]
    for row, count in enumerate(counts):
        assert len((tmp_path / f"r-{row}.csv").read_text().splitlines()) == count + 1
    bad = CliRunner().invoke(app, [*words[:-1], str(tmp_path / "r.txt")])
    assert bad.exit_code == 2
    assert ".csv or .parquet" in bad.output


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_graphs_have_places_for_their_nodes(n, tmp_path):
    result = certify(random_net([n, 5, 3, 1], 2), box=([-1] * n, [1] * n))[0]
    result.write_graph(tmp_path / "g.graphml")
    graph = nx.read_graphml(tmp_path / "g.graphml")
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (result.regions, result.adjacencies)
    places = np.array([[data[name] for name in "xyz"[: n if n <= 3 else 2]] for _, data in graph.nodes(data=True)])
    if n <= 3:
        np.testing.assert_allclose(places, result.complex.points)
    assert len(np.unique(places, axis=0)) == result.regions


def test_topology_has_columns_where_it_was_asked(tmp_path):
    points = np.random.default_rng(0).uniform(-1, 1, (3, 2))
    points[1] = np.nan
    run = certify(random_net([2, 8, 6, 3], 3), points, radius=0.6, measures="counts,topology")
    run.write_table(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(run)
    for row, entry in zip(rows, run, strict=True):
        known = getattr(entry, "topology", None)
        assert row["topology_parts"] == ("" if known is None else str(sum(one.components for one in known.classes)))
        assert row["topology_boundary"] == ("" if known is None else str(known.boundary))
        for one in () if known is None else known.classes:
            assert row[f"topology_{one.label}_components"] == str(one.components)
            assert [row[f"topology_{one.label}_betti_{d}"] for d in range(len(one.betti))] == [str(b) for b in one.betti]
            assert row[f"topology_{one.label}_euler"] == str(one.euler)
    assert not any(name.startswith("topology") for name in summary_rows(list(certify(random_net([2, 3, 2], 0), [0.0, 0.0], radius=1))))


# ---- LaTeX -----------------------------------------------------------------------------------------------------------
def value_of(text: str) -> Fraction:
    """A rational from its LaTeX."""
    text = text.replace(r"\s ", "").replace(" ", "").replace(r"\s", "")
    if found := re.fullmatch(r"(-?)\\tfrac\{(\d+)\}\{(\d+)\}", text):
        return Fraction(int(found[2]) * (-1 if found[1] else 1), int(found[3]))
    if found := re.fullmatch(r"(-?\d+)\\cdot2\^\{-(\d+)\}", text):
        return Fraction(int(found[1]), 2 ** int(found[2]))
    return Fraction(text)


@given(st.fractions())
def test_rationals_are_written_as_they_are(value):
    assert value_of(rational_text(sympy.Rational(value.numerator, value.denominator))) == value


@given(st.integers(-(10**60), 10**60))
def test_long_numbers_can_be_broken(value):
    text = integer_text(value)
    assert int(text.replace(r"\s ", "")) == value
    assert max(len(run) for run in re.findall(r"\d+", text)) <= GROUP


def test_sums_keep_their_signs():
    R = sympy.Rational
    assert affine_text([R(-1), R(1), R(-1, 2)], ["x_{0}", "x_{1}"]) == r"-x_{0}+x_{1}-\tfrac{1}{2}"
    assert affine_text([R(0), R(0), R(0)], ["x_{0}", "x_{1}"]) == "0"
    assert sum_text(sympy.Integer(0)) == "0"
    assert sum_text(sympy.sqrt(3)) == r"\sqrt{3}"
    assert sum_text(R(3, 2) - sympy.sqrt(2)) in (r"\tfrac{3}{2}-\sqrt{2}", r"-\sqrt{2}+\tfrac{3}{2}")
    assert root_text(10**30).startswith("(")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
@pytest.mark.parametrize("shape", [[2, 6, 4, 2], [3, 4, 1]])
def test_the_document_fits_its_pages(shape, tmp_path):
    n = shape[0]
    result = certify(random_net(shape, 1), box=([-1] * n, [1] * n), measures="all")[0]
    (tmp_path / "s.tex").write_text(result.symbolic().latex())
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "s.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    wide = [float(v) for v in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", done.stdout)]
    assert max(wide, default=0.0) < 2.0

"""The stand-alone checker: it verifies true proofs, with the counts of the oracles."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import SPECIAL, quarter_net, random_net, small_nets, tent_net
from oracles import adjacent_pairs, brute_force_patterns, clip_regions
from proof_samples import SAMPLES, sample, verified, write
from prover import ALL, Prover, network_line, prove

from polylc import checker
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.network.form import Affine, Network, chain

DOCUMENT = Path(__file__).parent.parent / "docs" / "certificate-format.md"


# ---- true proofs -----------------------------------------------------------------------------------------------------
def agrees_with_oracles(network: Network, domain: Neighbourhood, prover: Prover) -> None:
    (found,) = verified(network, prover)
    patterns = {tuple(map(bool, region.bits)) for region in prover.regions}
    assert found.regions == len(prover.regions) == len(patterns)
    assert patterns == brute_force_patterns(network, domain)
    assert found.weights_sha256 == network.weights_sha256
    if network.inputs == 2 and "graph" in prover.parts:
        cells = clip_regions(network, domain)
        assert found.adjacencies == len(adjacent_pairs(cells))
        assert found.affine_functions in (None, len({tuple(cell.output) for cell in cells}))


@settings(max_examples=15)
@given(small_nets(max_depth=2), st.integers(0, 10**6), st.sets(st.sampled_from(ALL)))
def test_small_networks_are_verified(network, seed, parts):
    domain = box([-1] * network.inputs, [1] * network.inputs)
    prover = Prover(network, domain, tuple(p for p in ALL if p in parts), label=seed % network.outputs, seed=seed)
    agrees_with_oracles(network, domain, prover)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_networks_are_verified(name):
    network = SPECIAL[name]
    for seed in range(3):
        domain = ball([F(1, 3) * seed] * network.inputs, F(3, 4) + F(seed == 0, 4))
        prover = Prover(network, domain, seed=seed)
        if network.inputs <= 2:
            agrees_with_oracles(network, domain, prover)
        else:
            verified(network, prover)


@settings(max_examples=6)
@given(st.integers(0, 1000), st.sampled_from([[1, 4, 2], [2, 4, 3], [2, 3, 3, 3], [3, 3, 2, 2]]))
def test_random_networks_are_verified(seed, widths):
    network = random_net(widths, seed, negative_slope=0.25 if seed % 2 else 0.0)
    domain = ball([0] * widths[0], [1] * (widths[0] - 1) + [seed % 3 if widths[0] > 1 else 1])
    prover = Prover(network, domain, label=seed % widths[-1], seed=seed)
    (found,) = verified(network, prover)
    assert found.regions == len(prover.regions)
    assert found.adjacencies == len(prover.edges)
    assert found.pieces == prover.pieces()
    assert found.robustness is not None
    assert found.robustness.robust == prover.robust
    assert found.robustness.distance == prover.distance


def test_layers_that_read_several_layers_are_verified():
    plain = quarter_net([2, 3, 3, 2], 5)
    first, second = plain.layers
    skip = quarter_net([2, 3, 2], 6)
    deeper = Affine((*second.affine.terms, (0, skip.layers[0].affine.terms[0][1])), second.affine.bias)
    output = Affine((*plain.output.terms, (1, plain.output.terms[0][1] + 0.5)), plain.output.bias)
    network = Network(2, (first, replace(second, affine=deeper, negative=second.negative - 0.5)), output)
    domain = box([-1, -1], [1, 2])
    (found,) = verified(network, Prover(network, domain, seed=1))
    assert found.regions > 3


def test_several_neighbourhoods_in_one_file():
    network = quarter_net([2, 3, 2], 3)
    provers = [Prover(network, ball([F(i, 2), 0], 1), label=0, seed=i) for i in range(3)]
    found = verified(network, *provers)
    assert [v.index for v in found] == [0, 1, 2]
    assert [v.regions for v in found] == [len(p.regions) for p in provers]


def test_alone_in_an_empty_folder(tmp_path):
    shutil.copy(checker.__file__, tmp_path / "checker.py")
    lines = prove(tent_net(2), [Prover(tent_net(2), box([0], [1]))])
    write(lines, tmp_path)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", "checker.py", name], cwd=tmp_path, capture_output=True, text=True)

    good = run("x.proof")
    assert (good.returncode, good.stderr) == (0, "")
    assert "regions: 4" in good.stdout
    assert good.stdout.endswith("verified\n")
    lines[2]["counts"]["regions"] += 1
    write(lines, tmp_path, "wrong.proof")
    bad = run("wrong.proof")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert re.fullmatch(r"refused: line \d+: 5 regions claimed, 4 found\n", bad.stderr)
    assert run("nothing.proof").returncode == 2
    assert run("checker.py").returncode == 2


def test_the_report_says_what_the_file_leaves_out(tmp_path, capsys):
    network = tent_net(1)
    write(prove(network, [Prover(network, box([0], [1]), ("maps",))]), tmp_path)
    assert checker.main([str(tmp_path / "x.proof")]) == 0
    assert "not in the file: region graph, Lipschitz constants, robustness, volumes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError, 2), (RecursionError, 2), (ZeroDivisionError, 2), (SystemExit, 2), (KeyboardInterrupt, 130)]
)
@pytest.mark.parametrize("place", ["_combine", "_direction", "_report", "hashlib.sha256"])
def test_what_fails_inside_is_not_verified(tmp_path, monkeypatch, error, code, place):
    path = write(prove(SAMPLES["random"][0], [sample("random", 0)]), tmp_path)
    assert checker.main([str(path)]) == 0

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"polylc.checker.{place}", fail)
    assert checker.main([str(path)]) == code


def test_usage(capsys):
    for arguments in ([], ["x", "y"], ["--full", "x"], ["x", "--full", "y"]):
        assert checker.main(arguments) == 2
        assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("how", [["-I", "-S", checker.__file__], ["-S", "-m", "polylc.checker"]])
def test_nothing_but_the_standard_library_is_needed(tmp_path, how):
    """Without site packages (-S)."""
    path = write(prove(tent_net(2), [Prover(tent_net(2), box([0], [1]))]), tmp_path)
    done = subprocess.run([sys.executable, *how, str(path)], cwd=Path(checker.__file__).parent.parent, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("verified\n")


# ---- what is printed -------------------------------------------------------------------------------------------------
def printed(lines: list[Any], folder: Path, capsys, *options: str) -> str:
    assert checker.main([str(write(lines, folder)), *options]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_the_report_says_what_was_proved(tmp_path, capsys):
    network = quarter_net([3, 3, 2, 3], 10)
    text = printed(prove(network, [Prover(network, ball([F(1, 8)] * 3, 1), label=2)]), tmp_path, capsys)
    assert "semantics: the network over the rationals" in text
    assert "neighbourhood 0: U = [-7/8, 9/8] x [-7/8, 9/8] x [-7/8, 9/8]\n  centre: 1/8 1/8 1/8\n" in text
    assert re.search(r"label 2: not robust: f_j >= f_2 for another output j at the adversarial point \S+ \S+ \S+\n", text)
    assert re.search(r"distance: \S+, from the centre to the nearest adversarial point of U, in the maximum norm over all coordinates\n", text)
    robust = quarter_net([3, 3, 2, 3], 12)
    text = printed(prove(robust, [Prover(robust, ball([F(1, 8)] * 3, 1), label=0)]), tmp_path, capsys)
    assert "label 0: robust: f_0 > f_j on all of U, for every other output j\n" in text
    text = printed(prove(network, [Prover(network, box([0] * 3, [1] * 3), label=2)]), tmp_path, capsys)
    assert "  centre: none\n" in text


def wide(inputs: int) -> Network:
    """It reads the first of its inputs only."""
    matrix = np.zeros((1, inputs))
    matrix[0, 0] = 1.0
    return chain([matrix, np.ones((1, 1))], [np.zeros(1), np.zeros(1)])


LONG = F(10**400 + 1, 10**400)


@pytest.mark.parametrize("inputs", [1, 4, 5, 50])
@pytest.mark.parametrize("changed", [F(9, 8), LONG])
def test_different_neighbourhoods_never_print_the_same(tmp_path, capsys, inputs, changed):
    """They differ in one number, the last one."""
    network, most = wide(inputs), F(1) if changed != LONG else LONG - F(1, 10**400) * F(1, 2)
    corners, centre = ([F(-1)] * inputs, [F(1)] * (inputs - 1)), [F(0)] * (inputs - 1)
    first = prove(network, [Prover(network, box(corners[0], [*corners[1], most]), ())])
    texts = {printed(first, tmp_path, capsys)}
    texts.add(printed(prove(network, [Prover(network, box(corners[0], [*corners[1], changed]), ())]), tmp_path, capsys))
    for last in (most, changed):
        first[2]["center"] = [str(v) for v in [*centre, last]]
        texts.add(printed(first, tmp_path, capsys))
        whole = printed(first, tmp_path, capsys, "--full")
        assert f"  centre: {' '.join(first[2]['center'])}\n" in whole
        assert "..." not in whole
    assert len(texts) == 4
    assert all(len(line) < 700 for text in texts for line in text.splitlines())


def test_the_hash_printed_is_that_of_the_whole(tmp_path, capsys):
    network = wide(150)
    lines = prove(network, [Prover(network, ball([F(1, 3)] * 150, [1] + [0] * 149), ())])
    text, whole = printed(lines, tmp_path, capsys), printed(lines, tmp_path, capsys, "--full")
    for what in ("neighbourhood 0: U = ", "  centre: "):
        (short,), (long,) = ([line.removeprefix(what) for line in t.splitlines() if line.startswith(what)] for t in (text, whole))
        assert f"(150 coordinates; sha256 {hashlib.sha256(long.encode()).hexdigest()} of what --full prints here)" in short


@given(st.fractions(), st.integers(-3000, 3000))
def test_long_numbers_are_cut_off_toward_zero(value, power):
    value *= F(10) ** power
    text = checker._show(value, False)
    if text.endswith("..."):
        cut = F(text[:-3])
        assert 0 <= (value - cut) / value < F(1, 10**14)
    else:
        assert F(text) == value


# ---- roots, and long numbers -----------------------------------------------------------------------------------------
@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(-4000, 4000))
def test_roots_are_enclosed_as_narrowly_at_every_scale(p, q, power):
    square = F(p, q) * F(4) ** power
    low, high, bits = checker._root(square.numerator, square.denominator)
    assert F(low, 1 << bits) ** 2 <= square <= F(high, 1 << bits) ** 2
    assert high - low <= 1
    assert low >= 1 << checker.BITS or not p or bits == checker.BITS
    assert p == 0 or F(high - low, low) <= F(1, 2**checker.BITS)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3).map(lambda i: checker.BITS + 64 * i)), max_size=6))
def test_sums_of_roots_are_on_the_finest_scale(found):
    low, high, bits = checker._sum((value, value + 1, own) for value, own in found)
    assert F(low, 1 << bits) == sum((F(value, 1 << own) for value, own in found), F(0))
    assert F(high, 1 << bits) == sum((F(value + 1, 1 << own) for value, own in found), F(0))


HUGE = "7" * 3_000_000


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    "place", ["count", "source", "lower", "denominator", "center", "counts", "lipschitz", "vector", "label", "point", "neuron", "claim", "t", "facet"]
)
def test_an_integer_of_millions_of_digits_is_refused_at_once(tmp_path, place, sign):
    network, domain, label = SAMPLES["ball"]
    lines = copy.deepcopy(prove(network, [Prover(network, domain, label=label, seed=0)]))
    split, leaf = (next(line for line in lines[3:-1] if line[0] == kind) for kind in "SR")
    holder, key = {
        "count": (lines[0], "neighbourhoods"),
        "source": (lines[1]["network"]["layers"][0]["terms"][0], 0),
        "lower": (lines[2]["lower"], 0),
        "denominator": (lines[2]["upper"], 0),
        "center": (lines[2]["center"], 0),
        "counts": (lines[2]["counts"], "regions"),
        "lipschitz": (lines[2]["lipschitz"][0], 2),
        "vector": (lines[2]["lipschitz"][-1][5], 0),
        "label": (lines[2]["robustness"], "label"),
        "point": (lines[2]["robustness"]["point"], 0),
        "neuron": (split, 1),
        "claim": (split, 3),
        "t": (leaf[2], 1),
        "facet": (leaf, 4),
    }[place]
    value = f"{sign}1/{HUGE}" if place == "denominator" else f"{sign}{HUGE}"
    text = place in ("lower", "denominator", "center", "lipschitz", "point")
    holder[key] = value if text else "HERE"
    path = write([json.dumps(line).replace('"HERE"', value) for line in lines], tmp_path)
    before, begin = sys.get_int_max_str_digits(), time.process_time()
    with pytest.raises(checker.Unreadable, match="of more than 100000 digits"):
        checker.check_file(path)
    assert time.process_time() - begin < 5  # hours, otherwise
    assert sys.get_int_max_str_digits() == before


def test_integers_of_thousands_of_digits_are_read(tmp_path, capsys):
    """Whatever Python's own limit is."""
    network = tent_net(1)
    far = F(10**9000 + 1, 10**9000)
    with checker._digits():
        lines, shown = prove(network, [Prover(network, box([0], [far]), ())]), f"U = [0, {far}]"
        path = write(lines, tmp_path)
    assert checker.main([str(path), "--full"]) == 0
    assert shown in capsys.readouterr().out


def test_the_examples_in_the_document(tmp_path, capsys):
    blocks = re.findall(r"<!-- example -->\n+```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        lines = block.splitlines()
        write(lines, tmp_path)
        assert checker.main([str(tmp_path / "x.proof")]) == 0, capsys.readouterr().err
        assert lines[-1] == '["end of file"]'
    said = capsys.readouterr().out
    assert "(x >= -1 and x <= 1 and f0 > 1/2)" in said
    for true, false in (('"-1/2", true', '"-1/2", false'), ("~40", ""), ("~40", "~3f"), ("~40", "~41")):
        write(blocks[1].replace(true, false).splitlines(), tmp_path)
        assert checker.main([str(tmp_path / "x.proof")]) == 1


# ---- what makes it fast is exact -------------------------------------------------------------------------------------
def plain(network: Network) -> checker._Network:
    found = checker._Network(json.loads(json.dumps(network_line(network))))
    found.in_columns()
    return found


def skipping(seed: int) -> Network:
    """Leaky units, and layers that read several layers, one of them twice."""
    net = quarter_net([2, 4, 4, 2], seed)
    first, second = net.layers
    weight, reading = first.affine.terms[0][1], second.affine.terms[0][1]
    deeper = Affine((*second.affine.terms, (0, weight), (1, reading / 2)), second.affine.bias)
    layers = (replace(first, negative=first.negative - 0.5), replace(second, affine=deeper, negative=second.negative + 0.25))
    return Network(2, layers, Affine((*net.output.terms, (1, net.output.terms[0][1] + 0.5)), net.output.bias))


@settings(max_examples=60)
@given(st.one_of(small_nets(), st.integers(0, 100).map(skipping)), st.data())
def test_forms_composed_from_those_of_another_cell_are_the_same(network, data):
    net = plain(network)
    forms: list[Any] = [[[1, 0, 3], [0, 2, -1], [1, 1, 1]][: network.inputs]]
    bits = other = 0
    for layer in range(net.hidden + 1):
        columns = net.compose(layer, forms, bits, 5)
        if layer:
            there = net.compose(layer, forms, other, 5)
            first = net.first[layer - 1]
            assert columns == net.recompose(layer, there, forms[layer], bits >> first, (bits ^ other) >> first)
        if layer < net.hidden:  # the layers before have the same bits on both cells
            width, first = len(net.slopes[layer]), net.first[layer]
            own = [data.draw(st.integers(0, 2**width - 1)) << first for _ in range(2)]
            bits, other = bits | own[0], bits | own[1]
            forms.append(list(zip(*columns, strict=True)))


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=4), st.sampled_from([-(3**50), -2, 1, 7]))
def test_proportional_rows_have_the_same_direction(row, factor):
    assert checker._direction([factor * a for a in row]) == checker._direction(row)
    assert (checker._direction(row) is None) is not any(row)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=4, max_size=4), st.permutations(range(3)), st.data())
def test_combinations_of_rows(rows, order, data):
    """However many walls are combined, and what is no combination of them is refused."""
    path = [checker._Wall(row, 0, 0, 0, 0, 0) for row in rows[1:]]
    for count in range(4):
        multipliers = data.draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
        pairs = [v for pair in zip(order, multipliers, strict=False) for v in pair]
        total = [3 * a for a in rows[0]]
        for e, m in zip(order, multipliers, strict=False):
            total = [a - m * b for a, b in zip(total, rows[1 + e], strict=True)]
        assert checker._combine(3, rows[0], path, pairs) == total
        for place in range(len(pairs)):
            entries = [e for e in pairs[::2] if e != pairs[place]]
            for wrong in [-1, 3, *entries] if place % 2 == 0 else [0, -1]:
                with pytest.raises(checker.Unreadable):
                    checker._combine(3, rows[0], path, [*pairs[:place], wrong, *pairs[place + 1 :]])
        with pytest.raises(checker.Unreadable):
            checker._combine(3, rows[0], path, [*pairs, 0])


@given(st.integers(1, 4), st.lists(st.integers(-2, 3), min_size=10, max_size=10))
def test_semidefinite_matrices_have_no_negative_principal_minor(size, entries):
    values = iter(entries)
    half = [[next(values) for _ in range(i, size)] for i in range(size)]
    full = [[half[min(i, j)][abs(i - j)] for j in range(size)] for i in range(size)]
    some = [[i for i in range(size) if subset >> i & 1] for subset in range(1, 2**size)]
    minors = [checker._determinant([[full[i][j] for j in chosen] for i in chosen]) for chosen in some]
    assert checker._semidefinite(half) == all(m >= 0 for m in minors)


def test_the_document_mirrors_the_file():
    """Its table names every class, in the order of the file, and the headings that the classes cite."""
    source, document = Path(checker.__file__).read_text(), DOCUMENT.read_text()
    table = document.split("## The checker from top to bottom")[1].split("## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")][1:]
    classes = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]
    assert classes == re.findall(r"^class (\w+)", source, re.MULTILINE)
    headings = set(re.findall(r"^#+ (.*)$", document, re.MULTILINE))
    named = {heading for row in rows[1:] for cell in row[2:] for heading in cell.split(", ") if heading}
    cited = re.findall(r'(?:Proof|Format|regions):\s+"(.*?)"', source)
    assert len(cited) == 21
    assert set(cited) <= named <= headings
    blocks = re.findall(r"^# ---- (.*?)[:-]", source, re.MULTILINE)
    assert [row[0] for row in rows] == [block.strip() for block in blocks if block.strip() != "what is printed"]
    assert [f"part {kind.name}" for kind in checker.KINDS] == [row[0] for row in rows if row[0].startswith("part ")]

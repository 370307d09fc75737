"""The stand-alone checker: it verifies true proofs, with the counts of the oracles, and refuses damaged ones."""

from __future__ import annotations

import copy
import functools
import gzip
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets import SPECIAL, l1_net, quarter_net, random_net, small_nets, tent_net
from oracles import adjacent_pairs, brute_force_patterns, clip_regions
from prover import ALL, Prover, network_line, prove

from polylc import checker
from polylc.domains.ball import ball
from polylc.domains.box import Neighbourhood, box
from polylc.network.form import Affine, Network, chain

DOCUMENT = Path(__file__).parent.parent / "docs" / "certificate-format.md"


# ---- true proofs -----------------------------------------------------------------------------------------------------
def write(lines: list[Any], folder: Path, name: str = "x.proof") -> Path:
    """A proof file; lines that are text are written as they are."""
    path = folder / name
    path.write_bytes(gzip.compress("".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in lines).encode(), 1))
    return path


def verified(network: Network, *provers: Prover) -> list[checker.Verified]:
    with tempfile.TemporaryDirectory() as folder:
        return checker.check_file(write(prove(network, list(provers)), Path(folder)))


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
    assert len(cited) == 20
    assert set(cited) <= named <= headings
    blocks = re.findall(r"^# ---- (.*?)[:-]", source, re.MULTILINE)
    assert [row[0] for row in rows] == [block.strip() for block in blocks if block.strip() != "what is printed"]
    assert [f"part {kind.name}" for kind in checker.KINDS] == [row[0] for row in rows if row[0].startswith("part ")]


# ---- damaged proofs --------------------------------------------------------------------------------------------------
@dataclass
class Proof:
    """A true proof to damage."""

    network: Network
    prover: Prover
    lines: list[Any]
    random: random.Random

    def pick(self, found: list[Any]) -> Any:
        """One of what was found; without any the mutation does not apply."""
        if not found:
            raise Inapplicable
        return self.random.choice(found)

    @property
    def block(self) -> dict[str, Any]:
        return self.lines[2]

    @property
    def splits(self) -> list[list[Any]]:
        return [line for line in self.lines[3:-1] if line[0] == "S"]

    @property
    def leaves(self) -> list[list[Any]]:
        return [line for line in self.lines[3:-1] if line[0] == "R"]

    def claims(self, pairs: int = 0) -> list[list[int]]:
        return [claim for line in self.lines[3:-1] for claim in line[3] if len(claim) >= 2 + 2 * pairs]

    def facets(self, edge: bool, length: int = 0) -> list[list[int]]:
        return [entry for line in self.leaves for entry in line[4] if (entry[0] >= 0) is edge and len(entry) > length]

    def margins(self, kind: str) -> list[list[Any]]:
        return [entry for line in self.leaves for entry in line[5] if entry[0] == kind]


class Inapplicable(Exception):  # noqa: N818
    """There is nothing in this proof that the mutation could change."""


SAMPLES: dict[str, tuple[Network, Neighbourhood, int]] = {
    "random": (random_net([2, 4, 3, 3], 1), box([-1, -1], [1, 1]), 0),
    "ball": (random_net([2, 3, 3, 2], 6), ball([F(1, 8), F(1, 8)], 1), 1),
    "ties": (quarter_net([2, 3, 3, 2], 7), ball([F(1, 8), F(1, 8)], 1), 0),
    "three inputs": (quarter_net([3, 3, 2, 3], 10), ball([F(1, 8)] * 3, 1), 2),
    "robust": (quarter_net([3, 3, 2, 3], 12), ball([F(1, 8)] * 3, 1), 0),
    "wrong label": (random_net([2, 4, 3, 3], 2), ball([F(1, 3), F(1, 5)], 1), 1),
    "fixed coordinate": (random_net([3, 3, 3, 2], 5), ball([0, F(1, 7), 0], [1, 0, 1]), 1),
    "zero biases": (SPECIAL["zero biases"], box([-1, -1], [1, 1]), 0),
    "l1": (l1_net(2), box([-1, -1], [1, 2]), 0),
    "tent": (tent_net(3), box([0], [1]), 0),
}


@functools.cache
def sample(name: str, seed: int) -> Prover:
    network, domain, label = SAMPLES[name]
    return Prover(network, domain, label=label, seed=seed)


def damaged(kind: str, name: str, seed: int, choice: int) -> list[Any] | bytes | None:
    """Lines, or the bytes, of a damaged proof; None if the mutation does not apply."""
    prover = sample(name, seed)
    proof = Proof(SAMPLES[name][0], prover, copy.deepcopy(prove(SAMPLES[name][0], [prover])), random.Random(choice))
    try:
        found = MUTATIONS[kind](proof)  # a file cut to nothing is damaged too
        return proof.lines if found is None else found
    except Inapplicable:
        return None


MUTATIONS: dict[str, Any] = {}


def mutation(function: Any) -> Any:
    MUTATIONS[function.__name__] = function
    return function


@mutation
def flipped_pattern_bit(p):
    line = p.pick(p.leaves)
    line[1] = format(int(line[1], 16) ^ 1 << p.random.randrange(p.network.neurons), "x")


@mutation
def pattern_with_a_leading_zero(p):
    line = p.pick(p.leaves)
    line[1] = "0" + line[1]


@mutation
def missing_region(p):
    p.lines.remove(p.pick(p.leaves))


@mutation
def missing_split(p):
    p.lines.remove(p.pick([line for line in p.splits if line[2] == 2]))


@mutation
def region_twice(p):
    line = p.pick(p.leaves)
    p.lines.insert(p.lines.index(line), line)


@mutation
def missing_claim(p):
    line = p.pick([line for line in p.lines[3:-1] if line[3]])
    line[3].remove(p.pick(line[3]))


@mutation
def claim_twice(p):
    line = p.pick([line for line in p.lines[3:-1] if line[3]])
    line[3].append(p.pick(line[3]))


@mutation
def claim_without_multipliers(p):
    del p.pick(p.claims(1))[2:]


@mutation
def negative_multiplier(p):
    p.pick(p.claims(1))[3] *= -1


@mutation
def zero_multiplier(p):
    p.pick(p.claims(1))[3] = 0


@mutation
def huge_multiplier(p):
    p.pick(p.claims(1))[3] *= 2**300


@mutation
def scaled_lam(p):
    p.pick(p.claims(1))[1] *= 2**300


@mutation
def negated_lam(p):
    p.pick(p.claims())[1] *= -1


@mutation
def zero_lam(p):
    p.pick(p.claims())[1] = 0


@mutation
def claim_of_an_odd_length(p):
    p.pick(p.claims(1)).pop()


@mutation
def empty_claim(p):
    p.pick(p.claims()).clear()


@mutation
def claim_of_a_decided_neuron(p):
    line = p.pick([line for line in p.splits if line[2] != 2])
    p.lines[p.lines.index(line) + 1][3].insert(0, [line[1], 1])


@mutation
def claim_of_a_neuron_that_does_not_exist(p):
    p.pick(p.claims())[0] = p.random.choice([-1, p.network.neurons, 2**70])


@mutation
def claim_on_a_later_layer(p):
    last = p.network.neurons - 1
    p.pick([claim for claim in p.claims() if p.network.layer_of[claim[0]] < p.network.layer_of[last]])[0] = last


@mutation
def path_index_out_of_range(p):
    p.pick(p.claims(1))[2] = p.random.choice([-1, 1000])


@mutation
def path_index_repeated(p):
    claim = p.pick(p.claims(1))
    claim += claim[2:4]


@mutation
def other_neuron_at_a_split(p):
    line = p.pick([line for line in p.splits if line[2] == 2])
    line[1] = p.pick([n for n in range(p.network.neurons) if n != line[1]])


@mutation
def one_side_cut_off(p):
    p.pick([line for line in p.splits if line[2] == 2])[2] = p.random.choice([0, 1])


@mutation
def cut_off_side_claimed_to_exist(p):
    p.pick([line for line in p.splits if line[2] != 2])[2] = 2


@mutation
def other_side_cut_off(p):
    line = p.pick([line for line in p.splits if line[2] != 2])
    line[2] = 1 - line[2]


@mutation
def third_side(p):
    p.pick(p.splits)[2] = p.random.choice([3, -1, None, "2"])


@mutation
def swapped_children(p):
    start = p.lines.index(p.pick([line for line in p.splits if line[2] == 2])) + 1

    def end(at: int) -> int:
        line = p.lines[at]
        at += 1
        for _ in range(0 if line[0] == "R" else 2 if line[2] == 2 else 1):
            at = end(at)
        return at

    middle = end(start)
    p.lines[start : end(middle)] = p.lines[middle : end(middle)] + p.lines[start:middle]


@mutation
def point_outside(p):
    point = p.pick(p.leaves)[2]
    point[p.random.randrange(1, len(point))] += 2 * point[0] * p.random.choice([-1, 1])


@mutation
def point_on_the_boundary(p):
    point = p.pick(p.leaves)[2]
    point[p.random.randrange(1, len(point))] = point[0]


@mutation
def point_of_another_region(p):
    line = p.pick(p.leaves)
    line[2] = p.pick([other[2] for other in p.leaves if other is not line])


@mutation
def point_without_a_denominator(p):
    p.pick(p.leaves)[2][0] *= p.random.choice([0, -1])


@mutation
def point_of_another_dimension(p):
    p.pick(p.leaves)[2].append(0)


def _other_box(p, bound, change):
    coordinate = p.pick(list(p.prover.free))
    p.block[bound][coordinate] = str(change(F(p.block[bound][coordinate])))
    domain = box([F(v) for v in p.block["lower"]], [F(v) for v in p.block["upper"]])
    if len(Prover(p.network, domain, ()).regions) == p.block["counts"]["regions"]:
        raise Inapplicable


@mutation
def wider_neighbourhood(p):
    _other_box(p, "upper", lambda v: v + 5)


@mutation
def narrower_neighbourhood(p):
    _other_box(p, "upper", lambda v: v - F(9, 10))


@mutation
def bounds_swapped(p):
    p.block["lower"], p.block["upper"] = p.block["upper"], p.block["lower"]


@mutation
def neighbourhood_without_interior(p):
    p.block["lower"] = p.block["upper"]


@mutation
def bound_that_is_no_rational(p):
    p.block["lower"][0] = p.random.choice(["1/0", "0.5", " 1", "", "1/-2", "+1", "1e3", 1, None, "\u0661", "1\n"])


def _other_count(p, name):
    if p.block["counts"][name] is None:
        raise Inapplicable
    p.block["counts"][name] += p.random.choice([-1, 1])


for _name in checker.COUNTS:
    MUTATIONS[f"other_number_of_{_name}"] = functools.partial(_other_count, name=_name)


@mutation
def count_left_out(p):
    p.block["counts"][p.random.choice(checker.COUNTS)] = None


@mutation
def facets_dropped(p):
    p.pick(p.facets(True) + p.facets(False))
    for line in p.leaves:
        line[4] = []


@mutation
def facet_refuted(p):
    entry = p.pick(p.facets(True))
    entry[:] = [-1 - entry[0], p.random.choice([1, -1])]


@mutation
def refuted_facet_claimed(p):
    entry = p.pick(p.facets(False))
    entry[:] = [-1 - entry[0], p.random.randrange(p.prover.k), 1, *[0] * p.prover.k]


@mutation
def refutation_negated(p):
    entry = p.pick([entry for entry in p.facets(False, 3) if entry[1]])
    entry[1] *= -(2**300)


@mutation
def refutation_without_multipliers(p):
    p.pick(p.facets(False))[1:] = [0]


@mutation
def two_facets_on_one_hyperplane(p):
    first, second = p.random.sample(p.pick([line for line in p.leaves if len(line[4]) > 1])[4], 2)
    first[0] = second[0]


@mutation
def facet_beyond_the_path(p):
    p.pick(p.facets(True))[0] += 1000


@mutation
def facet_point_outside(p):
    entry = p.pick(p.facets(True, 4))
    q = p.pick([q for q in range(p.prover.k) if q != entry[1]])
    entry[3 + q] = entry[2] * p.random.choice([2, -2, 1])


@mutation
def facet_coordinate_out_of_range(p):
    p.pick(p.facets(True))[1] = p.random.choice([-1, p.prover.k])


@mutation
def facets_without_a_graph(p):
    p.pick(p.facets(True) + p.facets(False))
    p.block["parts"].remove("graph")
    p.block["counts"]["adjacencies"] = p.block["counts"]["pieces"] = None


@mutation
def distance_entry_dropped(p):
    entry = p.pick(p.margins("D"))
    for line in p.leaves:
        line[5] = [e for e in line[5] if e is not entry]


@mutation
def distance_entry_scaled(p):
    p.pick(p.margins("D"))[2] *= 2


@mutation
def distance_entry_with_large_weights(p):
    entry = p.pick([entry for entry in p.margins("D") if entry[4]])
    entry[4][0][1] += entry[2] * 2


@mutation
def distance_entry_with_a_negative_margin(p):
    entry = p.pick(p.margins("D"))
    entry[3] = -entry[3] - 1


@mutation
def distance_entry_of_an_input_twice(p):
    entry = p.pick([entry for entry in p.margins("D") if entry[4]])
    entry[4].append([entry[4][0][0], 0])


@mutation
def margin_entry_of_nothing(p):
    p.pick(p.margins("A"))[2:] = [0]


@mutation
def margin_entry_with_a_negative_multiplier(p):
    entry = p.pick(p.margins("A"))
    entry[2] = -entry[2] - 1


@mutation
def margin_entry_twice(p):
    line = p.pick([line for line in p.leaves if line[5]])
    line[5].append(line[5][0])


@mutation
def margin_entry_of_the_label(p):
    p.pick(p.margins("A") + p.margins("D"))[1] = p.prover.label


def _robustness(p, robust):
    claim = p.block["robustness"]
    if claim is None or claim["robust"] is not robust:
        raise Inapplicable
    return claim


@mutation
def larger_distance(p):
    claim = _robustness(p, False)
    claim["distance"] = str(F(p.pick([claim["distance"]] if claim["distance"] else [])) * 2 + 1)


@mutation
def smaller_distance(p):
    claim = _robustness(p, False)
    claim["distance"] = str(F(p.pick([d for d in [claim["distance"]] if d not in (None, "0")])) / 2)


@mutation
def farther_adversarial_point(p):
    claim, q = _robustness(p, False), p.prover
    found = []
    for region in q.regions if q.distance is not None else ():
        values = [sum((a * t for a, t in zip(f, region.point, strict=False)), f[-1]) for f in region.outputs]
        x = list(q.domain.lower)
        for j, t, h in zip(q.free, region.point, q.half, strict=True):
            x[j] = q.middle[j] + t * h
        distance = max(abs(a - c) for a, c in zip(x, q.domain.center, strict=True))
        if distance > q.distance and any(v >= values[q.label] for j, v in enumerate(values) if j != q.label):
            found.append((x, distance))
    point, distance = p.pick(found)
    claim["point"], claim["distance"] = [str(v) for v in point], str(distance)


@mutation
def adversarial_point_outside(p):
    claim = _robustness(p, False)
    claim["point"][p.random.randrange(p.network.inputs)] = "1000"


@mutation
def adversarial_point_at_the_centre(p):
    claim = _robustness(p, False)
    if p.block["center"] is None or claim["distance"] == "0":
        raise Inapplicable
    claim["point"] = p.block["center"]


@mutation
def said_to_be_robust(p):
    _robustness(p, False).update(robust=True, distance=None, point=None)


@mutation
def said_not_to_be_robust(p):
    claim = _robustness(p, True)
    x = [(F(a) + F(b)) / 2 for a, b in zip(p.block["lower"], p.block["upper"], strict=True)]
    claim.update(robust=False, point=[str(v) for v in x], distance="0")


@mutation
def other_label(p):
    claim = p.block["robustness"]
    if claim is None or p.block["center"] is None or claim["distance"] == "0":
        raise Inapplicable
    claim["label"] = p.pick([j for j in range(p.network.outputs) if j != claim["label"]])


@mutation
def label_that_does_not_exist(p):
    (p.block["robustness"] or p.pick([]))["label"] = p.random.choice([-1, p.network.outputs])


@mutation
def other_centre(p):
    claim = _robustness(p, False)
    p.block["center"] = [str(F(v) + 100) for v in p.block["center"] or p.pick([])]
    assert claim["distance"] is not None


@mutation
def lipschitz_lower_bound_raised(p):
    row = p.pick(p.block["lipschitz"])
    row[2] = str(F(row[3]) + F(1, 10**9))


@mutation
def lipschitz_upper_bound_lowered(p):
    row = p.pick([row for row in p.block["lipschitz"] if F(row[2]) > 0])
    row[3] = str(F(row[2]) * F(999, 1000))


@mutation
def negative_lipschitz_bound(p):
    p.pick(p.block["lipschitz"])[2] = "-1"


@mutation
def lipschitz_target_that_does_not_exist(p):
    m = p.network.outputs
    p.pick(p.block["lipschitz"][:-1])[0] = p.random.choice([f"f{m}", "f0-f0", f"f0-f{m}", "g", "f", "f-1", "f00", None])


@mutation
def lipschitz_norm_that_does_not_exist(p):
    p.pick(p.block["lipschitz"])[1] = "l3"


@mutation
def spectral_vector_of_zeros(p):
    p.block["lipschitz"][-1][5] = [0] * p.network.outputs


@mutation
def spectral_vector_of_another_length(p):
    p.block["lipschitz"][-1][5].append(1)


@mutation
def spectral_region_that_does_not_exist(p):
    p.block["lipschitz"][-1][4] = p.random.choice([-1, len(p.leaves)])


@mutation
def changed_weight(p):
    row = p.pick(p.lines[1]["network"]["layers"][0]["terms"][0][1])
    row[p.random.randrange(len(row))] += 0.25


@mutation
def changed_slope(p):
    p.lines[1]["network"]["layers"][0]["negative"][0] += 0.5


@mutation
def changed_network_with_its_own_hash(p):
    neuron = p.pick([line[1] for line in p.splits if line[2] == 2 and line[1] < p.network.widths[0]])
    first, *rest = p.network.layers
    bias = first.affine.bias.copy()
    bias[neuron] += 1e6  # decided on the whole neighbourhood, so there is nothing to split
    layers = (replace(first, affine=Affine(first.affine.terms, bias)), *rest)
    p.lines[1] = {"network": network_line(Network(p.network.inputs, layers, p.network.output))}


@mutation
def other_hash(p):
    p.lines[1]["network"]["weights_sha256"] = "0" * 64


@mutation
def weight_that_is_no_number(p):
    p.lines[1]["network"]["output"]["bias"][0] = p.random.choice([float("nan"), float("inf"), 1, True, None, "0"])


@mutation
def weight_out_of_range(p):
    p.lines[1] = json.dumps(p.lines[1]).replace('"bias": [', '"bias": [1e999, ', 1)


@mutation
def source_after_its_reader(p):
    p.lines[1]["network"]["layers"][0]["terms"][0][0] = p.random.choice([1, 5, -1, True])


@mutation
def unknown_key(p):
    p.pick([p.lines[0], p.lines[1], p.lines[1]["network"], p.block, p.block["counts"]])["volume"] = 1


@mutation
def missing_key(p):
    value = p.pick([p.lines[0], p.lines[1], p.lines[1]["network"], p.block, p.block["counts"]])
    del value[p.pick(list(value))]


@mutation
def duplicate_key(p):
    place = p.random.randrange(3)
    key, value = next(iter(p.lines[place].items()))
    p.lines[place] = "{" + json.dumps(key) + ": " + json.dumps(value) + ", " + json.dumps(p.lines[place])[1:]


@mutation
def bool_for_an_integer(p):
    line = p.pick(p.leaves)
    p.pick([lambda: line[2].__setitem__(0, True), lambda: p.block.update(neighbourhood=False), lambda: p.lines[0].update(neighbourhoods=True)])()


@mutation
def float_for_an_integer(p):
    line = p.pick(p.leaves)
    line[2][0] = float(line[2][0])


@mutation
def number_for_a_text(p):
    p.lines[0]["producer"] = 1


@mutation
def other_format(p):
    p.lines[0]["format"] = p.random.choice(["polylc-proof/2", "polylc-proof/1 ", "", None, 1])


@mutation
def other_number_of_neighbourhoods(p):
    p.lines[0]["neighbourhoods"] = p.random.choice([0, 2, -1])


@mutation
def other_neighbourhood(p):
    p.block["neighbourhood"] = p.random.choice([0.0, -1, "0"])


@mutation
def neighbourhood_twice(p):
    p.lines[-1:-1] = p.lines[2:-1]


@mutation
def other_parts(p):
    parts = p.block["parts"]
    p.pick([parts.reverse, lambda: parts.append("volumes"), lambda: parts.append(parts[0]), lambda: parts.remove("lipschitz")])()


@mutation
def missing_last_line(p):
    p.lines.pop()


@mutation
def line_after_the_end(p):
    p.lines.append(p.random.choice([["end of file"], "", "x"]))


@mutation
def line_before_the_end(p):
    p.lines.insert(-1, p.random.choice([*p.lines, ""]))


@mutation
def text_instead_of_a_line(p):
    p.lines[p.random.randrange(len(p.lines))] = p.random.choice(["", "{}", "[]", "null", "[" * 100000, '["R"]', "\ud7ff"])


@mutation
def line_cut_short(p):
    place = p.random.randrange(len(p.lines))
    text = json.dumps(p.lines[place])
    p.lines[place] = text[: p.random.randrange(len(text))]


def _bytes(p):
    with tempfile.TemporaryDirectory() as folder:
        return bytearray(write(p.lines, Path(folder)).read_bytes())


@mutation
def truncated_file(p):
    data = _bytes(p)
    return bytes(data[: p.random.randrange(len(data))])


@mutation
def changed_byte(p):
    good = bytes(_bytes(p))
    for _ in range(100):
        data = bytearray(good)
        data[p.random.randrange(10, len(data))] ^= 1 << p.random.randrange(8)  # the first ten are the header of gzip
        try:
            if gzip.decompress(data) != gzip.decompress(good):
                break
        except (OSError, EOFError, zlib.error):
            break  # otherwise it was one of the bits that fill the last byte of the compressed text
    return bytes(data)


@mutation
def bytes_after_the_end(p):
    return bytes(_bytes(p)) + b"more"


@mutation
def not_compressed(p):
    return gzip.decompress(_bytes(p))


def exit_code(what: list[Any] | bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.proof"
        if isinstance(what, bytes):
            path.write_bytes(what)
        else:
            write(what, Path(folder))
        code = checker.main([str(path)])
        if code:  # a damaged file is told from a failure of the checker
            with pytest.raises(checker.Refused if code == 1 else checker.Unreadable):
                checker.check_file(path)
        return code


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_verified(name):
    for seed in range(3):
        assert exit_code(prove(SAMPLES[name][0], [sample(name, seed)])) == 0


@pytest.mark.parametrize("kind", MUTATIONS)
def test_damaged_proofs_are_refused(kind):
    applicable = [(name, seed) for name in SAMPLES for seed in range(3) if damaged(kind, name, seed, 0) is not None]
    assert applicable, "the mutation applies to no sample"

    @settings(max_examples=15, database=None)
    @given(st.sampled_from(applicable), st.integers(0, 10**6))
    def refused(proof, choice):
        what = damaged(kind, *proof, choice)
        assume(what is not None)
        assert exit_code(what) in (1, 2)

    refused()

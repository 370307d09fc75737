"""Damaged proofs: what no longer proves what it says is refused, one kind of damage after another."""

from __future__ import annotations

import copy
import functools
import gzip
import json
import random
import tempfile
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from proof_samples import SAMPLES, sample, write
from prover import Prover, network_line, prove

from polylc import checker
from polylc.domains.box import box
from polylc.network.form import Affine, Network


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

"""The inequalities are theorems: however nasty the network and the neighbourhood, none that is listed as one fails."""

from __future__ import annotations

from collections import Counter

import pytest
from nasty import nasty_case

import polylc
from polylc.errors import NeighbourhoodError
from polylc.network.form import chain
from polylc.report.record import Refusal

CLAIM = "not a theorem"
MEASURES = "local_complexity,lipschitz,robustness,bounds"


def cry_wolf(seeds) -> Counter[str]:
    """How many cases were measured, refused, off centre, and how many inequalities held; fails at the first that does
    not.
    """
    tally: Counter[str] = Counter()
    for seed in seeds:
        case = nasty_case(seed)
        labels = None if case.label is None else [case.label]
        try:
            result = polylc.certify(case.network, **case.where, labels=labels, sigma=case.sigma, measures=MEASURES)[0]
        except NeighbourhoodError:  # a box thinner than doubles around its centre
            tally["refused"] += 1
            continue
        if isinstance(result, Refusal):
            tally["refused"] += 1
            continue
        assert result.status == "certified", seed
        assert result.bounds is not None, (seed, result.notes)
        tally["measured"] += 1
        centre = result.domain.center
        tally["off centre"] += centre is not None and not result.domain.contains(centre)
        for bound in result.bounds:
            assert bound.holds is not False or CLAIM in bound.name, (seed, bound)
            assert bound.left.lower >= 0, (seed, bound)
            assert bound.left.upper is None or bound.left.upper >= bound.left.lower, (seed, bound)
            tally["holds"] += bound.holds is True
            tally[bound.name.split(",")[0].split(" f")[0]] += 1
    return tally


def test_a_distance_from_a_centre_outside_is_no_business_of_constants_inside():
    """The margin falls from 1/2 at the centre to -1/2 before the neighbourhood begins, where it is constant."""
    network = chain([[[1.0], [1.0]], [[8.0, -8.0], [0.0, 0.0]]], [[-1.0, -1.125], [0.0, 0.5]])
    result = polylc.certify(network, [0], radius=2, clip=("1.25", 5), measures=MEASURES)[0]
    assert (result.lipschitz[0].value, result.robustness.exact_distance) == (0.0, 1.25)
    assert not {"T6a", "T6c"} & {b.name for b in result.bounds}
    assert all(b.holds is not False for b in result.bounds)


def test_no_theorem_fails_however_nasty_the_case():
    tally = cry_wolf(range(150))
    assert tally["measured"] > 120
    assert tally["off centre"] > 5
    names = {"C2", "C3", "T5", "T5 box", "C8", "T3 step 1", "T6a", "T6b", "T6c", "T2 lower", "T4", "T7"}
    assert names <= {name for name, many in tally.items() if many > 5}


@pytest.mark.slow
def test_no_theorem_fails_in_thousands_of_nasty_cases():
    assert cry_wolf(range(1000, 6000))["measured"] > 4000

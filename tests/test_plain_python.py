"""Under NUMBA_DISABLE_JIT=1 all kernels are plain Python, in which an index out of range is an error, and come to the
same result.

Compiled kernels contract products and sums into fused operations, which plain Python cannot, so some last bits differ:
of forms, of the bounds on their rounding, and of what engines and floating geometry propose. Nothing that is exact may
differ: counts, ranks, closed forms, distances and adversarial points, whether an inequality holds. Enclosures of the
same number must have a point in common, and the means of their middles be near; so must be what is not certified, which
floats say without a bound.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import SPECIAL, zero_bias_net

from polylc.api.certify import certify
from polylc.api.check import check
from polylc.network.form import Network
from polylc.readers.load import load

TESTS = Path(__file__).parent
POINTS = ("center", "radius", "lower", "upper", "adversarial")  # pairs in dimension 2, and no enclosures
CASES = (
    "by region",
    "by node",
    "as engines see it",
    "three dimensions",
    "eight of many",
    "zero biases",
    "duplicates",
    "two layers of cones",
)


def around_zero(network: Network) -> dict[str, Any]:
    return {"network": network, "box": ([-1] * network.inputs, [1] * network.inputs), "sigma": 0.1}


def arguments(case: str, folder: Path) -> dict[str, Any]:
    """What `certify` is called with; every kernel outside of the lp engine has its turn."""
    moons: dict[str, Any] = {"network": TESTS / "data" / "moons2d.npz", "points": [0.1, 0.2], "radius": "0.1", "sigma": 0.01, "engine": "vertex"}
    if case == "by region":
        return moons
    if case == "by node":
        return {**moons, "proof": folder / "plain.proof"}
    if case == "as engines see it":
        return {**moons, "certified": False}
    if case == "three dimensions":
        return {"network": TESTS / "data" / "rand3d.npz", "points": [0.1, 0.2, 0.3], "radius": "0.02", "sigma": 0.01, "engine": "dictionary"}
    if case == "eight of many":
        centre = np.load(TESTS / "data" / "digits64.npz")["centers"][0]
        radius = ["0.05" if 20 <= j < 28 else 0 for j in range(len(centre))]
        return {"network": TESTS / "data" / "digits64.npz", "points": centre, "radius": radius, "engine": "dictionary"}
    if case == "zero biases":
        return around_zero(SPECIAL["zero biases"])
    if case == "duplicates":
        return around_zero(SPECIAL["duplicates and negatives"])
    return around_zero(zero_bias_net([2, 4, 3, 2], 0))


def reports(folder: Path) -> dict[str, Any]:
    """The JSON report of every case."""
    result = {}
    for case in CASES:
        given = arguments(case, folder)
        network = given.pop("network")
        run = certify(network if isinstance(network, Network) else load(network), **given)
        result[case] = json.loads(run.report().model_dump_json())
    return result


def assert_agree(one: Any, two: Any, name: str = "", where: str = "", slack: float = 0.0) -> None:
    if name == "seconds":
        return
    if isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_agree(one[key], two[key], key, f"{where}/{key}", slack)
    elif name.startswith("mean_") and isinstance(one, float):
        assert one == pytest.approx(two, rel=1e-9), where
    elif isinstance(one, list) and name not in POINTS and len(one) == 2 and all(v is None or isinstance(v, float) for v in [*one, *two]):
        (low, high), (below, above) = ((0.0 if v[0] is None else v[0], sys.float_info.max if v[1] is None else v[1]) for v in (one, two))
        assert low <= above + slack * abs(above), where
        assert below <= high + slack * abs(high), where
    elif isinstance(one, list):
        assert len(one) == len(two), where
        for i, pair in enumerate(zip(one, two, strict=True)):
            assert_agree(*pair, name, f"{where}[{i}]", slack)
    else:
        assert one == two, where


def test_plain_python_comes_to_the_same_result(tmp_path):
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
    (tmp_path / "plain").mkdir()
    (tmp_path / "compiled").mkdir()
    code = "import sys, json, pathlib, test_plain_python as t; print(json.dumps(t.reports(pathlib.Path(sys.argv[1]))))"
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", code, str(tmp_path / "plain")]
    plain = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert plain.returncode == 0, plain.stderr
    found, compiled = json.loads(plain.stdout.splitlines()[-1]), reports(tmp_path / "compiled")
    for case in CASES:
        certified = case != "as engines see it"
        assert compiled[case]["neighbourhoods"][0]["status"] == ("certified" if certified else "enumerated")
        assert_agree(found[case], compiled[case], where=case, slack=0.0 if certified else 1e-12)
    (verified,) = check(tmp_path / "plain" / "plain.proof")
    assert verified.regions == found["by node"]["neighbourhoods"][0]["regions"]


@pytest.mark.parametrize(
    ("one", "two"), [({"a": 1}, {"a": 2}), ({"v": [1.0, 2.0]}, {"v": [2.5, 3.0]}), ({"center": [1.0, 2.0]}, {"center": [1.0, 2.1]})]
)
def test_what_does_not_agree_is_seen(one, two):
    with pytest.raises(AssertionError):
        assert_agree(one, two)

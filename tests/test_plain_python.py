"""Under NUMBA_DISABLE_JIT=1 all kernels are plain Python, in which an index out of range is an error, and come to the
same result, to the last bit of every float: no compiled operation is fused with another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from nets import SPECIAL, zero_bias_net

from polylc.api.certify import certify
from polylc.api.check import check
from polylc.network.form import Network
from polylc.readers.load import load

TESTS = Path(__file__).parent
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


def without_seconds(found: Any) -> Any:
    """A report without what time took."""
    if isinstance(found, dict):
        return {key: without_seconds(value) for key, value in found.items() if key != "seconds"}
    return [without_seconds(value) for value in found] if isinstance(found, list) else found


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
        assert without_seconds(found[case]) == without_seconds(compiled[case]), case
    (verified,) = check(tmp_path / "plain" / "plain.proof")
    assert verified.regions == found["by node"]["neighbourhoods"][0]["regions"]

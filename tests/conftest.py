"""Shared set-up: Hypothesis profile, networks drawn at random, networks in special position."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLYLC_KERNELS", "first")  # tests are of compiled kernels, those of the other way excepted
sys.path.insert(0, str(Path(__file__).parent))  # the oracles are plain modules beside the tests

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("polylc", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("polylc")

DATA = Path(__file__).parent / "data"


@pytest.fixture
def data() -> Path:
    """Folder of small real networks."""
    return DATA

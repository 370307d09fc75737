"""Compiled code is kept for as long as its sources are the same."""

from __future__ import annotations

import numpy as np
import pytest

from polylc.jit import cache
from polylc.jit.cache import ROOT, stamp


@pytest.mark.parametrize(
    ("kernel", "source"),
    [
        ("judge/node_filter.py", "network/replay.py"),  # a kernel that is called
        ("complex/facet_sweep.py", "network/compose.py"),  # a constant
        ("complex/facet_sweep.py", "complex/facet_lp.py"),
        ("engines/vertex/search.py", "engines/vertex/skeleton.py"),
        ("engines/dictionary/search.py", "engines/dictionary/state.py"),
        ("geometry/proved_sizes.py", "geometry/cuts.py"),
    ],
)
def test_a_change_in_what_a_kernel_imports_gives_it_another_folder(monkeypatch, kernel, source):
    before = stamp(ROOT / kernel)
    old = cache._digest
    monkeypatch.setattr(cache, "_digest", lambda file: old(file) + (b"changed" if file == ROOT / source else b""))
    assert stamp.__wrapped__(ROOT / kernel) != before
    monkeypatch.setattr(cache, "_digest", lambda file: old(file) + (b"changed" if file == ROOT / "cli/commands.py" else b""))
    assert stamp.__wrapped__(ROOT / kernel) == before


def test_kernels_use_that_folder_and_leave_the_setting_alone():
    import numba

    from polylc.judge.node_filter import preorder

    assert stamp(ROOT / "judge" / "node_filter.py") in preorder.stats.cache_path
    assert not numba.config.CACHE_DIR or stamp(ROOT / "judge" / "node_filter.py") not in numba.config.CACHE_DIR
    assert preorder(np.array([-1, 0, 0]), np.array([-1, 1, 0])).tolist() == [0, 2, 1]


def test_the_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache.folder.__wrapped__() == tmp_path
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(cache, "ROOT", tmp_path / "package")
    assert cache.folder.__wrapped__() == tmp_path / "package" / "__pycache__"

"""Fixtures of the runtime's tests: a cache directory for each test, compilers that misbehave or are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gradc.config import config
from gradc.runtime import cache, folders


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh cache directory; counters, warnings given and compiler flags as in a fresh process."""
    for name in ("CC", "GRADC_CC", "GRADC_CACHE_DIR", "GRADC_FLAGS", "GRADC_TARGET", "GRADC_CACHE_ERRORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(folders, "_WARNED", set())
    monkeypatch.setattr(cache, "_PRIVATE", [])
    monkeypatch.setattr(cache, "COUNTERS", dict.fromkeys(cache.COUNTERS, 0))
    folder = tmp_path / "kernels"
    with config.change_flags(cache_dir=str(folder), cc="", cc_flags="", target="", cache_errors=False):
        yield folder
    for path in cache._PRIVATE[:1]:
        cache.remove_tree(path)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Make an executable shell script, such as a compiler that misbehaves; gives its path."""

    def make(body: str, name: str = "fakecc") -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def counting_cc(script: Callable[..., str], tmp_path: Path) -> tuple[str, Callable[[], int]]:
    """The system's compiler, counted: (path, number of compilations so far)."""
    log = tmp_path / "compilations"
    path = script(f'case "$*" in *"-###"*) ;; *) echo x >> "{log}";; esac\nexec cc "$@"', "countingcc")
    return path, lambda: len(log.read_text().split()) if log.exists() else 0

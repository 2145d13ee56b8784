"""The demo as a user runs it, twice: learns, starts warm the second time, draws pictures that parse."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


def run(out: Path, cache: Path) -> str:
    environment = {**os.environ, "GRADC_CACHE_DIR": str(cache), "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run([sys.executable, str(EXAMPLES / "demo.py"), "--epochs", "6", "--out", str(out)],
                          capture_output=True, text=True, env=environment, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


def test_data_set_is_the_published_one():
    text = gzip.decompress((EXAMPLES / "data" / "optdigits_test.csv.gz").read_bytes())
    assert hashlib.sha256(text).hexdigest() == SHA256
    assert text.count(b"\n") == 1797


@pytest.mark.slow
def test_demo_learns_and_starts_warm_the_second_time(tmp_path):
    cold = run(tmp_path / "out", tmp_path / "cache")
    warm = run(tmp_path / "out", tmp_path / "cache")
    assert row(cold, "kernel from cache") == ["no", "no"]
    assert row(warm, "kernel from cache") == ["yes", "yes"]
    assert "Cold start" in cold
    assert "Warm start" in warm
    for text in (cold, warm):
        first, last = row(text, "loss, first epoch"), row(text, "last")
        assert all(float(b) < 0.5 * float(a) for a, b in zip(first, last, strict=True))
        accuracies = [float(cell) for cell in row(text, "held-out accuracy") if cell != "%"]
        assert min(accuracies) > 90
    # The same kernels on the same data give the same losses, digit for digit.
    assert row(cold, "last") == row(warm, "last")
    for picture, least in (("loss.svg", 2), ("gradient.svg", 5)):
        tree = ElementTree.parse(tmp_path / "out" / picture)
        shapes = [element for element in tree.iter() if element.tag.endswith(("polyline", "path"))]
        assert len(shapes) >= least
        assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"

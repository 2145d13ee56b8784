"""The pages tell the truth: README's examples run, its table of settings is config's, paths named in pages exist."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradc.config import FLAGS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [path for name in ("README.md", "ARCHITECTURE.md", "benchmarks/README.md", "docs/derivatives.md",
                           "docs/low_level.md", "docs/pymc.md", "docs/mcmc.md")
         if (path := ROOT / name).exists()]
FOLDERS = "gradc|csrc|tests|benchmarks|docs|examples"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_examples_give_what_they_print(page):
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    if page.name == "README.md" and page.parent == ROOT:
        assert result.attempted > 20


def test_readme_opens_with_demo_and_test():
    lines = [line.split("#")[0].strip() for line in (ROOT / "README.md").read_text().splitlines() if line.strip()]
    assert lines[1:3] == ["make demo", "make test"] or lines[0:2] == ["make demo", "make test"]


def test_readme_settings_are_those_of_config():
    table = dict(re.findall(r"^\| `(GRADC_\w+)` \| (.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert set(table) == {flag.env for flag in FLAGS.values() if flag.env} | {"GRADC_NUM_THREADS"}
    for flag in FLAGS.values():
        if flag.env and isinstance(flag.default, str) and flag.default:
            assert table[flag.env] == f"`{flag.default}`"


def test_makefile_targets_named_in_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text())) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_named_in_pages_exist(page):
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", page.read_text()))
    written = ("examples/out/", "benchmarks/out/")
    assert [path for path in sorted(named) if not path.startswith(written) and not (ROOT / path).exists()] == []


def test_architecture_shows_the_stages_as_they_are():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    printed = subprocess.run([sys.executable, ROOT / "docs" / "stages.py"], capture_output=True, text=True, check=True,
                             cwd=ROOT).stdout.rstrip()
    begin, end = "<!-- stages: written by docs/stages.py -->\n", "\n<!-- end of stages -->"
    assert page[page.index(begin) + len(begin):page.index(end)] == printed, "run: python docs/stages.py --write"
    assert page.count("\n") <= 150


@pytest.mark.parametrize("page", ["numpy", "functions"])
def test_written_pages_are_those_of_the_tables(page):
    printed = subprocess.run([sys.executable, "-m", f"docs.{page}_page"], capture_output=True, text=True, check=True,
                             cwd=ROOT).stdout
    assert (ROOT / "docs" / f"{page}.md").read_text() == printed, f"run: python -m docs.{page}_page --write"

"""An extension built from other C sources than those beside the package is not imported: its numbers would be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gradc.runtime import sources
from gradc.runtime.toolchain import dispatch

CSRC = Path(sources.__file__).resolve().parents[2] / "csrc"


def test_the_extension_knows_what_it_was_built_from() -> None:
    if CSRC.is_dir():
        assert dispatch.sources == sources.digest(str(CSRC))


@pytest.mark.parametrize("changed", ["call.c", "include/gradc_runtime.h"])
def test_other_sources_are_an_error(changed: str, tmp_path: Path) -> None:
    if not CSRC.is_dir():
        pytest.skip("installed without sources")
    shutil.copytree(CSRC, tmp_path / "csrc")
    package = str(tmp_path / "gradc")
    sources.check(dispatch.sources, package)
    with (tmp_path / "csrc" / changed).open("a") as file:
        file.write("/* more */\n")
    with pytest.raises(ImportError, match=r"csrc as they are now; build it again by `make build`"):
        sources.check(dispatch.sources, package)


def test_an_installed_package_has_nothing_to_compare(tmp_path: Path) -> None:
    sources.check("", str(tmp_path / "gradc"))

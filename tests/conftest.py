"""One kernel cache for the whole run, so that no test meets kernels of another run, and the C compiler's effort."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradc.config import config


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--users-flags", action="store_true", help="compile with the flags that users get, not with -O0")


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[None]:
    """By day most tests compile with -O0, in two fifths of the time; what is about the code that users get asks for
    `users_flags`, and `make nightly` gives them to all."""
    flags = config.cc_flags if pytestconfig.getoption("--users-flags") else f"-O0 {config.cc_flags}"
    with config.change_flags(cache_dir=str(tmp_path_factory.mktemp("kernels")), cc_flags=flags):
        yield


@pytest.fixture
def users_flags() -> Iterator[None]:
    """Compile as for users."""
    with config.change_flags(cc_flags=""):
        yield

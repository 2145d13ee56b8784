"""One kernel cache for each test process, so that no test meets kernels of another run; who runs what in parallel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradc.config import config


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of several test processes one runs a file, unless the file says where it can be cut."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with config.change_flags(cache_dir=str(tmp_path_factory.mktemp("kernels"))):
        yield

"""One kernel cache for the whole test run, so that no test meets kernels of another run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradc.config import config


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with config.change_flags(cache_dir=str(tmp_path_factory.mktemp("kernels"))):
        yield

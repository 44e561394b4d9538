from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from studio_run import HOME, Visitor, make_run, write_films
from xraygan.web.app import build_app
from xraygan.web.guard import Access
from xraygan.web.studio import Studio


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: the films of the first are in the cache."""
    root = tmp_path_factory.mktemp("studio")
    films = write_films(root / "films")
    make_run(root / "runs", "00000-ward", films)
    make_run(root / "runs", "00001-<i>b", None, seed=1)
    return root / "runs"


@pytest.fixture(scope="session")
def studio(folder: Path) -> Iterator[Studio]:
    opened = Studio(folder, Access("127.0.0.1"), device="cpu")
    yield opened
    opened.close()


@pytest.fixture
def visitor(studio: Studio) -> Visitor:
    return Visitor(TestClient(build_app(studio), base_url=HOME))


@pytest.fixture(scope="session")
def keys(studio: Studio) -> dict[str, str]:
    """Keys of the runs by folder name."""
    return {run.name: key for key, run in studio.catalogue.runs().items()}

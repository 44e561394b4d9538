import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import SCRIPT, SPLITS, TINY, Ended, run, write_films


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data cache for all of these tests, not the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAYGAN_CACHE", str(folder))
        patch.delenv("DISPLAY", raising=False)
        patch.delenv("WAYLAND_DISPLAY", raising=False)
        patch.delenv("MPLBACKEND", raising=False)
        yield folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in three splits."""
    return write_films(tmp_path_factory.mktemp("hospital") / "ward-7", SPLITS)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run to its end, and how it was started."""

    data: Path
    folder: Path
    command: list[object]
    ended: Ended


@pytest.fixture(scope="session")
def finished(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The main job, done once by the root script."""
    folder = tmp_path_factory.mktemp("finished") / "results"
    settings = [*TINY, "--kimg", "0.2", "--num", "20"]
    settings += ["--track", "tensorboard"]
    command = [*SCRIPT, "--data", films, "--results", folder, *settings]
    return Finished(films, folder, command, run(command))


@pytest.fixture(scope="session")
def slow_settings() -> list[str]:
    """Eight snapshots, and a checkpoint about every second."""
    lengths = ["--kimg", "2", "--snapshot-kimg", "0.25", "--checkpoint-seconds", "1"]
    return [*TINY, *lengths, "--num", "12", "--evidence", "none"]


@pytest.fixture(scope="session")
def uninterrupted(
    films: Path, slow_settings: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the interrupted runs must end as."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "results"
    ended = run([*SCRIPT, "--data", films, "--results", folder, *slow_settings])
    assert ended.code == 0, ended
    return folder

"""What the studio may show: runs found on this side, called by keys that hold no path."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xraygan.errors import XrayganError
from xraygan.runs import CONFIG, is_locked, read_json, read_metrics, sample_grids

DEPTH = 2
"""Folders below the studio's own in which runs are looked for."""
MOST_RUNS = 500
REMEMBERED_S = 1.0


class Missing(XrayganError):  # noqa: N818  (an answer, not a failure)
    """Something was asked for that is not on any list."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)
    classes: tuple[str, ...] = Field(min_length=1)
    counts: dict[str, int]
    fingerprint: str
    patients: dict[str, int] = {}


class RunConfig(BaseModel):
    """The part of a run's config.json that the studio reads."""

    model_config = ConfigDict(frozen=True)
    settings: dict[str, dict[str, Any]]
    data: _Data
    source: str = ""
    begun: str = ""
    device: str = ""
    total_images: int | None = None
    published: int | None = None
    versions: dict[str, str] = {}

    @property
    def resolution(self) -> int:
        """Side of the images in pixels; 0 where it is not known."""
        value = self.settings.get("data", {}).get("resolution", 0)
        return value if isinstance(value, int) else 0

    @property
    def trained_classes(self) -> list[tuple[int, str]]:
        """Number and name of each class that there were training films of."""
        counts = self.data.counts
        named = enumerate(self.data.classes)
        return [(number, name) for number, name in named if counts.get(f"train/{name}")]

    def images(self, split: str) -> int:
        """How many films a split holds."""
        return sum(n for key, n in self.data.counts.items() if key.startswith(f"{split}/"))


@dataclass(frozen=True)
class Run:
    """A run folder and what it says of itself.

    Attributes:
        key: what addresses call it.
        name: the folder's name.
        path: the folder.
        config: its config.json.
    """

    key: str
    name: str
    path: Path
    config: RunConfig

    @property
    def has_model(self) -> bool:
        """Whether a generator was written."""
        return _is_file(self.path / "model" / "generator.json")

    @property
    def report(self) -> Path | None:
        """The edition to share, where it was written."""
        return _plain(self.path / "report.html")

    @property
    def grids(self) -> dict[float, Path]:
        """Sample grids by thousands of images seen, oldest first."""
        return {kimg: path for kimg, path in sample_grids(self.path).items() if _plain(path)}

    def grid(self, kimg: str) -> Path:
        """One sample grid, by the digits of its number.

        Raises:
            Missing: there is none of that number.
        """
        found = {str(number): path for number, path in self.grids.items()}
        if kimg not in found:
            raise Missing(f"{self.name} has no such sample grid")
        return found[kimg]

    def metrics(self) -> list[dict[str, Any]]:
        """Every line of metrics.jsonl; none where it cannot be read."""
        with contextlib.suppress(OSError):
            return read_metrics(self.path)
        return []

    @property
    def status(self) -> str:
        """`training`, `measuring` (it is published, and worked on), `finished` or `stopped`."""
        if is_locked(self.path):
            return "training" if self.config.published is None else "measuring"
        return "finished" if self.config.published is not None else "stopped"


class Catalogue:
    """The runs below one folder.

    Attributes:
        unreadable: folders and configurations that were passed over at the last look.

    Args:
        folder: the studio's own; it may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable = 0
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._looked = -REMEMBERED_S

    def runs(self) -> Mapping[str, Run]:
        """Runs by key, newest first."""
        with self._lock:
            if time.monotonic() - self._looked >= REMEMBERED_S:
                self.unreadable = 0
                found = sorted(self._find(), key=_begun)
                self._runs = {run.key: run for run in reversed(found[-MOST_RUNS:])}
                self._looked = time.monotonic()
            return self._runs

    def run(self, key: str) -> Run:
        """One run.

        Raises:
            Missing: no run has this key.
        """
        found = self.runs().get(key)
        if found is None:
            raise Missing("there is no such run here; it may have been moved or deleted")
        return found

    def model(self, key: str) -> Run:
        """A run that has a generator.

        Raises:
            Missing: no such run, or it has written none yet.
        """
        run = self.run(key)
        if not run.has_model:
            raise Missing(f"{run.name} has not written a model yet; wait for its first snapshot")
        return run

    def models(self) -> list[Run]:
        """Every run that has a generator, newest first."""
        return [run for run in self.runs().values() if run.has_model]

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.resolve().name

    def shown_path(self, path: Path) -> PurePath:
        """A path in the folder, from the folder's own name on."""
        return PurePath(self.name) / path.relative_to(self.folder)

    def without_folder(self, text: str) -> str:
        """A message in which the folder's place on this machine is not told."""
        for place in {self.folder.absolute(), self.folder.resolve()}:
            text = text.replace(str(place), self.name)
        return text

    def _find(self) -> Iterator[Run]:
        for path in self._folders(self.folder, DEPTH):
            config = self._config(path)
            if config is not None:
                inside = path.relative_to(self.folder).as_posix()
                key = hashlib.sha256(inside.encode("utf-8", "surrogateescape")).hexdigest()[:12]
                yield Run(key, path.resolve().name, path, config)

    def _folders(self, folder: Path, depth: int) -> Iterator[Path]:
        """A folder and those below it; links and hidden ones are left out."""
        try:
            below = _folders_in(folder) if depth else []
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError:
            self.unreadable += 1
            return
        yield folder
        for name in below:
            yield from self._folders(folder / name, depth - 1)

    def _config(self, path: Path) -> RunConfig | None:
        try:
            values = read_json(path / CONFIG)
            if not isinstance(values, dict) or not {"settings", "data"} <= values.keys():
                return None  # another program's: models on hubs have a config.json as well
            return RunConfig.model_validate(values)
        except (XrayganError, ValidationError):
            self.unreadable += 1
            return None


def _folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, of which the files, however many, are not asked."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        )


def _begun(run: Run) -> tuple[float, str]:
    """For the order of runs: when each was begun, whatever zone the clock was in."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(run.config.begun).timestamp(), run.name
    return 0.0, run.name


def _plain(path: Path) -> Path | None:
    """A file that is in the folder itself, not a link out of it."""
    return path if _is_file(path) and not path.is_symlink() else None


def _is_file(path: Path) -> bool:
    """Whether there is a file that may be asked for."""
    with contextlib.suppress(OSError):
        return path.is_file()
    return False

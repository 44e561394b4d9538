"""The run folder: its lock, its log, its metrics, and writes that are whole or not there."""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from xraygan.errors import XrayganError

CONFIG = "config.json"
LOG = "log.txt"
METRICS = "metrics.jsonl"
TICK_FIGURES = ("images_seen", "d_loss", "g_loss", "fake_spread")
"""What every line of `METRICS` has, besides others."""
KID_FIGURES = ("kid", "kid_low", "kid_high", "kid_floor")
"""What a line has where the pictures were measured."""
LOCK = ".lock"
LOCK_WAIT_S = 0.5
"""How long a trainer tries: whoever asks `is_locked` holds the lock for a moment."""
EVALUATION = "evaluation.json"
AUDIT = "audit.json"
TERMS = "terms.json"
"""Licence and attribution of the training data, as they were stated last."""
PHANTOM = "phantom"
"""What the embedded phantom is called where a source has a name."""
INTERNAL = "internal"
"""Folder of what shows real patients."""
MOST_IMITATED = "most-imitated.png"
"""In `INTERNAL`: a film of each of the most imitated patients, most imitated first."""
IMITATED_FILMS = "most-imitated.csv"
"""In `INTERNAL`: rank and patient of each of these, and their films in the training set."""
CLOSEST_PAIRS = "closest-pairs.npz"
"""In `INTERNAL`: arrays synthetic and train, uint8 [n, R, R], and similarity, float32 [n]."""
LITTER = frozenset(
    {".ds_store", "__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"}
)
"""What systems leave about, in small letters."""


_UMASK = os.umask(0o077)
"""What the user's files are kept from; it can only be read by setting it."""
os.umask(_UMASK)


class Listener(Protocol):
    """Somebody who is told of a run's course: figures and synthetic pictures."""

    def metrics(self, values: dict[str, Any]) -> None:
        """A line of metrics.jsonl was written."""
        ...

    def picture(self, path: Path, images_seen: int) -> None:
        """A grid of synthetic images was written."""
        ...


class RunFolder:
    """One run's files.

    Attributes:
        listener: told of metrics and synthetic grids as they are written.

    Args:
        path: the folder; made where it does not exist.

    Raises:
        XrayganError: it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener: Listener | None = None
        with refusing_disk_faults(path):
            path.mkdir(parents=True, exist_ok=True)
            (path / "checkpoints").mkdir(exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for one trainer; the system itself frees it when a trainer dies.

        Raises:
            XrayganError: another trainer holds it.
        """
        lock = FileLock(self.path / LOCK)
        # Timeout is an OSError too, so it is caught nearer.
        with refusing_disk_faults(self.path):
            try:
                lock.acquire(timeout=LOCK_WAIT_S)
            except Timeout:
                raise XrayganError(
                    f"{self.path}: another xraygan is training here; wait for it, stop it, or "
                    "choose another folder"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace config.json as a whole."""
        write_json(self.path / CONFIG, config)

    def log(self, line: str) -> None:
        """Append a line to the log."""
        with (
            refusing_disk_faults(self.path),
            (self.path / LOG).open("a", encoding="utf-8") as file,
        ):
            file.write(line + "\n")

    def add_metrics(self, values: dict[str, Any]) -> None:
        """Append one JSON line to metrics.jsonl."""
        with (
            refusing_disk_faults(self.path),
            (self.path / METRICS).open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(values) + "\n")
        if self.listener:
            self.listener.metrics(values)

    def metrics(self) -> list[dict[str, Any]]:
        """Every whole line of metrics.jsonl; see `read_metrics`."""
        return read_metrics(self.path)

    def rewind_metrics(self, images_seen: int) -> None:
        """Forget metrics of images that a resumed run will see again."""
        kept = [row for row in self.metrics() if row["images_seen"] <= images_seen]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_whole(self.path / METRICS, text.encode())


def read_config(run: Path) -> dict[str, Any] | None:
    """What `RunFolder.write_config` wrote, or None where there is no such file.

    Raises:
        XrayganError: it is damaged, or something else's.
    """
    config = read_json(run / CONFIG)
    if config is not None and not _is_ours(config):
        raise XrayganError(
            f"{run / CONFIG}: not one that xraygan train has written; choose another folder"
        )
    return config


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's: a config.json of ours, and the log that every run keeps."""
    try:
        return (folder / LOG).is_file() and read_config(folder) is not None
    except XrayganError:
        return False


def _is_ours(config: Any) -> bool:
    """Whether a value has the parts of a config.json that are built on."""
    try:
        settings, data = config["settings"], config["data"]
        groups = settings["data"], settings["training"], config["model"], config["versions"]
        return (
            all(isinstance(group, dict) for group in groups)
            and isinstance(data["fingerprint"], str)
            and all(isinstance(name, str) for name in data["classes"])
            and all(isinstance(count, int) for count in data["counts"].values())
        )
    except (KeyError, TypeError):
        return False


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Every whole line of a run's metrics.jsonl; what a crash cut or damage changed is left out."""
    file = run / METRICS
    if not file.exists():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            if isinstance(row, dict) and _is_whole(row):
                rows.append(row)
    return rows


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a line of metrics.jsonl has the figures that are counted on."""
    names = (*TICK_FIGURES, *(KID_FIGURES if "kid" in row else ()))
    return all(isinstance(row.get(name), int | float) for name in names)


def grid_name(images_seen: int) -> str:
    """The file of a sample grid, by thousands of images seen, and the rest where there is one.

    `fakes000005.png`, `fakes000002_592.png`: in the order of images, and no two are the same.
    """
    thousands, rest = divmod(images_seen, 1000)
    return f"fakes{thousands:06d}{f'_{rest:03d}' if rest else ''}.png"


def sample_grids(run: Path) -> dict[float, Path]:
    """What lies in a run folder under a `grid_name`, by thousands of images seen, in order."""
    found: dict[float, Path] = {}
    for path in run.glob("fakes*.png"):
        if match := re.fullmatch(r"fakes(\d{6,12})(?:_(\d{3}))?\.png", path.name):
            thousands, rest = match.groups()
            found[float(f"{thousands}.{rest}") if rest else int(thousands)] = path
    return dict(sorted(found.items()))


def is_locked(run: Path) -> bool:
    """Whether a trainer holds this run; nothing is written, and no lock is left behind."""
    lock = run / LOCK
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def numbered_runs(outdir: Path) -> list[Path]:
    """The run folders in `outdir` (`00000-name`), oldest first."""
    if not outdir.is_dir():
        return []
    runs = [path for path in outdir.iterdir() if re.match(r"[0-9]{5,}-", path.name)]
    return sorted(runs, key=lambda path: (_number(path), path.name))


def next_run(outdir: Path, name: str) -> Path:
    """Make the next free `00000-name` in `outdir`; of several who ask, each gets its own.

    Raises:
        XrayganError: it cannot be made.
    """
    slug = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "run"
    with refusing_disk_faults(outdir):
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            runs = numbered_runs(outdir)
            path = outdir / f"{_number(runs[-1]) + 1 if runs else 0:05d}-{slug}"
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path


def _number(run: Path) -> int:
    return int(run.name.split("-")[0])


def write_whole(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file so that after any crash it is the old one or the new one, whole.

    Args:
        path: the file.
        data: what it holds, or parts of that, one after the other.

    Raises:
        XrayganError: the disk is full or read-only; the old file is as it was.
    """
    with refusing_disk_faults(path):
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(0o666 & ~_UMASK)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_whole` for a value as indented JSON."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def private_folder(path: Path) -> Path:
    """A folder that its owner alone can enter: for what shows real patients.

    Raises:
        XrayganError: it cannot be made.
    """
    with refusing_disk_faults(path):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    return path


def read_json(path: Path) -> Any | None:
    """The value in a JSON file, or None where there is no file.

    Raises:
        XrayganError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise XrayganError(f"{path}: cannot be read ({error})") from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name to write under; afterwards the file has its own name, whole, or is gone."""
    beside = path.with_name(f".{path.name}")
    try:
        yield beside
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    beside.replace(path)


def same_data(stored: Mapping[str, Any], fingerprint: str, content: str) -> bool:
    """Whether a run was trained on these films.

    Args:
        stored: "data" of its config.json.
        fingerprint: `Dataset.fingerprint` of now; it follows what else lies beside the films.
        content: `Dataset.content` of now.
    """
    return stored["fingerprint"] == fingerprint or stored.get("content") == content


def check_place(run_dir: str | Path | None, new: bool) -> None:
    """See that a run is to be in one place.

    Raises:
        XrayganError: a folder is named, and a new one is asked for.
    """
    if new and run_dir is not None:
        raise XrayganError(f"--new and --run-dir {run_dir} are both given: leave one")


def is_litter(path: Path) -> bool:
    """Whether a file or folder is what systems leave in folders that somebody has looked at."""
    return path.name.lower() in LITTER


def sync_folder(path: Path) -> None:
    """Make a rename in `path` survive a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def refusing_disk_faults(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into one clear line."""
    try:
        yield
    except OSError as error:
        raise XrayganError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or "
            "choose another folder; what was saved before is intact"
        ) from None

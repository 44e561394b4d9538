"""The notebook, run as its reader would, on the phantom, offline."""

import hashlib
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
import threading
import time
import types
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from program import ROOT, metrics

NOTEBOOK = ROOT / "notebooks" / "xraygan_colab.ipynb"
SHORT = {
    "kimg": 0.4,
    "preset": "small",
    "batch": 8,
    "num": 8,
    "evidence": "basic",
    "precision": "float32",
}


def notebook() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def cell_with(words: str) -> str:
    """The one cell of code that has these words."""
    [source] = [
        cell.source
        for cell in notebook().cells
        if cell.cell_type == "code" and words in cell.source
    ]
    return source


def carry_out(cell: str, values: dict[str, object]) -> dict[str, object]:
    """What a cell of ours leaves behind, begun with these values."""
    exec(compile(cell, "cell", "exec"), values)  # noqa: S102  (our own cell)
    return values


def prepared(folder: Path, **parameters: object) -> NotebookClient:
    """The notebook with other values after its cell of parameters, to be run in this folder."""
    book = notebook()
    tagged = [
        n for n, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", ())
    ]
    assert len(tagged) == 1
    lines = [f"{name} = {value!r}" for name, value in parameters.items()]
    book.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    client = NotebookClient(book, timeout=1800, resources={"metadata": {"path": str(folder)}})
    kernel = client.create_kernel_manager()
    kernel.kernel_spec.argv[0] = sys.executable
    return client


def executed(folder: Path, **parameters: object) -> NotebookNode:
    return prepared(folder, **parameters).execute()


def shown(book: NotebookNode, kind: str) -> list[str]:
    outputs = [out for cell in book.cells for out in cell.get("outputs", ())]
    return [out["data"][kind] for out in outputs if kind in out.get("data", {})]


def test_the_notebook_is_clean() -> None:
    book = notebook()
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert 'SOURCE = "phantom"' in code[0].source
    assert carry_out(code[0].source, {})["SETTINGS"] == {}, "no length: it ends at 50 views"


def installing(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the cell that installs would start where xraygan is not installed."""
    monkeypatch.chdir(folder)
    found = importlib.machinery.PathFinder.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found(name, [str(folder)]))
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: started.append(command))
    carry_out(cell_with("pip"), {"PACKAGE": package})
    return started


def test_a_fresh_colab_is_told_what_to_fill_in(tmp_path: Path, monkeypatch) -> None:
    first, parameters = (cell.source for cell in notebook().cells[:2])
    assert first.index("fill in `PACKAGE` first") < first.index("`Run all`")
    assert 'PACKAGE = ""  # FILL IN on Colab' in parameters
    with pytest.raises(SystemExit, match="give PACKAGE, in the first cell of code, a git"):
        installing(tmp_path, "", monkeypatch)


@pytest.mark.parametrize(
    ("package", "named"),
    [
        ("xraygan-0.1.0-py3-none-any.whl", "xraygan-0.1.0-py3-none-any.whl[cpu]"),
        ("git+https://host/xraygan.git", "xraygan[cpu] @ git+https://host/xraygan.git"),
    ],
)
def test_what_is_filled_in_is_installed(
    tmp_path: Path, monkeypatch, package: str, named: str
) -> None:
    [command] = installing(tmp_path, package, monkeypatch)
    assert command[1:] == ["-m", "pip", "install", "--quiet", named]


def test_a_checkout_that_is_called_xraygan_is_no_installation(tmp_path: Path, monkeypatch) -> None:
    """Python takes the folder for a package without a file, and pip its name for the index's."""
    (tmp_path / "xraygan").mkdir()
    [command] = installing(tmp_path, "xraygan", monkeypatch)
    assert command[-1] == f"{tmp_path / 'xraygan'}[cpu]"
    (tmp_path / "xraygan" / "__init__.py").touch()
    assert installing(tmp_path, "xraygan", monkeypatch) == []


@pytest.mark.parametrize(
    ("source", "folder", "results", "package", "mounted"),
    [
        ("phantom", "/content/drive/MyDrive/films", "results", "", False),
        ("folder", "/content/drive/MyDrive/films", "results", "", True),
        ("phantom", "films", "/content/drive/MyDrive/results", "", True),
        ("phantom", "films", "results", "/content/drive/MyDrive/xraygan.whl", True),
    ],
)
def test_drive_is_mounted_where_something_on_it_is_asked_for(
    monkeypatch, capsys, source: str, folder: str, results: str, package: str, mounted: bool
) -> None:
    """And where the results are not on it, Colab's user is told before anything is trained."""
    asked: list[str] = []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=asked.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    values = {"SOURCE": source, "FOLDER": folder, "RESULTS": results, "PACKAGE": package}
    carry_out(cell_with("google.colab"), values)
    assert asked == ["/content/drive"] * mounted
    lost = "a disconnection loses the whole run" in capsys.readouterr().out
    assert lost == (results == "results")


def test_a_machine_of_ones_own_is_not_told_of_disconnections(capsys) -> None:
    values = {"SOURCE": "phantom", "FOLDER": "", "RESULTS": "results", "PACKAGE": ""}
    carry_out(cell_with("google.colab"), values)
    assert capsys.readouterr().out == ""


class Download:
    """What comes from the archive of PneumoniaMNIST, and how often it was asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, url: str, path: Path) -> None:
        self.asked.append(url)
        Path(path).write_bytes(self.content)


def test_a_data_set_is_downloaded_once_and_checked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    download = Download(b"the films")
    monkeypatch.setattr("urllib.request.urlretrieve", download)
    cell = cell_with("urlretrieve")
    settings: dict[str, object] = {"RESOLUTION": 64, "SETTINGS": {"kimg": 1}, "Path": Path}
    values = {"SOURCE": "pneumoniamnist", "FOLDER": "", **settings}
    with pytest.raises(SystemExit, match="came damaged: run this cell again"):
        carry_out(cell, dict(values))
    assert not list(tmp_path.iterdir())

    [known] = [line for line in cell.splitlines() if line.startswith("MD5 = ")]
    right = hashlib.md5(download.content, usedforsecurity=False).hexdigest()
    cell = cell.replace(known, f"MD5 = {right!r}")
    for _ in range(2):
        left = carry_out(cell, dict(values))
        assert left["data"] == Path("pneumoniamnist_64.npz")
        assert left["values"] == {"resolution": 64, "kimg": 1, "keep_splits": True}
    assert len(download.asked) == 2, "the damaged one and one more"
    assert all(url.startswith("https://zenodo.org/") for url in download.asked)


def test_a_folder_of_ones_own_is_taken_as_it_is() -> None:
    values = {"SOURCE": "folder", "FOLDER": "films", "RESOLUTION": 64, "SETTINGS": {}, "Path": Path}
    left = carry_out(cell_with("urlretrieve"), values)
    assert left["data"] == Path("films")
    assert left["values"] == {"resolution": 64}


@pytest.mark.parametrize("source", ["pneumoniaMNIST", "Folder", ""])
def test_a_mistyped_source_is_not_the_phantom(source: str) -> None:
    values = {"SOURCE": source, "FOLDER": "films", "RESOLUTION": 64, "SETTINGS": {}, "Path": Path}
    with pytest.raises(SystemExit, match='choose "phantom", "pneumoniamnist" or "folder"'):
        carry_out(cell_with("urlretrieve"), values)


def test_the_phantom_needs_no_data() -> None:
    values = {
        "SOURCE": "phantom",
        "FOLDER": "films",
        "RESOLUTION": 32,
        "SETTINGS": {},
        "Path": Path,
    }
    assert carry_out(cell_with("urlretrieve"), values)["data"] is None


def test_every_cell_runs(films: Path, tmp_path: Path) -> None:
    source = {"SOURCE": "folder", "FOLDER": str(films), "RESOLUTION": 32}
    settings = {**SHORT, "kimg": 0.1, "evidence": "none"}
    book = executed(tmp_path, **source, RESULTS="out", SETTINGS=settings)
    assert len(shown(book, "image/png")) >= 5, "reals, two grids, losses, more images"
    assert (tmp_path / "out" / "synthetic.zip").is_file()


@pytest.mark.slow
def test_a_kernel_that_dies_while_it_trains_loses_nothing(tmp_path: Path) -> None:
    values = {"RESOLUTION": 32, "RESULTS": "out"}
    settings = {**SHORT, "evidence": "none", "checkpoint_seconds": 1, "kimg": 3}
    client = prepared(tmp_path, **values, SETTINGS=settings)
    watching = threading.Thread(target=kill_when_checkpointed, args=(client, tmp_path / "out"))
    watching.start()
    with pytest.raises(DeadKernelError):
        client.execute()
    watching.join()
    kept = [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()]
    seen = max(int(name) for name in kept if name.isdecimal())
    assert 0 < seen < 3000

    executed(tmp_path, **values, SETTINGS=settings)
    said = (tmp_path / "out" / "log.txt").read_text(encoding="utf-8")
    assert f"going on after {seen:,} of 3,000 images" in said
    rows = metrics(tmp_path / "out")
    assert rows[-1]["images_seen"] == 3000
    assert [row["images_seen"] for row in rows] == sorted({row["images_seen"] for row in rows})


def kill_when_checkpointed(client: NotebookClient, out: Path) -> None:
    deadline = time.monotonic() + 600
    while not any(map(_some_images, out.glob("checkpoints/*"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    client.km.provisioner.process.kill()  # type: ignore[union-attr]


def _some_images(checkpoint: Path) -> bool:
    return checkpoint.name.isdecimal() and int(checkpoint.name) > 0


@pytest.mark.slow
def test_the_notebook_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    values = {"RESOLUTION": 32, "RESULTS": "out", "SETTINGS": SHORT}
    book = executed(tmp_path, **values)
    pictures = shown(book, "image/png")
    assert len(pictures) >= 5, "reals, two grids, losses, more images"
    assert any("<iframe srcdoc=" in page for page in shown(book, "text/html"))
    rows = metrics(tmp_path / "out")
    assert rows[-1]["images_seen"] == 400
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["kid"]["n"]
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["verdict"]
    with zipfile.ZipFile(tmp_path / "out" / "synthetic.zip") as archive:
        names = archive.namelist()
    assert "report.html" in names
    assert sum(name.endswith(".png") for name in names) == 8
    assert not any(part in name for name in names for part in ("real", "internal", "checkpoint"))

    again = executed(tmp_path, **values)
    assert "already trained on 400 images" in "".join(shown(again, "text/plain"))
    assert metrics(tmp_path / "out") == rows
    assert json.loads((tmp_path / "out" / "config.json").read_text())["total_images"] == 400

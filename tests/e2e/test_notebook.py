"""The notebook, run as its reader would, on the phantom, offline."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
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


def executed(folder: Path, **parameters: object) -> NotebookNode:
    """The notebook with other values after its cell of parameters, run in this folder."""
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
    return client.execute()


def shown(book: NotebookNode, kind: str) -> list[str]:
    outputs = [out for cell in book.cells for out in cell.get("outputs", ())]
    return [out["data"][kind] for out in outputs if kind in out.get("data", {})]


def test_the_notebook_is_clean() -> None:
    book = notebook()
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert 'SOURCE = "phantom"' in code[0].source


def installing(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the cell that installs would start where neither xraygan nor a checkout is."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: started.append(command))
    [cell] = [cell.source for cell in notebook().cells if "pip" in cell.source]
    exec(compile(cell, "cell", "exec"), {"PACKAGE": package})  # noqa: S102  (our own cell)
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

"""The site builds strictly and asks for nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from xraygan.cli.main import program

ROOT = Path(__file__).resolve().parents[3]


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    for child, found in getattr(command, "commands", {}).items():
        yield from leaves(found, f"{name} {child}")
    if not hasattr(command, "commands"):
        yield name, command


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_is_in_the_reference(site: Path) -> None:
    page = (site / "commands.html").read_text(encoding="utf-8")
    names = [name.removeprefix("xraygan ") for name, _ in leaves(get_command(program()), "xraygan")]
    assert len(names) > 10
    for name in names:
        assert f'id="xraygan-{name.replace(" ", "-")}"' in page
    assert "<code>--final-rate &lt;float&gt;</code>" in page
    assert "Adam's rate at the start;" in page
    assert "<code>--fit &lt;crop&#124;pad-edge&#124;squash&gt;</code>" in page


def test_no_table_is_cut_in_two(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    assert [page.name for page in pages if "<p>|" in page.read_text(encoding="utf-8")] == []


def test_nothing_is_fetched(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", text)
        outside = [tag for tag in tags if re.search(r'(?:src|href)="(?:https?:)?//', tag)]
        assert [tag for tag in outside if 'rel="canonical"' not in tag] == []


def test_pages_that_the_build_left_out(site: Path) -> None:
    assert not list(site.rglob("*hooks*"))
    assert (site / "examples" / "onnx_generate.py").is_file()


@pytest.mark.slow
def test_a_dead_link_stops_the_build(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write("\n[gone](nowhere.md)\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "nowhere.md" in done.stderr

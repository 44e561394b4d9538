"""The Python that the documentation shows compiles, and calls our functions as they are."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import xraygan
from xraygan.api import settings_from
from xraygan.config import DataSettings
from xraygan.errors import XrayganError

ROOT = Path(__file__).resolve().parents[3]
NAMED = ("README.md", "CONTRIBUTING.md", "src/xraygan/api/__init__.py")
PAGES = sorted([*(ROOT / name for name in NAMED), *ROOT.glob("docs/**/*.md")])
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))


def pieces(page: Path) -> Iterator[str]:
    """Blocks of Python, the calls of ours within sentences, and the cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    if page in NOTEBOOKS:
        cells = json.loads(text)["cells"]
        yield from ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        return
    yield from re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`(xraygan\.\w+\([^`]*\))`", text)


def calls(piece: str) -> Iterator[ast.Call]:
    """Calls of `xraygan.name(…)`."""
    for node in ast.walk(ast.parse(piece)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("xraygan."):
            yield node


def check(call: ast.Call) -> None:
    """See that a call names arguments, and settings, that there are.

    Raises:
        AttributeError: no such function.
        TypeError: no such argument, or one that is missing.
        XrayganError: no such setting, or a bad value of one.
    """
    name = ast.unparse(call.func).removeprefix("xraygan.")
    signature = inspect.signature(getattr(xraygan, name))
    given = {word.arg: word.value for word in call.keywords if word.arg}
    bound = signature.bind(*call.args, **given).arguments
    settings = {word: ast.literal_eval(value) for word, value in bound.get("values", {}).items()}
    if name == "prepare":
        DataSettings.parse(settings, "the example")
    else:
        settings_from(settings)


@pytest.mark.parametrize(
    "page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_every_piece_compiles_and_calls_what_there_is(page: Path) -> None:
    for piece in pieces(page):
        compile(piece, str(page), "exec")
        for call in calls(piece):
            check(call)


def test_there_are_pieces_and_calls() -> None:
    found = [piece for page in [*PAGES, *NOTEBOOKS] for piece in pieces(page)]
    assert len(found) > 10
    assert len([call for piece in found for call in calls(piece)]) > 6


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("xraygan.generate('results', number=16)", TypeError),
        ("xraygan.generate()", TypeError),
        ("xraygan.make('results')", AttributeError),
        ("xraygan.train('films', kimgs=100)", XrayganError),
        ("xraygan.train('films', resolution=65)", XrayganError),
        ("xraygan.prepare('films', kimg=100)", XrayganError),
    ],
)
def test_what_there_is_not_is_found(call: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(*calls(call))

"""Every command line and option that the documentation names is one that the program takes."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from xraygan.cli.main import main, program
from xraygan.config import GROUPS, RunSettings
from xraygan.errors import XrayganError
from xraygan.sampling.request import Request, Shard

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
STARTS = {"xraygan": [], "python synthetic_xray_gan.py": ["run"]}
ELSEWHERE = {
    *("--build-arg", "--hostname", "--publish", "--rm", "--tag", "--user", "--volume"),
    *("--dest", "--find-links", "--no-index", "--strict"),
}
"""Options of docker, pip and mkdocs."""


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each command line in a page's blocks of code."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```[^\n`]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for start, verb in STARTS.items():
                if line.startswith(f"{start} "):
                    words = shlex.split(re.split(r"\s[|>]\s", line)[0], comments=True)
                    yield verb + words[len(start.split()) :]


def parse(arguments: list[str]) -> dict[str, Any]:
    """Parse as the program does, without running anything: what a command would be given."""
    command: Any = typer.main.get_command(program())
    parent = None
    name = "xraygan"
    while True:
        group = hasattr(command, "commands")
        lone = group and arguments[:1] and arguments[0].startswith("--")
        context = command.make_context(
            name, [*arguments], parent=parent, resilient_parsing=bool(lone)
        )
        if not group or lone:
            return {"command": name, **context.params}
        rest = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, rest)
        parent = context


def validate(given: dict[str, Any]) -> None:
    """Check the values of a command's settings and of what it asks a generator for.

    Raises:
        XrayganError: as the command itself would.
    """
    settings = {
        group: {name: given[name] for name in kind.model_fields if given[name] is not None}
        for group, kind in GROUPS.items()
        if kind.model_fields.keys() <= given.keys()
    }
    RunSettings.parse(settings, "the command line")
    if given["command"] == "generate":
        names = ("num", "seed", "class_name", "like_train", "first", "psi", "bits")
        Request(**{name: given[name] for name in names})
        Shard.parse(given["shard"])


def options(command: Any) -> set[str]:
    own = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    return own.union(*(options(child) for child in getattr(command, "commands", {}).values()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_line_is_one_that_the_program_takes(page: Path) -> None:
    for arguments in commands(page):
        try:
            validate(parse(arguments))
        except typer.exceptions.TyperException as error:
            pytest.fail(f"xraygan {shlex.join(arguments)}: {error.format_message()}")
        except XrayganError as error:
            pytest.fail(f"xraygan {shlex.join(arguments)}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_run_enlarges_what_its_page_prepares(page: Path) -> None:
    sides: dict[Path, set[int | None]] = {}
    for given in map(parse, commands(page)):
        if given["command"] == "prepare" and not given["dry_run"]:
            sides.setdefault(given["out"], set()).add(given["resolution"])
        elif given["command"] in ("run", "train") and given["data"] in sides:
            assert sides[given["data"]] == {given["resolution"]}, given["data"]


def leaves(command: Any, name: str) -> dict[str, Any]:
    children = getattr(command, "commands", None)
    if children is None:
        return {name: command}
    return {k: v for child in children for k, v in leaves(children[child], child).items()}


def test_every_command_answers_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = leaves(typer.main.get_command(program()), "xraygan")
    assert len(found) > 10
    assert [name for name, command in found.items() if "--json" not in options(command)] == []
    with pytest.raises(SystemExit, match="0"):
        main(["phantom", "--out", str(tmp_path / "p"), "--num", "4", "--resolution=32", "--json"])
    assert json.loads(capsys.readouterr().out)["images"] == 4


def within_sentences(page: Path) -> Iterator[list[str]]:
    """The words of commands that stand in a page's sentences."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for line in re.findall(r"`([^`]+)`", text):
        words = line.split()
        if words[0] in ("xraygan", "python"):
            yield words


def scripts(page: Path) -> Iterator[list[str]]:
    """The words of commands that start a script of this repository, wherever they stand."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"python ((?:benchmarks|docs)/\w+\.py[^`\n|>]*)", text):
        yield line.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_sentences_have_their_options(page: Path) -> None:
    known = leaves(typer.main.get_command(program()), "xraygan")
    for words in within_sentences(page):
        if words[:2] == ["python", "synthetic_xray_gan.py"]:
            words = ["xraygan", "run", *words[2:]]
        if words[0] != "xraygan" or len(words) < 2 or words[1].startswith("-"):
            continue
        verb = words[2] if words[1] == "export" and len(words) > 2 else words[1]
        if verb == "export":
            continue
        assert verb in known, words
        asked = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert asked <= options(known[verb]) | {"--help"}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_scripts_are_there_and_have_their_options(page: Path) -> None:
    for name, *rest in scripts(page):
        source = (ROOT / name).read_text(encoding="utf-8")
        for word in rest:
            assert not word.startswith("--") or f'"{word.partition("=")[0]}"' in source, (
                name,
                word,
            )


def test_the_studio_is_opened_where_the_other_commands_write() -> None:
    """They write results/, demo/ and runs/: all of them are below the present folder."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    opened = [
        folder for text in texts for folder in re.findall(r"xraygan studio ([^-`\s]\S*)", text)
    ]
    assert len(opened) > 5
    assert {folder.rstrip("`") for folder in opened} == {"."}


def test_there_are_command_lines() -> None:
    assert len([line for page in PAGES for line in within_sentences(page)]) > 20
    assert len([line for page in PAGES for line in scripts(page)]) > 20
    assert len([line for page in PAGES for line in commands(page)]) > 40


@pytest.mark.parametrize(
    "line", ["run x --minuets 3", "run x --minutes much", "exprot model x", "export model x"]
)
def test_what_does_not_parse_is_found(line: str) -> None:
    with pytest.raises(typer.exceptions.TyperException):
        parse(line.split())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run x --resolution 65", "resolution"),
        ("train --data x --kimg 3 --minutes 3", "both given"),
        ("prepare x --out y --validation-fraction 2", "validation_fraction"),
        ("generate --model x --out y --psi 3", "--psi 3"),
        ("generate --model x --out y --shard 3-16", "--shard 3-16"),
    ],
)
def test_values_that_the_program_refuses_are_found(line: str, said: str) -> None:
    with pytest.raises(XrayganError, match=said):
        validate(parse(line.split()))


def test_what_pip_is_told_to_install_is_there() -> None:
    """Not published: from a checkout, and by name only in what an installed program says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sources = [*PAGES, *ROOT.glob("src/xraygan/**/*.py"), *ROOT.glob("src/xraygan/**/*.j2")]
    found = set()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for what, extras in re.findall(r"pip install ['\"](\.|xraygan)\[([a-z,-]+)\]['\"]", text):
            found.add((source.suffix, what))
            assert set(extras.split(",")) <= project["optional-dependencies"].keys(), source
    assert found == {(".md", "."), (".py", "xraygan"), (".j2", ".")}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "experiments.md"],  # options of benchmarks/
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_option_named_exists(page: Path) -> None:
    known = options(typer.main.get_command(program())) | ELSEWHERE | {"--help"}
    text = page.read_text(encoding="utf-8")
    quoted = [
        f"{word} "
        for word in re.findall(r"`([^`\n]+)`", text)
        if "xraygan" not in word and "python" not in word
    ]
    named = {flag for word in quoted for flag in re.findall(r"(?<!\S)(--[a-z][a-z-]+)", word)}
    assert named <= known


def test_the_layers_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert "```text\n" + "\n".join(layers) + "\n```" in page

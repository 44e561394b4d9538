"""The studio in a real browser: by keyboard alone, at two widths, and nothing leaves."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CONTRASTS, PROGRAM, Page, browser

from studio_run import SIDE, make_run, write_films
from xraygan.runs import RunFolder
from xraygan.web.studies import Case, Reader, Studies, Study, new_study

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed: no page can be shown"),
]

DRAWN = "[...document.querySelectorAll('.films img')].every(i => i.complete && i.naturalWidth)"
FOCUS = "document.activeElement"
SAID = "document.getElementById('said').textContent"
WIDTHS = (1280, 390)
TOKEN = "a-long-enough-secret"  # noqa: S105
UNFOLD = "document.querySelectorAll('details').forEach(part => { part.open = true; })"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs."""
    folder = tmp_path_factory.mktemp("studio")
    make_run(folder / "runs", "00000-ward", write_films(folder / "films"))
    make_run(folder / "runs", "00001-other", None, seed=1)
    return folder / "runs"


@contextlib.contextmanager
def studio(runs: Path, *options: str, **environment: str) -> Iterator[str]:
    """The address of a studio in a process of its own."""
    command = [sys.executable, "-m", "xraygan", "studio", str(runs), "--port", "0", *options]
    process = subprocess.Popen(
        [*command, "--device", "cpu"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout
    line = process.stdout.readline()
    try:
        yield line.split()[1].rstrip("/")
    finally:
        process.terminate()
        assert process.wait(90) == 143


@pytest.fixture(scope="module")
def home(runs: Path) -> Iterator[str]:
    """The address of a studio on the two runs."""
    with studio(runs) as address:
        yield address


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def reading(runs: Path) -> tuple[Study, Reader]:
    """A study that a reader has finished, and one that is being read: the second, its reader."""
    cases = [Case(truth="real", class_name="A&B"), Case(truth="synthetic", class_name="A&B")] * 5
    images = np.random.default_rng(0).integers(0, 255, (10, SIDE, SIDE)).astype(np.uint8)
    studies = Studies(runs)
    for name in ("Finished", "Going on"):
        study = new_study(name, "00000-ward", "0" * 64, 0, cases)
        studies.create(study, images)
        reader = studies.join(study, "Ann")
        for token in reader.tokens[: 10 if name == "Finished" else 2]:
            studies.answer(study, reader.key, token, "real", 900)
    return study, reader


@pytest.fixture(scope="module")
def addresses(home: str, page: Page, reading: tuple[Study, Reader]) -> dict[str, str]:
    """Every kind of page."""
    study, reader = reading
    page.open(f"{home}/studies")
    finished = page.evaluate(
        "[...document.querySelectorAll('.job a')].find(a => a.textContent === 'Finished').href"
    )
    page.open(home)
    found = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.run h2 a')]"
        ".map(a => [a.textContent, a.getAttribute('href').split('/').pop()]))"
    )
    ward, other = found["00000-ward"], found["00001-other"]
    return {
        "runs": f"{home}/",
        "run": f"{home}/runs/{ward}",
        "browse": f"{home}/models/{ward}",
        "compare": f"{home}/compare?a={ward}&b={other}",
        "train": f"{home}/train",
        "studies": f"{home}/studies",
        "study": f"{home}/studies/{study.key}",
        "results": finished,
        "read": f"{home}/studies/{study.key}/read/{reader.key}",
        "login": f"{home}/login",
        "refused": f"{home}/runs/none",
    }


def ready(page: Page) -> None:
    page.wait_for(DRAWN)


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press Tab, or Shift+Tab to go back, until the focus is on an element that fits."""
    for _ in range(80):
        if page.evaluate(f"{FOCUS}.matches({selector!r})"):
            return
        page.press(key)
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_nothing_leaves_and_nothing_is_complained_of(page, home, addresses):
    for name, address in addresses.items():
        page.open(address)
        ready(page)
        assert all(request.startswith(f"{home}/") for request in page.requests), page.requests
        expected = ["404"] if name == "refused" else []
        assert [c for c in page.complaints if not any(e in c for e in expected)] == [], name


def test_no_width_makes_a_page_scroll_sideways(page, addresses):
    for name, address in addresses.items():
        page.open(address)
        ready(page)
        page.evaluate(UNFOLD)
        for width in WIDTHS:
            page.size(width, 800)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    page.size(1280, 800)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, addresses, scheme):
    page.prefer(scheme)
    for name, address in addresses.items():
        page.open(address)
        page.evaluate(UNFOLD)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 5
        assert contrasts[0][0] >= 4.5, (name, contrasts[:3])
    page.prefer("light")


def test_every_control_has_a_name(page, addresses):
    for name, address in addresses.items():
        page.open(address)
        ready(page)
        page.evaluate(UNFOLD)
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = {"button", "link", "slider", "spinbutton", "textbox", "combobox", "radio", "image"}
        for node in nodes:
            if node.get("role", {}).get("value") in roles and not node["ignored"]:
                assert node.get("name", {}).get("value"), (name, node)


@pytest.mark.parametrize("width", WIDTHS)
def test_images_are_browsed_by_keyboard(page, addresses, width, tmp_path):
    page.size(width, 800)
    page.open(addresses["browse"])
    ready(page)
    tab_to(page, "#psi")
    page.press("ArrowLeft", 4)
    turned = "[...document.querySelectorAll('.film img')].every(i => i.src.includes('psi=0.8'))"
    page.wait_for(f"{turned} && {DRAWN}")
    assert page.evaluate("document.getElementById('psi-value').textContent") == "0.80"
    tab_to(page, ".film")
    page.press("ArrowRight", 2)
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#facts dd').length === 5")
    facts = page.evaluate("[...document.querySelectorAll('#facts dd')].map(d => d.textContent)")
    assert facts[1:4] == ["0", "2", "0.8"]
    tab_to(page, "#walk")
    page.press("Enter")
    page.press("ArrowRight", 5)
    page.press("Enter")
    page.wait_for("document.getElementById('between').naturalWidth > 0")
    assert page.evaluate(f"{FOCUS}.id") == "step"
    before = page.evaluate("document.getElementById('between').src")
    page.press("ArrowRight")
    page.wait_for(f"document.getElementById('between').src !== {before!r}")
    tab_to(page, "#towards button:not([disabled])", "Shift+Tab")
    page.press("Enter")
    page.wait_for("document.getElementById('walk-to').textContent === '2 (NORMAL, seed 0)'")
    before = page.evaluate("document.getElementById('between').src")
    assert "to_label=1" in before
    page.press("ArrowRight")
    page.wait_for(f"document.getElementById('between').src !== {before!r}")
    tab_to(page, "#closest", "Shift+Tab")
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#closest-films img').length === 4")
    assert "INTERNAL" in page.evaluate("document.getElementById('closest-panel').innerText")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    page.download_to(tmp_path)
    tab_to(page, "#download", "Shift+Tab")
    page.press("Enter")
    end = time.monotonic() + 60
    while not list(tmp_path.glob("*.png")):
        assert time.monotonic() < end, "nothing was downloaded"
        page.evaluate("new Promise(done => setTimeout(done, 100))")
    (file,) = tmp_path.iterdir()
    assert file.name.endswith("_00000002.png")
    assert file.read_bytes().startswith(b"\x89PNG")
    page.size(1280, 800)


@pytest.mark.parametrize("width", WIDTHS)
def test_two_models_follow_the_same_sliders(page, addresses, width):
    page.size(width, 800)
    page.open(addresses["compare"])
    ready(page)
    tab_to(page, "#seed-slider")
    page.press("ArrowRight", 3)
    tab_to(page, "#psi")
    page.press("ArrowLeft", 2)
    tab_to(page, "#later")
    page.press("Enter")
    turned = "['seed=3', 'psi=0.9', 'index=12'].every(part => i.src.includes(part))"
    first = "[...document.querySelectorAll('[data-side] li:first-child img')]"
    page.wait_for(f"{first}.every(i => {turned}) && {DRAWN}")
    models = page.evaluate(f"{first}.map(i => i.src.split('/image')[0])")
    assert len(set(models)) == 2
    page.evaluate("document.querySelector('#side-b bdi').textContent = 'long '.repeat(30)")
    heights = page.evaluate(f"{first}.map(i => i.getBoundingClientRect().top)")
    assert heights[0] == heights[1], "side by side, however long one model's name is"
    assert page.complaints == []
    page.size(1280, 800)


def test_an_image_that_does_not_come_is_said(page, addresses):
    page.block("*/image/*")
    page.open(addresses["read"])
    page.wait_for(f"{SAID}.includes('did not come: is the studio still running?')")
    assert not page.evaluate("document.getElementById('said').classList.contains('unseen')")
    page.block()
    page.open(addresses["read"])
    page.wait_for("!document.getElementById('film').hidden")
    assert page.evaluate("document.getElementById('said').classList.contains('unseen')")


@contextlib.contextmanager
def damaged(run: Path) -> Iterator[None]:
    """Its model cannot be read for a while."""
    weights = run / "model" / "generator.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5] + b"wrong")
    try:
        yield
    finally:
        weights.write_bytes(whole)


def test_why_an_image_is_refused_is_said(page, addresses, runs):
    """In the studio's own words; a film that plays stops."""
    with damaged(runs / "00001-other"):
        page.open(addresses["compare"])
        page.wait_for(f"{SAID}.startsWith('Not drawn: ') && {SAID}.includes('damaged')")
    page.open(addresses["browse"])
    ready(page)
    for selector in ("[data-place='2']", "#walk", "[data-place='7']"):
        page.evaluate(f"document.querySelector({selector!r}).click()")
    page.wait_for("document.getElementById('between').naturalWidth > 0")
    with damaged(runs / "00000-ward"):
        page.evaluate("document.getElementById('play').click()")
        page.wait_for(f"{SAID}.startsWith('Not drawn: ') && {SAID}.includes('damaged')")
        assert page.evaluate("document.getElementById('play').textContent") == "Play"
    tab_to(page, "#step")
    page.press("ArrowRight")
    page.wait_for(f"{SAID} === ''")


def test_the_token_is_asked_for_and_asked_for_again(page, runs):
    """A page that stays open past its session shows the way in, not the way in within itself."""
    with studio(runs, XRAYGAN_STUDIO_TOKEN=TOKEN) as home:
        page.open(home)
        assert page.evaluate("location.pathname") == "/login"
        page.write("a wrong secret")
        page.press("Enter")
        page.wait_for(
            "document.querySelector('[role=\"alert\"]') && document.activeElement.id === 'token'"
        )
        page.write(TOKEN)
        page.press("Enter")
        page.wait_for("document.querySelectorAll('.run').length === 2")
        page.call("Network.clearBrowserCookies")
        page.wait_for("location.pathname === '/login' && document.readyState === 'complete'", 40)
        assert page.evaluate("document.querySelectorAll('#token').length") == 1
        assert page.evaluate("document.querySelector('[data-live]')") is None


@pytest.mark.slow
def test_training_is_started_stopped_and_gone_on_with_by_keyboard(page, tmp_path):
    films = write_films(tmp_path / "films")
    with studio(tmp_path / "runs", "--data", f"ward={films}") as home:
        page.open(f"{home}/train")
        for field, letter in (("data", "w"), ("resolution", "3"), ("preset", "s")):
            tab_to(page, f"#{field}")
            page.press(letter)
        tab_to(page, "#minutes", "Shift+Tab")
        page.press("Enter")
        page.wait_for("document.querySelector('.job a')")
        run = page.evaluate("document.querySelector('.job a').textContent")
        assert run == "00000-films-32"
        tab_to(page, "form[action$='/stop'] button")
        page.press("Enter")
        page.wait_for("document.querySelector('.job .pill.stopped')")
        tab_to(page, "form[action$='/go-on'] button")
        page.press("Enter")
        page.wait_for(
            "document.querySelector('.job .pill.running') && document.querySelector('.job a')"
        )
        assert page.evaluate("document.querySelector('.job a').textContent") == run
        assert [path.name for path in (tmp_path / "runs").glob("0*")] == [run]
        assert page.complaints == []


def test_a_run_is_followed_while_it_trains(page, addresses, home, runs):
    """Curves and sample grids come by themselves, and a run that nobody told the page of."""
    page.open(addresses["run"])
    assert page.evaluate("document.getElementById('moment').max") == "1"
    with RunFolder(runs / "00000-ward").locked():
        page.open(addresses["run"])
        assert (
            page.evaluate("document.querySelector('.status .pill').textContent") == "measuring"
        )  # it is published
        page.evaluate("document.querySelector('[data-live] a[href]').focus()")
        held = page.evaluate("document.activeElement.getAttribute('href')")
        row = {"images_seen": 3000, "d_loss": 0.6, "g_loss": 0.9, "fake_spread": 0.5, "seconds": 9}
        with (runs / "00000-ward" / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        shutil.copy(runs / "00000-ward" / "fakes000002.png", runs / "00000-ward/fakes000003.png")
        page.wait_for("document.querySelector('.status').textContent.includes('3,000')", 20)
        page.wait_for("document.getElementById('moment').max === '2'", 20)
        assert page.evaluate("document.activeElement.getAttribute('href')") == held
        tab_to(page, "#moment")
        page.press("ArrowLeft")
        assert page.evaluate("document.getElementById('grid').src").endswith("/grids/2.png")
        assert page.evaluate("document.getElementById('moment-value').textContent") == "2,000"
    page.open(home)
    assert page.evaluate("document.querySelectorAll('.run').length") == 2
    shutil.copytree(runs / "00001-other", runs / "00002-new")
    page.wait_for("document.querySelectorAll('.run').length === 3", 30)
    shutil.rmtree(runs / "00002-new")
    assert page.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_study_is_read_and_taken_up_again(page, home, width):
    page.size(width, 800)
    page.open(f"{home}/studies")
    tab_to(page, "#name")
    page.write(f"Study {width}")
    tab_to(page, "#cases")  # which marks what is in it
    page.write("10")
    page.press("Enter")
    page.wait_for("document.querySelector('form[action$=\"/readers\"]')")
    tab_to(page, "#name")
    page.press("A")
    page.press("Enter")
    page.wait_for("document.getElementById('film') && !document.getElementById('film').hidden")
    place = page.evaluate("location.href")
    for number in range(10):
        page.wait_for(f"document.getElementById('place').textContent === '{number + 1}'")
        page.wait_for("!document.getElementById('film').hidden")
        bottom = page.evaluate(
            "document.querySelector('#answers button').getBoundingClientRect().bottom"
        )
        assert bottom <= 800
        if width < 600:  # no keys on a phone
            said = "real" if number % 2 else "synthetic"
            page.evaluate(f"document.querySelector('#answers [data-said={said}]').click()")
        else:
            page.press("r" if number % 2 else "s")
        if number == 4:
            page.wait_for("document.getElementById('place').textContent === '6'")
            page.open(place)  # interrupted, and opened again
    page.wait_for("!document.getElementById('done').hidden")
    tab_to(page, "#done a")
    page.press("Enter")
    page.wait_for("document.readyState === 'complete' && document.querySelector('table')")
    assert not page.evaluate("document.querySelector('details').open")
    tab_to(page, "summary")
    page.press("Enter")
    row = page.evaluate("document.querySelector('tbody tr').innerText")
    assert row.split()[:2] == ["A", "10"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    page.size(1280, 800)

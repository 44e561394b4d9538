"""The studio in a real browser: by keyboard alone, at two widths, and nothing leaves."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CONTRASTS, PROGRAM, Page, browser

from studio_run import make_run, write_films
from xraygan.runs import RunFolder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed: no page can be shown"),
]

DRAWN = "[...document.querySelectorAll('.films img')].every(i => i.complete && i.naturalWidth)"
FOCUS = "document.activeElement"
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs."""
    folder = tmp_path_factory.mktemp("studio")
    make_run(folder / "runs", "00000-ward", write_films(folder / "films"))
    make_run(folder / "runs", "00001-other", None, seed=1)
    return folder / "runs"


@pytest.fixture(scope="module")
def home(runs: Path) -> Iterator[str]:
    """The address of a studio on them, in a process of its own."""
    command = [sys.executable, "-m", "xraygan", "studio", str(runs)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--device", "cpu"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    line = process.stdout.readline()
    yield line.split()[1].rstrip("/")
    process.terminate()
    assert process.wait(60) == 143


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def addresses(home: str, page: Page) -> dict[str, str]:
    """Every kind of page."""
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
        "refused": f"{home}/runs/none",
    }


def ready(page: Page) -> None:
    page.wait_for(DRAWN)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is on an element that fits."""
    for _ in range(80):
        if page.evaluate(f"{FOCUS}.matches({selector!r})"):
            return
        page.press("Tab")
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
        for width in WIDTHS:
            page.size(width, 800)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
    page.size(1280, 800)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, addresses, scheme):
    page.prefer(scheme)
    for name, address in addresses.items():
        page.open(address)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 5
        assert contrasts[0][0] >= 4.5, (name, contrasts[:3])
    page.prefer("light")


def test_every_control_has_a_name(page, addresses):
    for name, address in addresses.items():
        page.open(address)
        ready(page)
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = {"button", "link", "slider", "spinbutton", "textbox", "combobox", "radio", "image"}
        for node in nodes:
            if node.get("role", {}).get("value") in roles and not node["ignored"]:
                assert node.get("name", {}).get("value"), (name, node)


def test_images_are_browsed_by_keyboard(page, addresses):
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
    page.evaluate("document.getElementById('chosen-title').focus()")
    tab_to(page, "#towards button:not([disabled])")
    page.press("Enter")
    page.wait_for("document.getElementById('walk-to').textContent === '2 (NORMAL, seed 0)'")
    before = page.evaluate("document.getElementById('between').src")
    assert "to_label=1" in before
    page.press("ArrowRight")
    page.wait_for(f"document.getElementById('between').src !== {before!r}")
    page.evaluate("document.getElementById('chosen-title').focus()")
    tab_to(page, "#closest")
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#closest-films img').length === 4")
    assert "INTERNAL" in page.evaluate("document.getElementById('closest-panel').innerText")
    assert page.complaints == []


def test_a_run_is_followed_while_it_trains(page, addresses, home, runs):
    """Curves and sample grids come by themselves, and a run that nobody told the page of."""
    page.open(addresses["run"])
    assert page.evaluate("document.getElementById('moment').max") == "1"
    with RunFolder(runs / "00000-ward").locked():
        page.open(addresses["run"])
        assert page.evaluate("document.querySelector('.status .pill').textContent") == "training"
        row = {"images_seen": 3000, "d_loss": 0.6, "g_loss": 0.9, "seconds": 9}
        with (runs / "00000-ward" / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        shutil.copy(runs / "00000-ward" / "fakes000002.png", runs / "00000-ward/fakes000003.png")
        page.wait_for("document.querySelector('.status').textContent.includes('3,000')", 20)
        page.wait_for("document.getElementById('moment').max === '2'", 20)
        tab_to(page, "#moment")
        page.press("ArrowLeft")
        assert page.evaluate("document.getElementById('grid').src").endswith("/grids/2.png")
    page.open(home)
    assert page.evaluate("document.querySelectorAll('.run').length") == 2
    shutil.copytree(runs / "00001-other", runs / "00002-new")
    page.wait_for("document.querySelectorAll('.run').length === 3", 30)
    shutil.rmtree(runs / "00002-new")
    assert page.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_study_is_read_by_keyboard_and_taken_up_again(page, home, width):
    page.size(width, 800)
    page.open(f"{home}/studies")
    tab_to(page, "#name")
    for letter in f"Study {width}":
        page.press(letter)
    tab_to(page, "#cases")
    page.evaluate("document.getElementById('cases').value = '10'")
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
        page.press("r" if number % 2 else "s")
        if number == 4:
            page.wait_for("document.getElementById('place').textContent === '6'")
            page.open(place)  # interrupted, and opened again
    page.wait_for("!document.getElementById('done').hidden")
    tab_to(page, "#done a")
    page.press("Enter")
    page.wait_for("document.readyState === 'complete' && document.querySelector('table')")
    row = page.evaluate("document.querySelector('tbody tr').innerText")
    assert row.split()[:2] == ["A", "10"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    page.size(1280, 800)

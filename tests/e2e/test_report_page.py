"""The report in a real browser: it renders, says nothing to the console, asks for nothing."""

import base64
import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import CONTRASTS, PROGRAM, browser

from report_run import CLASSES, add_evidence, make_run
from xraygan.report.render import write_report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed: no page can be shown"),
]

WIDTHS = (1280, 768, 390, 360)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


MANY = ("<script>alert(1)</script>", "x" * 120, "肺炎", *"defgh")
KINDS = ("bare", "to share", "internal", "odd classes")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Callable[[str], Path]:
    """Reports of runs that differ in what was measured, and in their classes; made when asked."""
    folder = tmp_path_factory.mktemp("pages")

    @functools.cache
    def made(kind: str) -> Path:
        classes = MANY if kind == "odd classes" else CLASSES
        run = make_run(folder / kind, classes, images=9)
        if kind != "bare":
            add_evidence(run, classes)
        return write_report(run, internal=kind == "internal")[0]

    return made


@dataclass(frozen=True)
class Elsewhere:
    """A server that no report may ask.

    Attributes:
        address: its own.
        asked: paths that were asked for.
    """

    address: str
    asked: list[str]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """It has a page that does all that a report must not: the tests have to see that."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/bad.html" else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b'<!DOCTYPE html><img src="/a.png"><script>console.log(1)</script>')

        def log_message(self, *_: object) -> None:
            pass

    serve = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serve.serve_forever, daemon=True).start()
    yield Elsewhere(f"http://127.0.0.1:{serve.server_port}", asked)
    serve.shutdown()


def test_what_must_not_happen_would_be_seen(page, elsewhere):
    page.open(f"{elsewhere.address}/bad.html")
    assert f"{elsewhere.address}/a.png" in page.requests
    assert "/a.png" in elsewhere.asked
    assert len(page.complaints) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_for_and_nothing_complained_of(page, pages, kind):
    page.open(pages(kind).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    assert page.requests == [pages(kind).as_uri()]
    assert page.complaints == []
    images = page.evaluate(
        "[...document.images].map(i => i.complete && i.naturalWidth > 0 && i.clientWidth > 0)"
    )
    assert len(images) >= 16 or kind == "bare"  # without an audit no picture is shown
    assert all(images)
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    assert page.evaluate("document.querySelector('h1').textContent").startswith("Synthetic chest")


def test_the_security_policy_holds(page, pages, elsewhere):
    """Were a picture from elsewhere smuggled in, the browser would not fetch it."""
    page.open(pages("to share").as_uri())
    smuggled = f'<img src="{elsewhere.address}/smuggled.png">'
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '{smuggled}')")
    page.evaluate("new Promise(done => setTimeout(done, 200))")
    assert "/smuggled.png" not in elsewhere.asked
    assert any("Content Security Policy" in text for text in page.complaints)


@pytest.mark.parametrize("kind", KINDS)
def test_no_width_makes_the_page_scroll_sideways(page, pages, kind):
    page.open(pages(kind).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in WIDTHS:
        page.size(width, 800)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
        wider = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg, .skip')"
            f" && e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML.slice(0, 99))"
        )
        assert wider == []
    page.size(1280, 800)


def test_the_first_screen_holds_the_answers(page, pages):
    page.open(pages("to share").as_uri())
    page.size(1280, 900)
    bottoms = page.evaluate(
        "[...document.querySelectorAll('.verdict .value')]"
        ".map(e => e.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 3
    assert max(bottoms) < 900


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_text_can_be_read_in_light_and_dark(page, pages, kind, scheme):
    page.prefer(scheme)
    page.open(pages(kind).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert contrasts[0][0] >= 4.5, contrasts[:5]
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(dark.split("(")[1].split(",")[0]) < 128) == (scheme == "dark")
    page.prefer("light")


def test_every_control_is_reached_by_the_keyboard(page, pages):
    page.open(pages("to share").as_uri())
    wanted = page.evaluate("document.querySelectorAll('a, summary').length")
    reached = set()
    for _ in range(3 * wanted):
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        name = page.evaluate(
            "[...document.querySelectorAll('a, summary')].indexOf(document.activeElement)"
        )
        reached.add(name)
    assert set(range(wanted)) <= reached


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_every_printed_page_of_the_house_edition_is_marked(page, pages, tmp_path):
    marked = {}
    for kind in ("internal", "to share"):
        page.open(pages(kind).as_uri())
        printed = page.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        (tmp_path / "page.pdf").write_bytes(base64.b64decode(printed["data"]))
        text = subprocess.run(
            ["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True
        ).stdout
        assert "Likeness is judged in the first" in text  # what is folded away on the screen
        sheets = text.split("\f")[:-1]
        assert len(sheets) > 3
        marked[kind] = ["INTERNAL EDITION" in sheet for sheet in sheets]
    assert all(marked["internal"])
    assert not any(marked["to share"])


def test_class_names_are_shown_as_they_are(page, pages):
    page.open(pages("odd classes").as_uri())
    names = page.evaluate("[...document.querySelectorAll('#pictures h3')].map(e => e.textContent)")
    assert "<script>alert(1)</script>" in names
    assert len(names) == 8
    page.open(pages("to share").as_uri())
    names = page.evaluate("[...document.querySelectorAll('#pictures h3')].map(e => e.textContent)")
    assert names == list(CLASSES)

"""Makes the studio's pictures in the documentation from a run on the phantom.

    xraygan run --results runs/00000-phantom-64 --minutes 5 --evidence basic
    python docs/make_studio_pictures.py runs

Needs Chromium and the development extra; every image shown is synthetic or a phantom.
"""

import argparse
import base64
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from browser import Page, browser

IMAGES = Path(__file__).parent / "images"
CASES = 20
DESKTOP, PHONE = (1280, 860), (390, 844)
RUN = "document.querySelector('.run h2 a')"
DRAWN = "[...document.querySelectorAll('.films img')].every(i => i.complete && i.naturalWidth)"


def main() -> None:
    """Open the studio on a folder whose newest run is a phantom's, and write its pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", help="folder of runs; the newest one on the phantom")
    command = [sys.executable, "-m", "xraygan", "studio", parser.parse_args().runs, "--port", "0"]
    studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        home = studio.stdout.readline().split()[1].rstrip("/") if studio.stdout else ""
        with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
            page.size(*PHONE)
            page.open(home)
            name = page.evaluate(f"{RUN}.textContent")
            if "phantom" not in name:
                raise SystemExit(f"{name} is not a run on the phantom: no picture of it is made")
            save(page, "phone")
            page.size(*DESKTOP)
            page.open(home + page.evaluate(f"{RUN}.getAttribute('href')"))
            save(page, "run")
            samples(page, home)
            study(page, home)
    finally:
        studio.terminate()
        studio.wait()


def samples(page: Page, home: str) -> None:
    """The sample browser with one image chosen."""
    page.open(home)
    address = page.evaluate(f"{RUN}.getAttribute('href')")
    page.open(home + address.replace("/runs/", "/models/"))
    page.wait_for(DRAWN)
    page.evaluate("document.querySelectorAll('.film')[6].click()")
    page.wait_for("document.querySelectorAll('#facts dd').length === 5")
    save(page, "samples")


def study(page: Page, home: str) -> None:
    """A reading, and the results of two readers who press keys at random."""
    page.open(f"{home}/studies")
    fill(page, {"name": "Thorax group", "cases": str(CASES)})
    page.wait_for("document.querySelector('form[action$=\"/readers\"]')")
    address = page.evaluate("location.href")
    for reader in ("Reader A", "Reader B"):
        page.open(address)
        fill(page, {"name": reader})
        for place in range(CASES):
            page.wait_for(f"document.getElementById('place')?.textContent === '{place + 1}'")
            page.wait_for("!document.getElementById('film').hidden")
            if (reader, place) == ("Reader A", 0):
                save(page, "reading")
                page.size(*PHONE)
                save(page, "phone-reading")
                page.size(*DESKTOP)
            time.sleep(random.uniform(0.2, 0.6))  # noqa: S311
            page.press(random.choice("rs"))  # noqa: S311
        page.wait_for("!document.getElementById('done').hidden")
    page.open(address)
    page.evaluate("document.querySelector('details').open = true")
    save(page, "results")


def fill(page: Page, values: dict[str, str]) -> None:
    """Fill in the form of a page and send it."""
    for name, value in values.items():
        page.evaluate(f"document.getElementById('{name}').value = '{value}'")
    page.evaluate("document.querySelector('form.panel button').click()")


def save(page: Page, name: str) -> None:
    """What the window shows, as `docs/images/studio-NAME.png`."""
    shot = page.call("Page.captureScreenshot", format="png")
    file = IMAGES / f"studio-{name}.png"
    file.write_bytes(base64.b64decode(shot["data"]))
    print(file)


if __name__ == "__main__":
    main()

import dataclasses
import itertools
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report_run import add_evidence, audit, films, make_run
from xraygan.errors import XrayganError
from xraygan.estimates import Estimate
from xraygan.pictures import save_grid
from xraygan.privacy.audit import COPYING, LEAK, NOTHING, Audit
from xraygan.privacy.copies import Copies
from xraygan.privacy.membership import DISCRIMINATOR, Attack, Membership
from xraygan.report.cards import DATA_CARD, MODEL_CARD, cards
from xraygan.report.collect import collect
from xraygan.report.content import ReportData
from xraygan.report.readings import reading_of
from xraygan.report.render import CONTENTS, INTERNAL, render_html, write_report
from xraygan.report.verdicts import AUDIT, EVALUATE, MARK, verdicts
from xraygan.report.wording import clean, floor_of, interval_of, value_of
from xraygan.runs import read_json, write_json

VOID = {"meta", "link", "img", "br"}


class Read(HTMLParser):
    """A page as a reader of HTML finds it: elements, their attributes, their text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert len(attributes) == len(dict(attributes)), attributes
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(t for tag, t in self.texts if tag != "style").split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return add_evidence(make_run(tmp_path_factory.mktemp("render") / "run"))


@pytest.fixture(scope="module")
def data(run) -> ReportData:
    return collect(run)


@pytest.fixture(scope="module", params=["to share", "internal", "not measured"])
def page(request, data) -> Read:
    if request.param == "not measured":
        data = dataclasses.replace(data, evaluation=None, audit=None)
    return Read(render_html(data, internal=request.param == "internal"))


def test_the_page_is_whole_in_itself(page):
    names = Counter(tag for tag, _ in page.elements)
    assert not {"script", "iframe", "object", "embed", "form", "base", "audio", "video"} & set(
        names
    )
    assert page.open == []
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "action", "poster", "xlink:href"}:
                assert value.startswith(("data:", "#")), (tag, name, value[:80])
    style = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [m for m in page.all("meta") if m.get("http-equiv")]
    assert policy["http-equiv"] == "Content-Security-Policy"
    rules = dict(rule.split(" ", 1) for rule in policy["content"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"] == "'unsafe-inline'"
    assert page.elements.index(("meta", policy)) < [t for t, _ in page.elements].index("style")


def test_the_page_can_be_read_without_seeing_it(page):
    assert page.all("html") == [{"lang": "en"}]
    assert any(m.get("name") == "viewport" for m in page.all("meta"))
    assert all(image["alt"] for image in page.all("img"))
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in page.all("svg"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))
    for link in page.all("a"):
        assert link["href"][1:] in identities
    assert {anchor for anchor, _ in CONTENTS} <= set(identities)
    for region in (a for _, a in page.elements if a.get("role") == "region"):
        assert region["tabindex"] == "0"
        assert region["aria-label"]
    tables = [tag for tag, _ in page.elements if tag in ("table", "th")]
    assert tables.count("table") >= 5
    assert all("scope" in th for th in page.all("th"))


def test_the_page_says_what_it_is_for(page):
    for sentence in ("Not for diagnosis", "Intended use", "Synthetic is not anonymous", "Limits"):
        assert sentence in page.text


def test_figures_with_interval_floor_and_reading(data):
    text = Read(render_html(data, internal=False)).text
    assert "0.117 (95 % interval 0.098 to 0.137; n = 393; filter-bank-1)" in text
    assert "real films among themselves: 0.002 (−0.008 to 0.011)" in text
    assert "0 is no difference" in text
    assert "Lower is better." in text
    assert "FID is biased below 10,000 images" in text
    by_class = [f for figures in data.evaluation.per_class.values() for f in figures]
    for figure in (*data.evaluation.figures, *by_class, *data.audit.copies):
        measure, _, space = figure.key.partition("@")
        reading = reading_of(measure, figure.topic)
        assert reading.title in text
        assert reading.sentence in text
        assert space in text
        assert f"{value_of(figure.estimate)} (" in text
        assert f"{interval_of(figure.estimate)}" in text
        if figure.estimate.floor is not None:
            assert f": {floor_of(figure.estimate)}" in text
    for sentence in (*audit()["tested"], *audit()["not_tested"], audit()["does_not_prove"]):
        assert sentence in text
    for name in ("GAN-Leaks", "DOMIAS", "Planted copies recognised: covered with 20 % noise"):
        assert name in text
    assert "Trained on 50 real and 3,789 synthetic images." in text
    assert "50 real films and synthetic images" in text
    assert "control: 0.497 (0.460 to 0.530)" in text
    assert "0.941 to 0.960" in text  # similarity of the closest pairs
    assert "Licence: not stated." in text


def test_not_measured_yet(data):
    text = Read(render_html(dataclasses.replace(data, evaluation=None, audit=None), False)).text
    assert text.count("Not measured yet") == 6
    assert text.count(EVALUATE) == 2
    assert AUDIT in text
    assert "No privacy audit has been made" in text
    assert "Not measured in this report: fidelity, utility, privacy." in text


def test_what_could_not_be_measured_says_why(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    values = read_json(folder / "evaluation.json")
    write_json(folder / "evaluation.json", values | {"utility": {"notes": ["One class only."]}})
    text = Read(render_html(collect(folder), internal=False)).text
    assert "Not measured. One class only." in text
    assert "Not measured in this report: utility." in text


@pytest.mark.parametrize("verdict", ["copying found", "membership leak found", "nothing found"])
def test_the_verdict_comes_first(run, tmp_path, verdict):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    write_json(folder / "audit.json", audit(verdict))
    text = Read(render_html(collect(folder), internal=False)).text
    assert f"Verdict: {verdict}." in text
    warned = "should be shared" in text
    assert warned == (verdict != "nothing found")
    assert "Privacy Do they give patients away?" in text


def test_editions(data):
    shared, house = (Read(render_html(data, internal=i)) for i in (False, True))
    assert MARK not in shared.text
    assert house.text.count(MARK) == 2
    assert house.elements.index(("p", {"class": "mark", "role": "note"})) < [
        tag for tag, _ in house.elements
    ].index("h1")
    assert len(house.all("img")) - len(shared.all("img")) == 2 * 20 + 20 * 3
    assert next(t for tag, t in house.texts if tag == "title").startswith("INTERNAL")
    assert "no real film, no file name, no patient" in shared.text


def test_the_house_edition_needs_the_house(data):
    with pytest.raises(ValueError, match="taken away for sharing"):
        render_html(data.for_sharing(), internal=True)


def test_same_run_same_bytes(run, data):
    assert render_html(data, internal=True) == render_html(collect(run), internal=True)


def test_write_report(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.rmtree(folder / INTERNAL)
    before = set(folder.iterdir())
    licence = {"licence": "CC BY 4.0", "attribution": "Kermany et al.\nMendeley <Data>"}
    written = write_report(folder, **licence)
    names = ["report.html", "report.json", "model-card.md", "data-card.md", "terms.json"]
    assert written == [folder / name for name in names]
    assert set(folder.iterdir()) - before == set(written)
    assert write_report(folder) == written[:-1]  # the run has kept the terms
    inside = write_report(folder, internal=True)
    assert inside == [folder / INTERNAL / name for name in names[:2]]
    assert (folder / INTERNAL).stat().st_mode & 0o777 == 0o700
    for file in (written[0], *written[2:4], inside[0]):
        text = file.read_text(encoding="utf-8")
        assert "CC BY 4.0" in text
        assert "Kermany et al. Mendeley &lt;Data&gt;" in text

    def strict(_):
        raise AssertionError("NaN or Infinity in JSON")

    for file, house in ((written[1], False), (inside[1], True)):
        values = json.loads(file.read_text(encoding="utf-8"), parse_constant=strict)
        assert values["licence"] == "CC BY 4.0"
        assert values["verdicts"][0]["value"] == "0.117"
        kid = values["evaluation"]["figures"][0]
        assert {k: kid[k] for k in ("key", "value", "n", "floor", "feature_space")} == {
            "key": "kid",
            "value": 0.117,
            "n": 393,
            "floor": 0.0017,
            "feature_space": "filter-bank-1",
        }
        assert (values["house"] is not None) == house
        assert ("INTERNAL" in values["edition"]) == house
        assert values["course"]["images"][-1] == 12000


def test_terms_that_are_stated_anew_replace_those_that_the_run_keeps(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    write_report(folder, licence="CC BY 4.0", attribution="A. B.")
    write_report(folder, internal=True, licence="CC0 1.0")
    data = collect(folder)
    assert (data.licence, data.attribution) == ("CC0 1.0", "A. B.")
    write_json(folder / "terms.json", ["of another kind"])
    assert collect(folder).licence is None


def test_a_disk_that_refuses(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    (folder / "report.html").mkdir()
    with pytest.raises(XrayganError, match="cannot be written"):
        write_report(folder)


# ---- Names are text, whatever is in them


def with_class(data: ReportData, name: str) -> ReportData:
    """The same report of a class with another name."""
    old = data.classes[0].name

    def renamed(mapping):
        return {name if key == old else key: value for key, value in mapping.items()}

    house = dataclasses.replace(
        data.house,
        reals=renamed(data.house.reals),
        source=name,
        notes=(name,),
    )
    evaluation = dataclasses.replace(data.evaluation, per_class=renamed(data.evaluation.per_class))
    return dataclasses.replace(
        data,
        classes=(dataclasses.replace(data.classes[0], name=name), *data.classes[1:]),
        examples={
            name: tuple(dataclasses.replace(p, alt=f"of {name}") for p in data.examples[old]),
            **{k: v for k, v in data.examples.items() if k != old},
        },
        attribution=name,
        licence=name,
        evaluation=evaluation,
        audit=dataclasses.replace(data.audit, explanation=name, tested=(name,)),
        house=house,
    )


NASTY = (
    '<script>alert("x")</script>',
    "\"><img src=x onerror='alert(1)'>",
    "</style></title></section><h1>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp; 'quoted'",
    "Röntgen 肺炎 אור عين 🫁",
    "x" * 500,
    "javascript:alert(1)",
    "<!-- --!> ]]>",
)


@settings(max_examples=25)
@given(name=st.sampled_from(NASTY) | st.text(min_size=1, max_size=60))
def test_any_name_is_only_text(data, name):
    name = clean(name)
    if name in {"", data.classes[1].name}:
        return
    plain = Read(render_html(with_class(data, "plain"), internal=True))
    page = Read(render_html(with_class(data, name), internal=True))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [sorted(a) for _, a in page.elements] == [sorted(a) for _, a in plain.elements]
    assert ("bdi", name) in page.texts
    assert page.all("img")[0]["alt"] == f"of {name}"


def test_markup_in_a_run(tmp_path):
    """From the folder to the page, with a class that is a script."""
    classes = (NASTY[0], "b")
    run = add_evidence(make_run(tmp_path / "run", classes), classes)
    config = read_json(run / "config.json")
    assert config["data"]["classes"][0] == NASTY[0]
    for internal in (False, True):
        page = write_report(run, internal=internal)[0].read_text(encoding="utf-8")
        assert "<script" not in page
        assert NASTY[0] in Read(page).text


HALF, HITS = Estimate(0.5, 0.45, 0.55, 100), Estimate(0.06, 0.05, 0.07, 100)


def audited(verdict: str, leaking: str | None, by_hits: bool = False) -> Audit:
    """What the audit finds: by words of its own, as the report gets to read them."""
    reasons = ("20 of 160 images are copies.",) if verdict == COPYING else ()
    attacks = {
        name: Attack(HALF, HITS, HALF, HALF, HALF, HALF, 0.5, name == leaking, by_hits)
        for name in ("domias", DISCRIMINATOR)
    }
    copies = Copies({"copied_share": HALF}, (), (), reasons, {"exact": 1.0}, ())
    return Audit(verdict, copies, Membership(attacks, 100, 100, ()), {}, ())


@pytest.mark.parametrize(
    ("verdict", "leaking"),
    [(NOTHING, None), (COPYING, None), (LEAK, "domias"), (LEAK, DISCRIMINATOR)],
)
def test_banner_cards_and_explanation_say_the_same(tmp_path, verdict, leaking):
    run = add_evidence(make_run(tmp_path / "run"))
    found = audited(verdict, leaking).as_dict()
    write_json(run / "audit.json", found)
    data = collect(run)
    text = Read(render_html(data, internal=False)).text
    assert f"Verdict: {verdict}. {found['explanation']}" in text
    forbidden = "Do not share" in found["explanation"]
    assert forbidden == (verdict != NOTHING)
    assert (f"The privacy audit says: {verdict}." in text) == forbidden
    assert ("Do not share anything before you have read" in text) == forbidden
    for name in (MODEL_CARD, DATA_CARD):
        card = cards(data)[name]
        assert f"**Privacy**: {verdict.capitalize()}." in card
        assert ("Do not share" in card) == forbidden


def test_the_tile_shows_what_the_explanation_says_of_a_leak(tmp_path):
    run = add_evidence(make_run(tmp_path / "run"))
    found = audited(LEAK, "domias", by_hits=True).as_dict()
    assert "6.0% of the training images found at one false alarm" in found["explanation"]
    write_json(run / "audit.json", found)
    assert verdicts(collect(run))[2].value == "0.060"


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        (0, "of 33 patients."),
        (80, "of patients who are not told apart."),
        (7, "of 33 patients (7 of the films tell no patient and count as one each)."),
    ],
)
def test_films_that_tell_no_patient_are_no_patients(tmp_path, unknown, said):
    run = make_run(tmp_path / "run")
    config = read_json(run / "config.json")
    config["data"]["of_unknown_patients"] = {"train": unknown}
    write_json(run / "config.json", config)
    data = collect(run)
    assert said in render_html(data, internal=False)
    assert all(said[:-1] in text for text in cards(data).values())


def test_splits_that_share_patients_are_said_to(tmp_path):
    run = make_run(tmp_path / "run")
    assert "the three splits share no patient" in render_html(collect(run), internal=True)
    config = read_json(run / "config.json")
    for count, keep, said in (
        (2, False, "2 patients are in several"),  # of a data set that was prepared so
        (1, True, "1 patient is in several"),
        (0, True, None),
        (None, True, "a patient may be in several"),  # by a version that did not count
    ):
        config["settings"]["data"]["keep_splits"] = keep
        config["data"]["in_several_splits"] = count
        write_json(run / "config.json", config)
        data = collect(run)
        page, card = render_html(data, internal=False), cards(data)[MODEL_CARD]
        assert ("share no patient" in page) == (said is None)
        assert ("18 films of other patients to measure on" in card) == (said is None)
        assert said is None or (said in page and said in card)


def test_the_house_sees_who_is_imitated(tmp_path):
    run = add_evidence(make_run(tmp_path / "run"))
    (run / "internal").mkdir(exist_ok=True)
    save_grid(run / "internal" / "most-imitated.png", [films(3, 64, 5)])
    data = collect(run)
    assert len(data.house.imitated) == 3
    assert "Film of the patient of rank 2" in render_html(data, internal=True)
    assert "Film of the patient of rank" not in render_html(data, internal=False)


def test_figures_in_tables_have_their_number_and_their_control(tmp_path):
    page = render_html(collect(add_evidence(make_run(tmp_path / "run"))), internal=False)
    cells = re.findall(r'<td class="number"><strong>.*?</td>', page)
    assert len(cells) > 10
    assert all("n&nbsp;=&nbsp;" in cell for cell in cells)
    assert any("control: " in cell for cell in cells)


def test_what_is_told_without_synthetic_images_stands_once(tmp_path):
    data = collect(add_evidence(make_run(tmp_path / "run")))
    assert [figure.key for figure in data.audit.blind] == ["blind_auc"]
    assert "blind_auc" not in data.audit.attacks_by_measure
    title = reading_of("blind_auc", "membership").title
    assert render_html(data, internal=False).count(f'<p class="title">{title}</p>') == 1


def test_files_that_were_not_used_need_not_be_damaged(data):
    text = Read(render_html(data, internal=False)).text
    assert (
        "3 files of the source were not used: refused, duplicates, or left out by the settings."
        in text
    )


def test_what_is_tested_on_synthetic_images_is_said_to_be(data):
    said = "that nothing was trained on; in TRTS alone on synthetic images."
    assert said in Read(render_html(data, internal=False)).text
    without = {name: found for name, found in data.evaluation.utility.items() if name != "trts"}
    other = dataclasses.replace(
        data, evaluation=dataclasses.replace(data.evaluation, utility=without)
    )
    text = Read(render_html(other, internal=False)).text
    assert "that nothing was trained on." in text


def test_what_has_no_interval_is_shown_without_one(run, tmp_path):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    values = read_json(folder / "evaluation.json")
    values["coverage"] |= {"low": None, "high": None}
    write_json(folder / "evaluation.json", values)
    data = collect(folder)
    assert "0.940 (95 % interval – to –; n = 393;" in Read(render_html(data, internal=False)).text
    assert "| 0.940 | – to – |" in cards(data)[MODEL_CARD]

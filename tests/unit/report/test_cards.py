import dataclasses
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from report_run import add_evidence, make_run
from xraygan.report.cards import DATA_CARD, MODEL_CARD, cards, escape_markdown, licence_fields
from xraygan.report.collect import collect
from xraygan.report.verdicts import AUDIT, EVALUATE
from xraygan.report.wording import clean


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collect(add_evidence(make_run(tmp_path_factory.mktemp("cards") / "run")))


def split(card: str) -> tuple[dict, str]:
    """Front matter and body."""
    found = re.match(r"---\n(.*?)\n---\n(.*)", card, re.DOTALL)
    assert found, card[:200]
    return yaml.safe_load(found[1]), found[2]


def as_html(markdown: str) -> str:
    """As a hub shows it: CommonMark with tables, HTML let through."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


def tags(html: str) -> list[str]:
    return re.findall(r"<(/?[a-z0-9]+)", html)


def test_a_model_card_says_where_the_weights_began(data):
    assert "First weights: learnt on 8,000 simulated films" in cards(data)[MODEL_CARD]
    at_random = dataclasses.replace(data, simulated_films=None)
    assert "First weights: random." in cards(at_random)[MODEL_CARD]


def test_front_matter(data):
    stated = dataclasses.replace(data, licence="CC BY-NC 4.0")
    model, _ = split(cards(stated, "CC BY 4.0")[MODEL_CARD])
    assert model["library_name"] == "keras"
    assert model["pipeline_tag"] == "unconditional-image-generation"
    assert model["license"] == "cc-by-4.0"
    dataset, body = split(cards(stated, "CC BY 4.0")[DATA_CARD])
    assert dataset["license"] == "cc-by-4.0"
    assert "This data set: CC BY 4.0." in body
    assert "derived: licence CC BY-NC 4.0;" in body
    # The training data's licence is not that of the weights or the images made of them.
    assert all("license" not in split(card)[0] for card in cards(stated).values())
    assert dataset["size_categories"] == ["n<1K"]
    assert dataset["task_categories"] == ["image-classification"]
    assert dataset["annotations_creators"] == ["machine-generated"]


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        ("CC BY 4.0", {"license": "cc-by-4.0"}),
        ("cc-by-nc-sa-4.0", {"license": "cc-by-nc-sa-4.0"}),
        (" MIT ", {"license": "mit"}),
        (
            "Hospital's own: ask\nus",
            {"license": "other", "license_name": "hospital-s-own-ask-us"},
        ),
        (None, {}),
    ],
)
def test_licences(licence, fields):
    assert licence_fields(licence) == fields


@pytest.mark.parametrize("name", [MODEL_CARD, DATA_CARD])
def test_a_card_says_what_the_page_says(data, name):
    _, body = split(cards(dataclasses.replace(data, attribution="Kermany et al."))[name])
    html = as_html(body)
    text = re.sub(r"<[^>]+>", "", html)
    assert html.count("<h1>") == 1
    for sentence in (
        "Not for diagnosis",
        "Near to real films, yet different. 0.117",
        "Verdict of the audit: nothing found.",
        "Linkage with other registers.",
        "Below 1,000 films the shares at 0.1 % false alarms have wide intervals.",
        "That nobody can be recognised in any image.",
        "Synthetic is not anonymous.",
        "FID is biased below 10,000 images",
        "Kermany et al.",
        "No radiologist has confirmed",
        "ab" * 32,
    ):
        assert sentence in text, sentence
    rows = re.findall(r"<td>(.*?)</td>", html)
    at = rows.index("Kernel distance (KID)")
    assert rows[at + 1 : at + 5] == [*("0.117", "0.098 to 0.137", "0.002 (−0.008 to 0.011)", "393")]


@pytest.mark.parametrize("name", [MODEL_CARD, DATA_CARD])
def test_not_measured_yet(data, name):
    card = cards(dataclasses.replace(data, evaluation=None, audit=None))[name]
    assert EVALUATE in card
    assert AUDIT in card
    assert card.count("ot measured yet") + card.count("not measured yet") >= 3


def test_nothing_of_the_house(data):
    house = dataclasses.replace(data.house, source="SECRET", patient_pattern="SECRET")
    for card in cards(dataclasses.replace(data, house=house)).values():
        assert "SECRET" not in card


NASTY = (
    "<script>alert(1)</script>",
    "a | b | c",
    "](http://x) [y](javascript:z) ![z](http://w)",
    "**bold** _it_ `code` ~~gone~~ $x$",
    "# heading",
    "- item",
    "=====",
    "\\",
    "&lt; &#35;",
    "---",
    "```",
    "1. one",
)


@settings(max_examples=40)
@given(name=st.sampled_from(NASTY) | st.text(max_size=40))
def test_any_name_is_only_text(data, name):
    name = clean(name)
    if not name:
        return

    def drawn(text: str) -> list[str]:
        classes = (dataclasses.replace(data.classes[0], name=text), *data.classes[1:])
        audit = dataclasses.replace(data.audit, explanation=text, tested=(text,))
        named = dataclasses.replace(data, classes=classes, audit=audit)
        return [as_html(split(card)[1]) for card in cards(named).values()]

    for html, plain in zip(drawn(name), drawn("plain"), strict=True):
        assert tags(html) == tags(plain)


def test_escaped_text_reads_as_it_was():
    for text in (*NASTY, "a < b & c > d", "plain"):
        html = as_html(f"x {escape_markdown(text)}")
        shown = html.removeprefix("<p>x ").removesuffix("</p>\n")
        for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
            shown = shown.replace(entity, sign)
        assert shown == text
    assert escape_markdown("0.117") == "0.117", "a number is no list"


def test_cards_say_why_utility_was_not_measured(data):
    why = "Utility is not defined: it needs two classes."
    evaluation = dataclasses.replace(data.evaluation, utility={}, utility_notes=(why,))
    for card in cards(dataclasses.replace(data, evaluation=evaluation)).values():
        assert f"**Utility was not measured.**\n\n- {why}" in card
        assert f"- **Utility**: Not measured. {why}" in card
        assert "not measured yet" not in card

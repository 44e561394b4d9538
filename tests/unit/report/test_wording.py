import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraygan.estimates import Estimate
from xraygan.report.wording import (
    WITHHELD,
    Censor,
    clean,
    count,
    decimals_of,
    floor_of,
    interval_of,
    number,
    setting,
    value_of,
)


@pytest.mark.parametrize(
    ("estimate", "value", "interval"),
    [
        (Estimate(0.117, 0.0981, 0.1372, 9), "0.117", "0.098 to 0.137"),
        (Estimate(1.698, 1.62553, 1.76973, 9), "1.70", "1.63 to 1.77"),
        (Estimate(41.27, 39.2, 43.4, 9), "41.3", "39.2 to 43.4"),
        (Estimate(12345.6, 12000.0, 12700.0, 9), "12,346", "12,000 to 12,700"),
        (Estimate(-0.0004, -0.003, 0.002, 9), "−0.0004", "−0.0030 to 0.0020"),
        (Estimate(-0.00001, -0.03, 0.03, 9), "0.000", "−0.030 to 0.030"),
        (Estimate(0.5, 0.5, 0.5, 9), "0.500", "0.500 to 0.500"),
        (Estimate(0.0, 0.0, 0.0018, 9), "0.0000", "0.0000 to 0.0018"),
        (Estimate(0.5, 0.5 - 0.0354, 0.5 + 0.0354, 9), "0.500", "0.465 to 0.535"),
        (Estimate(0.5, 0.5 - 0.0356, 0.5 + 0.0356, 9), "0.50", "0.46 to 0.54"),
        (Estimate(0.0, 0.0, 0.0, 9), "0.00", "0.00 to 0.00"),
        (Estimate(math.nan, math.nan, math.nan, 9), "–", "– to –"),
    ],
)
def test_a_figure_has_the_digits_its_interval_allows(estimate, value, interval):
    assert (value_of(estimate), interval_of(estimate)) == (value, interval)


@given(st.floats(1e-5, 1e6), st.floats(1e-4, 1e4))
def test_rounding_moves_a_figure_by_less_than_a_twelfth_of_its_interval(value, half):
    shown = float(number(value, decimals_of(value, value - half, value + half)).replace(",", ""))
    assert abs(shown - value) <= max(half / 3.55 / 2 * 1.001, 0.5e-6)


def test_floor():
    assert floor_of(Estimate(1, 0.9, 1.1, 9)) == "–"
    assert floor_of(Estimate(1, 0.9, 1.1, 9, floor=0.25)) == "0.250"
    shown = floor_of(Estimate(1, 0.9, 1.1, 9, floor=0.0017, floor_low=-0.008, floor_high=0.0115))
    assert shown == "0.002 (−0.008 to 0.011)"


def test_plain_values():
    assert count(1234567) == "1,234,567"
    assert count(None) == "–"
    assert [setting(v) for v in (None, True, False, 20000.0, 0.0005, 16, "base")] == [
        *("not set", "yes", "no", "20000", "0.0005", "16", "base")
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  two\n words\t", "two words"),
        ("Röntgen 肺炎 צילום", "Röntgen 肺炎 צילום"),
        ("a\x00b\udc80c\x7f", "a\ufffdb\ufffdc\ufffd"),
        ("safe\u202egnp.exe\u2066", "safegnp.exe"),
    ],
)
def test_clean(text, shown):
    assert clean(text) == shown


@given(st.text(st.characters(), max_size=50))
def test_what_is_clean_is_one_line_that_can_be_written(text):
    shown = clean(text)
    shown.encode()
    assert clean(shown) == shown
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(c) for c in shown}


@pytest.mark.parametrize(
    "text",
    [
        "Nearest to /home/anna/films/IM-0001.jpeg",
        "see ~/runs",
        "in C:\\Users\\anna",
        r"\\server\share",
        "file 'person12_virus_3.PNG' was left out",
        "read from (../films)",
        "scan.dcm",
        "file:///etc",
        "The data came from Ward-7.",
    ],
)
def test_what_names_a_file_or_the_source_is_held_back(text):
    assert Censor(["ward-7"])(text) == WITHHELD


@pytest.mark.parametrize(
    "text",
    [
        "FID is biased below 10,000 images: compare it with its floor only.",
        "real/synthetic, and/or 1/2; mean ± 0.5 / √n; TPR at 0.1 % FPR",
        "Source: Dar et al. 2024, arXiv 2402.01054.",
        "filter-bank-1",
        "A. B. and C... at 0.5",
    ],
)
def test_plain_sentences_pass(text):
    assert Censor(["", "ab", "ward-7"])(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Films of St_Mary_cohort.",
        "st_mary_cohort: 12 films",
        "kid@St_Mary_cohort",
        "St_Mary_cohort_v2 is larger.",
        "(St_Mary_cohort)",
    ],
)
def test_a_name_is_held_back_wherever_it_is_a_word(text):
    assert Censor(["St_Mary_cohort"])(text) == WITHHELD


def test_a_name_within_a_longer_word_says_nothing():
    assert Censor(["tic", "Ent"])("Synthetic images of patients") == "Synthetic images of patients"
    assert Censor(["(person\\d+)_"])("named by (person\\d+)_x") == WITHHELD


@pytest.mark.parametrize("name", ["images", "films", "train", "real", "patients", "Images"])
def test_an_ordinary_word_names_no_source(name):
    text = f"Of real films and images of patients who train, {name} among them."
    assert Censor([name])(text) == text

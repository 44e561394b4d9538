"""The plot of the utility measures."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from xraygan.estimates import Estimate
from xraygan.evaluation.utility_plot import plot_utility, title


def regime(auc: float) -> dict:
    return {"auc": Estimate(auc, auc - 0.02, auc + 0.01, 300).as_dict(), "images": 300, "seeds": 3}


UTILITY = {
    "trtr": regime(0.95),
    "tstr": regime(0.91),
    "real_plus_synthetic_0.25": regime(0.96),
    "low_10_real": regime(0.7),
    "tstr_minus_trtr": {"auc_difference": Estimate(-0.04, -0.06, -0.02, 300).as_dict()},
    "notes": ["a note"],
}


def test_png_is_a_picture_with_something_on_it() -> None:
    image = Image.open(BytesIO(plot_utility(UTILITY)))
    pixels = np.asarray(image.convert("RGB"))
    assert image.format == "PNG"
    assert pixels.shape[1] > 700
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_svg_names_every_row_and_repeats_itself() -> None:
    drawn = plot_utility(UTILITY, kind="svg")
    text = drawn.decode()
    for key in ("trtr", "tstr", "real_plus_synthetic_0.25", "low_10_real", "tstr_minus_trtr"):
        assert title(key) in text
    assert drawn == plot_utility(UTILITY, kind="svg")
    assert not re.search(r"<dc:date>", text)


def test_without_differences_there_is_one_panel() -> None:
    alone = {key: UTILITY[key] for key in ("trtr", "tstr")}
    assert b"difference in AUC" not in plot_utility(alone, kind="svg")
    assert b"difference in AUC" in plot_utility(UTILITY, kind="svg")


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no regime"):
        plot_utility({"trtr": None, "notes": ["Utility is not defined."]})


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("trtr", "train real, test real"),
        ("real_plus_synthetic_0.5", "real + 0.5 × synthetic"),
        ("low_10_real_plus_synthetic", "10 real + synthetic"),
        ("label_shuffled", "label shuffled"),
        ("tstr_minus_trtr", "train synthetic, test real − train real, test real"),
    ],
)
def test_keys_become_words(key, words) -> None:
    assert title(key) == words

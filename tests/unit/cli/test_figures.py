"""Figures are printed by name, under what they are of."""

from typing import Any

from xraygan.cli import audit, evaluate
from xraygan.cli.measuring import by_space, table


def figure(value: float | None, floor: float | None = None) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.01, value + 0.01)
    return {"value": value, "low": low, "high": high, "n": 1500, "floor": floor}


def test_figures_of_a_space_stand_under_it() -> None:
    figures = {"kid": figure(0.02), "kid@inception": figure(0.5), "notes": ["none"]}
    assert by_space("All images", figures, "fidelity") == {
        "All images": {"Kernel distance (KID)": figures["kid"]},
        "All images, in inception": {"Kernel distance (KID)": figures["kid@inception"]},
    }


def test_columns_are_aligned() -> None:
    lines = table({"Copies": {"Share": figure(0.25, 0.2)}, "A long heading": {}}, "control")
    assert lines.splitlines() == [
        "         value  95 % interval  control      n",
        "Copies",
        "  Share   0.25   0.24 to 0.26      0.2  1,500",
        "A long heading",
    ]


def test_a_figure_that_could_not_be_measured_is_a_dash() -> None:
    assert table({"Attack": {"AUC": figure(None)}}, "control").split("AUC")[1].split() == [
        "–",
        "–",
        "–",
        "1,500",
    ]


def test_evaluate_names_classes_and_ways_to_train() -> None:
    found = {
        "kid": figure(0.02),
        "per_class": {"NORMAL": {"kid": figure(0.03)}},
        "notes": [],
        "utility": {
            "tstr": {"auc": figure(0.9), "seeds": 3},
            "tstr_minus_trtr": {"auc_difference": figure(0.0)},
            "notes": [],
        },
    }
    sections = evaluate._sections(found)
    assert list(sections) == [
        "All images",
        "Class NORMAL",
        "Synthetic images only (TSTR)",
        "Synthetic images only (TSTR), minus: Real films (TRTR): the reference",
    ]
    assert evaluate._sections({**found, "utility": None}).keys() == {"All images", "Class NORMAL"}


def test_audit_prints_the_films_alone_once_and_controls_beside() -> None:
    attack = {
        "auc": figure(0.6),
        "tpr_at_1_percent": figure(0.02, 0.01),
        "control_auc": figure(0.5),
        "blind_auc": figure(0.53),
    }
    found = {
        "copies": {"copied_share": figure(0.0)},
        "membership": {"gan_leaks": attack, "domias@filter-bank-1": attack},
    }
    sections = audit._sections(found)
    assert list(sections) == [
        "Copies",
        "Nearest synthetic image (GAN-Leaks)",
        "Density of synthetic images beside that of other films (DOMIAS), in filter-bank-1",
        "The films alone",
    ]
    assert [
        figure["floor"] for figure in sections["Nearest synthetic image (GAN-Leaks)"].values()
    ] == [0.5, 0.01]
    assert list(sections["The films alone"]) == ["AUC without synthetic images"]

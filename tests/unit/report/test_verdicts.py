import pytest

from report_run import audit, evaluation, figure
from xraygan.report.evidence import read_audit, read_evaluation
from xraygan.report.verdicts import AUDIT, EVALUATE, RULES, fidelity, privacy, utility
from xraygan.report.wording import Censor
from xraygan.runs import write_json


@pytest.fixture
def measured(tmp_path):
    """From evaluation.json's content to what the report makes of it."""

    def read(values):
        write_json(tmp_path / "evaluation.json", values)
        return read_evaluation(tmp_path, ("NORMAL",), Censor())

    return read


@pytest.fixture
def audited(tmp_path):
    def read(values):
        write_json(tmp_path / "audit.json", values)
        return read_audit(tmp_path, Censor())

    return read


def test_nothing_measured():
    for verdict in (fidelity(None), utility(None), privacy(None)):
        assert (verdict.headline, verdict.tone, verdict.value) == ("Not measured yet", "none", "")
    assert (fidelity(None).command, privacy(None).command) == (EVALUATE, AUDIT)


@pytest.mark.parametrize(
    ("kid_low", "coverage", "headline", "tone"),
    [
        (0.010, 0.80, "No difference from real films found", "calm"),
        (0.010, 0.71, "No difference shown, by too few images to deny one", "open"),
        (0.010, None, "No difference shown; coverage was not measured", "open"),
        (0.010, 0.30, "Far from real films", "bad"),
        (0.012, 0.30, "Far from real films", "bad"),
        (0.012, 0.40, "Clearly different from real films", "mixed"),
        (0.012, 0.71, "Clearly different from real films", "mixed"),
        (0.012, 0.73, "Near to real films, yet different", "mixed"),
        (0.012, None, "Different from real films", "mixed"),
    ],
)
def test_fidelity(measured, kid_low, coverage, headline, tone):
    values = {
        "kid": figure(0.1, kid_low, 0.2, 9, floor=0.002, floor_low=-0.01, floor_high=0.011),
        "coverage": figure(coverage, coverage, coverage, 9, floor=0.8, floor_low=0.7),
    }
    verdict = fidelity(measured(values))
    assert (verdict.headline, verdict.tone) == (headline, tone)
    assert verdict.value.startswith("0.1")


@pytest.mark.parametrize(
    ("worse", "headline"),
    [
        ({}, "No difference from real films found"),
        ({"classifier_auc": figure(0.9, 0.85, 0.95, 9, floor=0.5, floor_high=0.55)}, "Near"),
        ({"recall": figure(0.3, 0.25, 0.35, 9, floor=0.9, floor_low=0.85)}, "Near"),
    ],
)
def test_what_kid_does_not_see_is_a_difference_too(measured, worse, headline):
    values = {
        "kid": figure(0.001, -0.01, 0.02, 9, floor=0.002, floor_high=0.011),
        "coverage": figure(0.9, 0.85, 0.95, 9, floor=0.92, floor_low=0.88),
    }
    assert fidelity(measured(values | worse)).headline.startswith(headline)


def test_without_a_floor_nothing_is_said_of_a_difference(measured):
    values = {"kid": figure(0.1, 0.05, 0.2, 9), "coverage": figure(0.85, 0.8, 0.9, 9)}
    verdict = fidelity(measured(values))
    assert (verdict.headline, verdict.tone) == ("No floor to compare with", "open")
    assert "Real films among themselves: too few to tell." in verdict.sentence
    assert "no floor to compare with" in RULES


def test_evaluation_without_kid_or_utility(measured):
    found = measured({"fid": figure(1, 1, 1, 9), "utility": None})
    assert fidelity(found).headline == utility(found).headline == "Not measured yet"


@pytest.mark.parametrize(
    ("low", "high", "headline"),
    [
        (0.50, 0.99, "No use shown"),
        (0.51, 0.94, "No loss shown; one of 0.45 is not excluded"),
        (0.92, 0.94, "No loss against real films found"),
        (0.51, 0.93, "Useful, but less than real films"),
    ],
)
def test_utility(measured, low, high, headline):
    values = evaluation()
    values["utility"] = {
        "tstr": {"auc": figure(0.7, low, high, 9)},
        "trtr": figure(0.95, 0.94, 0.96, 9),  # a single figure is its AUC
    }
    verdict = utility(measured(values))
    assert verdict.headline == headline
    assert "real films: 0.950 (0.940 to 0.960)" in verdict.sentence


@pytest.mark.parametrize(
    ("low", "high", "headline"),
    [
        (-0.09, -0.001, "Useful, but less than real films"),
        (-0.09, 0.001, "No loss shown; one of 0.09 is not excluded"),
        (-0.05, 0.001, "No loss against real films found"),
    ],
)
def test_a_measured_difference_decides_whatever_the_intervals_say(measured, low, high, headline):
    values = evaluation()
    values["utility"] = {
        "tstr": {"auc": figure(0.93, 0.90, 0.96, 9)},
        "trtr": {"auc": figure(0.98, 0.95, 1.0, 9)},
        "tstr_minus_trtr": {"auc_difference": figure(-0.02, low, high, 9)},
    }
    assert utility(measured(values)).headline == headline


def test_without_real_films_to_compare_with_nothing_is_said_of_a_loss(measured):
    values = evaluation() | {"utility": {"tstr": {"auc": figure(0.93, 0.90, 0.96, 9)}}}
    assert utility(measured(values)).headline == "Better than guessing"


def test_privacy_says_that_a_part_was_looked_at(audited):
    note = "Audited: the first 2,048 of 100,000 images written, and 2,000 further ones."
    assert note in privacy(audited(audit() | {"notes": [note]})).sentence


def test_privacy_names_the_strongest_attack_and_never_promises(audited):
    verdict = privacy(audited(audit()))
    assert (verdict.headline, verdict.value) == ("Nothing found", "0.534")
    assert "strongest of 3" in verdict.value_label
    assert "does not prove" in verdict.sentence
    assert verdict.tone != "calm"


@pytest.mark.parametrize(
    ("verdict", "value"), [("copying found", "0.0021"), ("membership leak found", "0.534")]
)
def test_privacy_says_not_to_share(audited, verdict, value):
    found = privacy(audited(audit(verdict)))
    assert (found.tone, found.value) == ("bad", value)
    assert found.headline.lower() == verdict
    assert "Do not share" in found.sentence


def test_privacy_shows_an_attack_that_succeeded_and_not_a_stronger_one_that_chance_explains(
    audited,
):
    values = audit("membership leak found")
    weakest = min(values["membership"], key=lambda k: values["membership"][k]["auc"]["value"])
    values["membership_tests"] = {
        name: {"p_value": 0.01, "leak": name == weakest} for name in values["membership"]
    }
    found = privacy(audited(values))
    expected = values["membership"][weakest]["auc"]["value"]
    assert float(found.value) == pytest.approx(expected, abs=5e-4)
    assert "that succeeded (1 of 3 did)" in found.value_label


def test_a_leak_by_the_members_named_shows_these_and_not_an_area_near_guessing(audited):
    values = audit("membership leak found")
    values["membership"]["domias"]["tpr_at_1_percent"] = figure(0.06, 0.05, 0.07, 393)
    values["membership_tests"] = {"domias": {"p_value": 1e-4, "leak": True, "by_hits": True}}
    found = privacy(audited(values))
    assert (found.value, found.sentence[:32]) == ("0.060", "95 % interval 0.050 to 0.070. Do")
    assert found.value_label.endswith("(1 of 3 did) names at 1 % false alarms; 0.01 is guessing")
    values["membership_tests"]["domias"]["by_hits"] = False
    assert privacy(audited(values)).value == "0.534"


def test_nothing_found_says_that_membership_was_not_tested(audited):
    empty = audit() | {"membership": {}, "membership_tests": {}}
    why = "Membership was not tested: one side has 7 patients, and 20 are needed."
    for notes, said in (([], "Membership was not tested. "), (["Few.", why], f"{why} ")):
        found = privacy(audited(empty | {"notes": notes}))
        assert (found.headline, found.value) == ("Nothing found", "")
        assert found.sentence == f"{said}This does not prove that the images are anonymous."
    assert "not tested" not in privacy(audited(audit())).sentence


def test_where_utility_is_undefined_no_command_can_measure_it(measured):
    reasons = ["Class A is left out.", "Utility is not defined: it needs two classes."]
    nothing = dict.fromkeys(("trtr", "tstr", "trts"))
    found = utility(measured(evaluation() | {"utility": {**nothing, "notes": reasons}}))
    assert (found.headline, found.tone, found.command) == ("Not measured", "none", "")
    assert found.sentence == reasons[-1]


def test_without_an_interval_no_difference_is_denied(measured):
    values = {
        "kid": figure(0.001, -0.01, 0.02, 9, floor=0.002, floor_high=0.011),
        "coverage": figure(0.3, None, None, 9, floor=0.92, floor_low=0.88),
    }
    found = fidelity(measured(values))
    assert (found.headline, found.tone) == ("Too few patients to judge", "open")
    values["kid"] |= {"low": 0.1, "high": 0.2}
    assert fidelity(measured(values)).tone == "bad", "what KID sees stays a difference"


def test_privacy_says_what_the_films_tell_without_any_synthetic_image(audited):
    """Or an interval that excludes 0.5 would stand there as "nothing found"."""
    values = audit()
    sentence = privacy(audited(values)).sentence
    assert "The films alone, without synthetic images: 0.520 (0.490 to 0.550)." in sentence
    for attack in values["membership"].values():
        del attack["blind_auc"]
    assert "films alone" not in privacy(audited(values)).sentence

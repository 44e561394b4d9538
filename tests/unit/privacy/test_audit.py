"""The audit as a whole: verdicts, the shape of its JSON, no names, plain refusals."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from privacy_films import TRAIN, Films, image_set, leaking, thumbnails

from xraygan.errors import XrayganError
from xraygan.privacy.audit import COPYING, LEAK, NOTHING, Audit, audit
from xraygan.privacy.planted import Disguise, disguised
from xraygan.privacy.words import explanation, in_one_line
from xraygan.sets import ImageSet

FIGURE = {"value", "low", "high", "n"}


def run(films: Films, synthetic: ImageSet, **more) -> Audit:
    sets = films.train, films.holdout, synthetic
    tables = {"thumbnails": tuple(thumbnails(s.images) for s in sets)}
    return audit(*sets, tables, **more)


@pytest.fixture(scope="module")
def honest(films: Films) -> Audit:
    return run(films, films.fresh)


@pytest.fixture(scope="module")
def copying(films: Films) -> Audit:
    return run(films, leaking(films, films.train.images[:20]))


def test_verdicts(films: Films, honest: Audit, copying: Audit) -> None:
    assert honest.verdict == in_one_line(honest.as_dict()) == NOTHING
    assert copying.verdict == COPYING


def test_what_the_discriminator_alone_gives_away_forbids_to_share_it_alone(films: Films) -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=TRAIN) + 3, random.normal(size=len(films.holdout))
    found = run(films, films.fresh, discriminator_scores=scores)
    assert found.verdict == LEAK
    said = found.as_dict()["explanation"]
    assert "Do not share the discriminator or the checkpoints." in said
    assert "these images or this model" not in said


def test_copying_wins_over_a_membership_leak(films: Films) -> None:
    random = np.random.default_rng(2)
    noisy = disguised(films.train.images, Disguise("", noise=0.02), random)
    found = run(films, image_set(noisy, films.train.labels, "made"))
    assert found.membership.leaks
    assert found.verdict == COPYING


@pytest.mark.parametrize("which", ["honest", "copying"])
def test_json_has_the_agreed_shape(which: str, request: pytest.FixtureRequest) -> None:
    values = json.loads(json.dumps(request.getfixturevalue(which).as_dict(), allow_nan=False))
    assert set(values) == {
        "verdict", "explanation", "tested", "not_tested", "does_not_prove", "copies",
        "membership", "membership_tests", "closest_pairs", "patients", "sets", "notes",
    }  # fmt: skip
    assert all(set(figure) >= FIGURE for figure in values["copies"].values())
    for attack in values["membership"].values():
        assert all(set(figure) >= FIGURE for figure in attack.values())
    assert values["membership_tests"].keys() == values["membership"].keys()
    for test in values["membership_tests"].values():
        assert 0 < test["p_value"] <= 1
        assert test["leak"] is test["by_hits"] is False
    assert [set(pair) for pair in values["closest_pairs"]] == [{"similarity", "ratio"}] * 20
    assert all(set(one) == {"images"} for one in values["patients"]["most_imitated"])
    assert values["sets"]["train"]["n"] == TRAIN
    assert re.fullmatch(r"[0-9a-f]{64}", values["sets"]["synthetic"]["sha256"])
    for key in ("tested", "not_tested", "notes"):
        assert all(isinstance(line, str) and line.endswith(".") for line in values[key])


def test_no_patient_is_named(honest: Audit, copying: Audit) -> None:
    for found in (honest, copying):
        text = json.dumps(found.as_dict())
        assert "Ann Trained" not in text
        assert "Bob Kept" not in text


def test_words_fit_the_verdict(honest: Audit, copying: Audit) -> None:
    assert "Do not share" in copying.as_dict()["explanation"]
    assert "20 of 160" in copying.as_dict()["explanation"]
    said = honest.as_dict()
    assert "Do not share" not in said["explanation"]
    assert "exact" in said["explanation"], "what could have been found is said"
    assert "anonymous" in said["does_not_prove"]
    assert any("LOGAN" in line for line in said["not_tested"])


def test_success_that_only_the_controls_explain_is_said(films: Films, honest: Audit) -> None:
    """Held-out films of another machine: chance does not explain what the attacks reach."""
    import cv2

    softer = np.stack([cv2.GaussianBlur(image, (0, 0), 0.8) for image in films.holdout.images])
    other = image_set(softer, films.holdout.labels, "other")
    said = run(Films(films.train, other, films.fresh), films.fresh).as_dict()
    assert said["verdict"] == NOTHING
    assert "of the attacks did better than chance explains" in said["explanation"]
    assert "better than chance" not in honest.as_dict()["explanation"]
    for found in (said, honest.as_dict()):
        blind = next(iter(found["membership"].values()))["blind_auc"]
        assert f"no synthetic image, reached {blind['value']:.2f}" in found["explanation"]


def test_an_attack_that_nearly_leaks_is_told_of(honest: Audit) -> None:
    name, attack = next(iter(honest.membership.attacks.items()))
    near = {**honest.membership.attacks, name: replace(attack, p_value=0.002)}
    said = explanation(honest.copies, replace(honest.membership, attacks=near))
    assert "(p = 0.002) did better than chance" in said
    assert "short of the 0.0009 of a leak" in said
    others = {key: replace(one, p_value=0.003) for key, one in [*near.items()][1:3]}
    said = explanation(honest.copies, replace(honest.membership, attacks=near | others))
    assert said.count("(p = 0.00") == 3


def test_held_out_patients_who_were_trained_on_are_left_out(films: Films, honest: Audit) -> None:
    both = ImageSet(
        np.concatenate([films.holdout.images, films.train.images[:9]]),
        np.concatenate([films.holdout.labels, films.train.labels[:9]]),
        np.concatenate([films.holdout.patients, films.train.patients[:9]]),
        films.train.classes,
    )
    sets = films.train, both, films.fresh
    tables = {"thumbnails": tuple(thumbnails(s.images) for s in sets)}
    found = audit(*sets, tables)
    assert "9 held-out patients with 9 images" in found.notes[0]
    assert found.copies.figures == honest.copies.figures


def test_refusals_say_what_to_do(films: Films) -> None:
    train, holdout, fresh = films.sets
    few = train.rows(np.arange(5))
    with pytest.raises(XrayganError, match=r"has 5 patients .* at least 12; add films"):
        audit(few, holdout, fresh, {})
    with pytest.raises(XrayganError, match="every held-out patient is in the training set"):
        audit(train, train, fresh, {})
    with pytest.raises(XrayganError, match="no synthetic image"):
        audit(train, holdout, fresh.rows(np.arange(0)), {})
    larger = image_set(np.zeros((9, 64, 64), np.uint8), np.zeros(9), "made")
    with pytest.raises(XrayganError, match="32×32, 64×64 px"):
        audit(train, holdout, larger, {})
    with pytest.raises(ValueError, match="rows for"):
        audit(*films.sets, {"thumbnails": (np.ones((3, 2)),) * 3})
    with pytest.raises(ValueError, match="scores of"):
        audit(*films.sets, {}, (np.ones(2), np.ones(3)))


def test_the_smallest_sets_are_audited(films: Films) -> None:
    found = audit(
        films.train.rows(np.arange(12)), films.holdout.rows(np.arange(3)), films.fresh.rows([0]), {}
    )
    assert found.verdict == NOTHING
    assert any("12" in note or "6 training patients" in note for note in found.notes)
    assert in_one_line(found.as_dict()) == f"{NOTHING} (membership was not tested)"
    json.dumps(found.as_dict(), allow_nan=False)


def test_one_exact_copy_in_a_small_set_is_found(films: Films) -> None:
    train = films.train.rows(np.arange(40))
    found = audit(train, films.holdout.rows(np.arange(30)), train.rows(np.arange(1)), {})
    assert found.verdict == COPYING

"""Known leaks on the phantom are found and ranked; honest images are cleared."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from privacy_films import FRESH, TRAIN, Films, image_set, leaking, thumbnails

from xraygan.data.phantom import phantom_images
from xraygan.privacy import words
from xraygan.privacy.copies import EXCESS, Copies, _judged, find_copies
from xraygan.privacy.examination import CERTAIN, Patients, Sides, examine
from xraygan.privacy.figures import correlation_figures
from xraygan.privacy.membership import Membership
from xraygan.privacy.planted import PLANTED, Disguise, disguised, plant
from xraygan.privacy.words import explanation
from xraygan.sets import ImageSet

LEAKS = {
    "exact": Disguise(""),
    "noise 1 %": Disguise("", noise=0.01),
    "shifted": Disguise("", shift=1 / 16),
    "flipped": Disguise("", mirrored=True),
}
DISGUISED = {
    "noise 10 %": Disguise("", noise=0.1),
    "all at once": Disguise("", noise=0.05, shift=1 / 16, mirrored=True),
}


def check(films: Films, synthetic: ImageSet, **more) -> Copies:
    return find_copies(films.train, films.holdout, synthetic, more.pop("features", {}), **more)


def copies_of(films: Films, count: int, disguise: Disguise, seed: int = 1) -> ImageSet:
    random = np.random.default_rng(seed)
    chosen = films.train.images[random.permutation(TRAIN)[:count]]
    return leaking(films, disguised(chosen, disguise, random))


@pytest.fixture(scope="module")
def honest(films: Films) -> Copies:
    tables = {"thumbnails": tuple(thumbnails(s.images) for s in films.sets)}
    return check(films, films.fresh, features=tables)


def test_fresh_films_are_cleared(honest: Copies) -> None:
    assert not honest.found
    assert honest.reasons == ()
    figure = honest.figures["copied_share"]
    assert figure.low == 0
    assert figure.value < 0.05
    assert honest.figures["certain_copies"].value == 0


@pytest.mark.parametrize("name", LEAKS)
def test_one_copy_in_twenty_is_found(films: Films, name: str) -> None:
    found = check(films, copies_of(films, FRESH // 20, LEAKS[name]))
    assert found.found, found.figures["copied_share"]
    assert found.figures["copied_share"].high > 0.04
    worst = [pair["synthetic"] for pair in found.closest_pairs[:4]]
    assert max(worst) < FRESH // 20, "copies come first among the closest pairs"


def test_the_figure_that_says_copying_comes_first(films: Films) -> None:
    for count in (2, FRESH // 5):
        found = check(films, copies_of(films, count, LEAKS["noise 1 %"]))
        headline = next(iter(found.figures.values()))
        assert found.found
        assert headline.value > 0


@pytest.mark.parametrize("name", DISGUISED)
def test_disguised_copies_are_found_where_they_are_several(films: Films, name: str) -> None:
    """At 32 pixels, among few patients, noise hides single copies; by ratios these as well."""
    assert check(films, copies_of(films, FRESH // 13, DISGUISED[name])).found


def test_copies_under_strong_noise_are_found_in_their_numbers() -> None:
    """At 64 pixels a fifth are copies under 20 % noise: none is certain, but their number."""
    images, labels = phantom_images(400, 64, 71)
    train, holdout, made = (
        image_set(images[rows], labels[rows], name)
        for rows, name in zip(np.split(np.arange(400), [200, 240]), ("t", "h", "m"), strict=True)
    )
    made.images[:32] = plant(train.images, PLANTED["noise_20_percent"], 32)
    found = find_copies(train, holdout, made, {})
    assert found.figures["certain_copies"].value == 0
    (reason,) = found.reasons
    assert "training patients are imitated by 160 synthetic images" in reason


@pytest.mark.parametrize("learnt", [True, False])
def test_films_that_are_repeated_under_noise_are_found_in_their_mean(learnt: bool) -> None:
    """Neither a single image nor the number of patients tells; of fresh films it is no copying."""
    images, labels = phantom_images(400, 64, 71)
    train, holdout, made = (
        image_set(images[rows], labels[rows], name)
        for rows, name in zip(np.split(np.arange(400), [200, 240]), ("t", "h", "m"), strict=True)
    )
    few = (train.images if learnt else made.images)[:2]
    repeats = np.resize(few, (40, 64, 64))
    made.images[-40:] = plant(repeats, PLANTED["noise_20_percent"], 40)
    found = find_copies(train, holdout, made, {})
    assert found.figures["certain_copies"].value == 0
    assert found.found == learnt
    assert (found.figures["repeated_copies"].value > 0.1) == learnt
    if learnt:
        (reason,) = found.reasons
        assert "repeat few films" in reason
        assert next(iter(found.figures)) in ("repeated_copies", "copied_share")


def test_two_exact_copies_are_named(films: Films) -> None:
    random = np.random.default_rng(4)
    sources = random.permutation(TRAIN)[:2]
    found = check(films, leaking(films, films.train.images[sources]))
    assert found.found
    assert "2 of 160 synthetic images" in found.reasons[0]
    for pair in found.closest_pairs[:2]:
        assert pair["train"] == sources[pair["synthetic"]]
        assert pair["similarity"] == pytest.approx(1, abs=1e-4)
        assert pair["ratio"] < 0.01


def test_leaks_are_ranked_by_how_much_is_copied(films: Films) -> None:
    shares = [
        check(films, copies_of(films, count, LEAKS["noise 1 %"])).figures["copied_share"].value
        for count in (0, 8, 32, 160)
    ]
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(0.2, abs=0.03)
    assert shares[3] > 0.95


def test_one_patient_copied_a_hundred_times(films: Films) -> None:
    one = np.repeat(films.train.images[7:8], 100, axis=0)
    noisy = disguised(one, Disguise("", noise=0.02), np.random.default_rng(5))
    found = check(films, leaking(films, noisy))
    assert found.found
    assert found.most_imitated[0]["images"] == 100


def test_many_images_that_lean_on_few_patients_are_found() -> None:
    """Thousands of images name each of a hundred patients by chance alone: few are looked at."""
    random = np.random.default_rng(8)
    train, holdout = (random.normal(size=(n, 20)).astype(np.float32) for n in (100, 60))
    leaning = train[random.integers(0, 100, 6000)] + random.normal(0, 0.65, (6000, 20))
    names = np.array([f"p{n}" for n in range(100)], object)
    who = ImageSet(np.zeros((100, 8, 8), np.uint8), np.zeros(100, np.int32), names, ("a",))
    sides = Sides(train, holdout, leaning.astype(np.float32))
    seen = examine("features", sides, Patients.of(who, 0), np.arange(60), 1)
    assert {level.n for level in (*seen.excesses, seen.far)} == {200}
    assert seen.p_value < EXCESS
    honest = Sides(train, holdout, random.normal(size=(6000, 20)).astype(np.float32))
    assert examine("features", honest, Patients.of(who, 0), np.arange(60), 1).p_value > EXCESS


def test_an_excess_too_small_to_be_copying_is_told() -> None:
    """Noisy copies in 0.8 % of many images: more than chance explains, and under the limit."""
    random = np.random.default_rng(9)
    train, holdout, made = (
        random.normal(size=(n, 40)).astype(np.float32) for n in (1500, 60, 3000)
    )
    made[:24] = train[:24] + random.normal(0, 0.7, (24, 40))
    names = np.array([f"p{n}" for n in range(1500)], object)
    who = ImageSet(np.zeros((1500, 8, 8), np.uint8), np.zeros(1500, np.int32), names, ("a",))
    seen = examine("features", Sides(train, holdout, made), Patients.of(who, 0), np.arange(60), 1)
    assert seen.p_value < EXCESS
    judged = _judged(replace(seen, bound=np.inf), 1)  # no single one is certain
    assert judged.reasons == {}
    slight = judged.slight
    level = seen.most_surprising
    assert f"{level.found} training patients are imitated by 3,000" in slight[0]
    assert f"(p = {seen.p_value:.1g})" in slight[0]
    assert "less than 0.5% of the images." in slight[0]

    def said(slight: tuple[str, ...]) -> str:
        return explanation(Copies({}, (), (), (), {}, (), slight), Membership({}, 0, 0, ()))

    assert "More patients were imitated than chance explains" in said(slight)
    assert "nor were more patients imitated" not in said(slight)
    assert "nor were more patients imitated than chance explains." in said(())


def test_copies_show_in_features_too(films: Films) -> None:
    """Features of another picture entirely: only the feature view can know."""
    random = np.random.default_rng(6)
    tables = [random.normal(size=(len(s), 30)).astype(np.float32) for s in films.sets]
    tables[2][:10] = tables[0][:10]
    found = check(films, films.fresh, features={"other": tuple(tables)})
    assert any("the features of other" in reason for reason in found.reasons)
    assert not any("By pixels" in reason for reason in found.reasons)


def test_figures_have_controls_beside_them(honest: Copies) -> None:
    assert next(iter(honest.figures)) == "copied_share"
    for key in ("copied_share", "certain_copies", "calibrated_ratio", "nearest_correlation"):
        figure = honest.figures[key]
        assert figure.floor is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.feature_space is None
        assert figure.value == pytest.approx(figure.floor, abs=0.1), "fresh films are real films"
    for key in ("copied_share@thumbnails", "auth_pct@thumbnails", "c_t@thumbnails"):
        assert honest.figures[key].feature_space == "thumbnails"
    assert abs(honest.figures["c_t@thumbnails"].value) < 4
    assert {f"planted_{kind}" for kind in PLANTED} <= set(honest.figures)
    assert honest.recognised["exact"] == 1


def test_twenty_pairs_without_names(honest: Copies) -> None:
    assert len(honest.closest_pairs) == 20
    ratios = [pair["ratio"] for pair in honest.closest_pairs]
    assert ratios == sorted(ratios)
    assert all(set(one) == {"images", "train"} for one in honest.most_imitated)


def test_the_same_seed_gives_the_same_figures(films: Films, honest: Copies) -> None:
    tables = {"thumbnails": tuple(thumbnails(s.images) for s in films.sets)}
    assert check(films, films.fresh, features=tables).figures == honest.figures


def test_progress_reaches_its_end(films: Films) -> None:
    seen: list[tuple[int, int]] = []
    check(films, films.fresh.rows(np.arange(30)), progress=lambda *now: seen.append(now))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_queries_for_chance_are_new_to_the_view(films: Films) -> None:
    train = films.train
    doubled = ImageSet(train.images, train.labels, np.repeat(train.patients[::2], 2), train.classes)
    patients = Patients.of(doubled, 3)
    assert not set(patients.number[patients.null]) & set(patients.number[patients.fitted])
    assert len(set(patients.number[patients.null])) == len(patients.null) == TRAIN // 4


def test_soft_images_are_no_copies(films: Films) -> None:
    """Blurred strongly: nothing a film has of its own is left, whatever the distances."""
    import cv2

    soft = np.stack([cv2.GaussianBlur(image, (0, 0), 2) for image in films.fresh.images])
    assert not check(films, image_set(soft, films.fresh.labels, "made")).found


def test_false_alarms_are_shared_among_views(films: Films) -> None:
    sides = Sides(*(s.images for s in films.sets))
    patients, others = Patients.of(films.train, 0), np.arange(len(films.holdout))
    one, five = (examine("pixels", sides, patients, others, views) for views in (1, 5))
    assert five.bound > one.bound
    assert CERTAIN < 0.005


def test_a_pair_shows_a_film_of_the_patient_whom_the_view_finds(films: Films) -> None:
    """Another patient's film correlates better; the view, which knows more, says the first."""
    pair, made = films.train.rows(np.arange(2)), films.train.rows(np.array([1]))
    nearest = SimpleNamespace(candidates=np.array([[0, 1]]), patient=np.array([0]))
    seen: Any = SimpleNamespace(synthetic=nearest, holdout=nearest)
    _, correlation, index = correlation_figures(pair, made, made, seen, np.array([0, 1]))
    assert index == [0]
    assert correlation[0] < 0.99


def words_of(**facts: object) -> tuple[str, str]:
    """The explanation, and the first sentence on what was tested."""
    copies = Copies(**{
        "figures": {}, "closest_pairs": (), "most_imitated": (), "reasons": (), "recognised": {},
        "notes": (), **facts,
    })  # fmt: skip
    nobody = Membership({}, 0, 0, ())
    return explanation(copies, nobody), words.tested(copies, nobody)[0]


def test_images_near_to_few_patients_are_told_of_in_the_verdict() -> None:
    assert "near to few patients" in words_of(of_few=("30% of the images …",))[0]
    assert "near to few patients" not in words_of()[0]


def test_a_disguise_that_is_recognised_half_of_the_time_is_mostly() -> None:
    shares = {"exact": 1.0, "noise_5_percent": 0.6, "noise_20_percent": 0.0}
    said = words_of(recognised=shares)[0]
    assert "would have been recognised if exact; mostly if covered with 5 % noise" in said
    assert "covered with 20 % noise would mostly have been missed" in said


def test_of_how_many_images_each_rule_speaks() -> None:
    said = words_of(compared=12_000, grouped=5_000, counted=200)[1]
    assert (
        "Of 12,000 images means are of 5,000 and patients imitated were counted among 200" in said
    )
    assert "drawn at random" not in words_of(compared=500, grouped=500, counted=500)[1]

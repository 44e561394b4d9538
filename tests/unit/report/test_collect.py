import base64
import copy
import io
import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from report_run import CLASSES, add_evidence, audit, evaluation, films, make_run
from xraygan.errors import XrayganError
from xraygan.pictures import save_grid
from xraygan.report import tiles
from xraygan.report.cards import cards
from xraygan.report.collect import MOST_POINTS, collect
from xraygan.report.content import (
    PICTURES_LEFT_OUT,
    PICTURES_NOT_AUDITED,
    PICTURES_OF_MEMBERS,
    PICTURES_OF_OTHERS,
    Picture,
)
from xraygan.report.render import as_json, render_html, write_report
from xraygan.report.verdicts import OF_OTHERS, verdicts
from xraygan.report.wording import WITHHELD
from xraygan.runs import read_json, write_json


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A run that nothing was measured on."""
    return make_run(tmp_path_factory.mktemp("bare") / "run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with everything; tests only read it."""
    return add_evidence(make_run(tmp_path_factory.mktemp("whole") / "run"))


@pytest.fixture
def run(whole, tmp_path):
    """The same, to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)))


def change(file: Path, **values: object) -> None:
    write_json(file, {**read_json(file), **values})


def test_facts(whole):
    data = collect(whole)
    assert [c.name for c in data.classes] == list(CLASSES)
    assert data.classes[0].real == {"train": 40, "val": 9, "test": 5}
    assert [c.synthetic for c in data.classes] == [12, 12]
    assert (data.synthetic_images, data.real_images("train")) == (24, 80)
    assert data.patients == {"train": 33, "val": 8, "test": 5}
    assert (data.resolution, data.refused, data.images_seen) == (64, 3, 12000)
    assert data.simulated_films == 8000
    assert (data.phantom, data.device, data.begun) == (True, "cpu", "2026-11-23")
    assert data.warnings == ()
    assert data.hashes["training data (fingerprint)"] == "ab" * 32
    assert len(data.hashes) == 3


def test_pictures_are_the_synthetic_images_pixel_for_pixel(whole):
    data = collect(whole)
    for number, name in enumerate(CLASSES):
        shown = np.stack([pixels(p) for p in data.examples[name]])
        assert np.array_equal(shown, films(12, 64, 1000 + number))
        assert data.examples[name][2].alt == f"Synthetic chest X-ray of class {name}, example 3"
    assert b"text chunk" not in data.examples["NORMAL"][0].png


def test_house_material(whole):
    house = collect(whole).house
    assert house is not None
    drawn = films(40, 64, 99)
    for number, name in enumerate(CLASSES):
        shown = np.stack([pixels(p) for p in house.reals[name]])
        assert np.array_equal(shown, drawn[number * 20 : number * 20 + 20])
    assert len(house.pairs) == 20
    first = house.pairs[0]
    trained = films(20, 64, 5)[0]
    assert first.similarity == 0.96
    assert np.array_equal(pixels(first.train), trained)
    difference = pixels(first.synthetic).astype(int) - trained
    assert np.array_equal(pixels(first.difference), np.rint(128 + difference / 2))
    assert collect(whole).for_sharing().house is None


def test_course(whole):
    course = collect(whole).course
    assert course.images == tuple(range(400, 12001, 400))
    assert course.losses["discriminator"][0] == pytest.approx(0.7 - 1 / 60)
    assert course.kid_images == (2000, 4000, 6000, 8000, 10000, 12000)
    assert course.kid[-1].value == pytest.approx(2.4 * 0.6**6)
    assert course.kid[-1].floor == 0.0017
    assert [kimg for kimg, _ in course.moments] == [0, 6, 12]
    grid = pixels(course.moments[1][1])
    drawn = films(40, 64, 6)
    assert np.array_equal(grid[2:66, 2:66], drawn[0])
    assert np.array_equal(grid[68:132, 68:132], drawn[21])


def test_evidence(whole):
    data = collect(whole)
    found, checked = data.evaluation, data.audit
    assert found is not None
    assert checked is not None
    assert found.figure("kid").floor_high == pytest.approx(0.0017 + 0.0195 / 2)
    assert found.figure("kid").feature_space == "filter-bank-1"
    assert [f.key for f in found.figures if f.elsewhere] == ["kid@chest-net-1", "fid@chest-net-1"]
    assert set(found.per_class) == set(CLASSES)
    assert found.classes_by_measure["coverage"]["NORMAL"].estimate.value == 0.91
    assert list(found.regimes_by_measure["ece"])[:3] == ["trtr", "trts", "tstr"]
    assert found.differences["tstr_minus_trtr"].estimate.value == -0.069
    assert "tstr_minus_trtr" not in found.utility
    assert found.trained_on["low_50_real_plus_synthetic"] == {"real": 50, "synthetic": 3789}
    assert found.utility_notes == ("Utility: three trainings of each kind.",)
    assert [f.key for f in found.utility["tstr"]] == ["auc", "sensitivity", "specificity", "ece"]
    real = found.sets[0]
    assert (real.name, real.images, real.patients) == ("real", 393, 210)
    assert checked.clear
    assert list(checked.membership) == ["gan_leaks", "domias", "domias@chest-net-1"]
    attack = checked.membership["domias"]
    keys = ["auc", "tpr_at_1_percent", "tpr_at_0.1_percent", "blind_auc"]
    assert [f.key for f in attack] == keys
    assert (attack[0].estimate.value, attack[0].estimate.floor) == (0.534, 0.497)
    assert checked.similarities[:2] == (0.96, pytest.approx(0.959))
    assert checked.imitated[0] == {"images": 9}


def test_nothing_measured_is_none(bare):
    data = collect(bare)
    assert data.evaluation is data.audit is None
    assert data.house is not None
    assert data.house.pairs == ()


def test_a_run_that_has_just_begun(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(make_run(tmp_path / "other") / "config.json", run)
    data = collect(run)
    assert data.images_seen is None
    assert data.course.images == data.course.moments == ()
    assert {name: len(shown) for name, shown in data.examples.items()} == dict.fromkeys(CLASSES, 0)
    assert len(data.warnings) == 2
    assert "Not measured yet" in render_html(data, internal=True)


# ---- What must not leave the house


def planted(value: object, secrets: list[str]) -> object:
    """The same structure with a secret for every text in it."""
    if isinstance(value, str):
        secrets.append(f"SECRET{len(secrets)}x")
        return secrets[-1]
    if isinstance(value, dict):
        return {k: planted(v, secrets) for k, v in value.items()} | {
            "extra": planted("", secrets) if value else ""
        }
    return [planted(v, secrets) for v in value] if isinstance(value, list) else value


def shared_texts(run: Path) -> str:
    """Everything in the edition to share, in lower case; base64 of pictures left out."""
    texts = [file.read_text(encoding="utf-8") for file in write_report(run)]
    return "\n".join(texts).casefold()


def test_no_free_text_of_the_settings_is_shared(run):
    config, secrets = read_json(run / "config.json"), []
    classes, counts = config["data"]["classes"], config["data"]["counts"]
    config = planted(config, secrets)
    config["data"]["classes"], config["data"]["counts"] = classes, counts
    config["settings"]["data"]["patient_pattern"] = "SECRET-(person\\d+)_"
    write_json(run / "config.json", config)
    assert len(secrets) > 15
    text = shared_texts(run)
    assert "secret" not in text
    assert "not for diagnosis" in text
    house = write_report(run, internal=True)[0].read_text(encoding="utf-8")
    assert "SECRET-(person\\d+)_" in house


def test_sentences_that_name_files_are_held_back_everywhere(run):
    named = "nearest to /home/secret/IM-1.jpeg"
    found, checked = evaluation(), audit()
    found["notes"].append(named)
    found["sets"][named] = {"n": 1, "sha256": named}
    found["kid"]["feature_space"] = named
    found["fid"]["file"] = "secret"
    found["kid@" + named] = found["kid"]
    found["utility"][named] = found["utility"]["tstr"]
    found["per_class"]["secret"] = found["per_class"]["NORMAL"]
    for key in ("explanation", "does_not_prove", "verdict"):
        checked[key] = named
    for key in ("tested", "not_tested", "notes"):
        checked[key] = [named]
    checked["closest_pairs"][0] |= {"file": "secret.png", "patient": "secret"}
    checked["membership"][named] = checked["membership"]["domias"]
    checked["copies"][named] = checked["copies"]["copied_share"]
    checked["patients"] = {
        "most_imitated": [{"images": 4, "patient": 99887766, "secret": 3}, "secret"],
        "secret": "secret",
    }
    write_json(run / "evaluation.json", found)
    write_json(run / "audit.json", checked)
    text = shared_texts(run)
    assert "secret" not in text
    assert "im-1" not in text
    assert WITHHELD in text
    assert "99887766" not in text
    assert "4711" not in text  # which training image a pair shows


def test_the_name_of_the_source_is_held_back_in_sentences(run):
    change(run / "config.json", source="Ward-7")
    change(run / "audit.json", notes=["Films of ward-7 are few."])
    assert "ward-7" not in shared_texts(run)


@pytest.mark.parametrize("source", ["images", "films", "train", "real", "patients", "found"])
def test_a_folder_with_a_common_name_withholds_nothing(run, source):
    before = collect(run)
    change(run / "config.json", source=source)
    after = collect(run)
    assert (after.audit, after.evaluation) == (before.audit, before.evaluation)


@pytest.mark.parametrize("source", ["synthetic_1", "domias", "low_50_real", "auc", "holdout-1"])
def test_keys_of_our_own_stay_whatever_the_folder_is_called(run, source):
    before = collect(run)
    change(run / "config.json", source=source)
    after = collect(run)
    assert after.audit is not None
    assert before.audit is not None
    assert after.evaluation is not None
    assert before.evaluation is not None
    assert list(after.audit.membership) == list(before.audit.membership)
    assert after.audit.membership["domias"] == before.audit.membership["domias"]
    assert after.evaluation.utility == before.evaluation.utility
    assert after.evaluation.differences == before.evaluation.differences
    assert after.evaluation.sets == before.evaluation.sets


def test_a_name_in_a_key_is_held_back(run):
    change(run / "config.json", source="St_Mary_cohort")
    found = evaluation()
    found["kid@St_Mary_cohort"] = found["kid"]
    found["sets"]["st_mary_cohort"] = {"n": 1}
    write_json(run / "evaluation.json", found)
    shown = collect(run).evaluation
    assert shown is not None
    assert shown.figure(f"kid@{WITHHELD}").value == found["kid"]["value"]
    assert shown.sets[-1].name == WITHHELD
    assert "st_mary" not in shared_texts(run)


def test_no_path_no_user_and_no_real_picture_is_shared(whole, run):
    data = collect(whole)
    text = shared_texts(run)
    assert str(run).casefold() not in text
    assert str(Path.home()).casefold() not in text
    html = render_html(data, internal=False)
    inside = render_html(data, internal=True)
    house = data.house
    assert house is not None
    secret = [p for shown in house.reals.values() for p in shown]
    secret += [p for pair in house.pairs for p in (pair.synthetic, pair.train, pair.difference)]
    assert len(secret) == 100
    for shown in secret:
        coded = base64.b64encode(shown.png).decode()
        assert coded not in html
        assert coded in inside
        assert shown.alt not in html
    assert "Pair 1" not in json.dumps(as_json(data, internal=False))


def embedded(html: str) -> list[np.ndarray]:
    """The pixels of every picture in a page."""
    coded = re.findall(r"data:image/png;base64,([\w+/=]+)", html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(c)))) for c in coded]


def test_no_pixels_of_real_films_are_shared(run):
    """A line through the middle of each real film, looked for in all that is shared."""
    trained = np.load(run / "internal" / "closest-pairs.npz")["train"]
    lines = [film[32].tobytes() for film in (*films(40, 64, 99), *trained)]
    shared = [file.read_text(encoding="utf-8") for file in write_report(run)]
    inside = write_report(run, internal=True)[0].read_text(encoding="utf-8")

    def shown_in(html: str) -> int:
        rows = b"\n".join(row.tobytes() for picture in embedded(html) for row in picture)
        return sum(line in rows for line in lines)

    assert shown_in(inside) == len(lines)
    assert len(embedded(shared[0])) > 24
    assert shown_in(shared[0]) == 0
    assert not any("base64" in text for text in shared[1:])


def test_what_was_noticed_stays_in_the_house(run):
    write_json(run / "summary.json", {"notes": ["Found in the sub-folder Ward-7 <b>."]})
    assert "ward-7" not in shared_texts(run)
    house = write_report(run, internal=True)[0].read_text(encoding="utf-8")
    assert "Found in the sub-folder Ward-7 &lt;b&gt;." in house


@pytest.mark.parametrize("notes", [None, 3, [1, None], {}])
def test_notes_of_any_kind(run, notes):
    write_json(run / "summary.json", {"notes": notes})
    assert "Where it came from" in render_html(collect(run), internal=True)


# ---- Files that are damaged, missing or hostile


def refused(run: Path) -> str:
    with pytest.raises(XrayganError) as error:
        collect(run)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_not_a_run_folder(tmp_path):
    assert "no config.json" in refused(tmp_path)
    assert "no config.json" in refused(tmp_path / "missing")


@pytest.mark.parametrize(
    "keys", [("settings",), ("data", "classes"), ("data", "counts"), ("versions",)]
)
def test_config_without_a_part(run, keys):
    config = read_json(run / "config.json")
    part = config
    for key in keys[:-1]:
        part = part[key]
    del part[keys[-1]]
    write_json(run / "config.json", config)
    assert str(run / "config.json") in refused(run)


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"settings": 1}', "\udc80"])
def test_config_is_something_else(run, text):
    (run / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "config.json" in refused(run)


@pytest.mark.parametrize(
    ("file", "spoil", "part"),
    [
        ("evaluation.json", lambda v: v["kid"].update(value="high"), "kid.value"),
        ("evaluation.json", lambda v: v["kid"].update(floor=[1]), "kid.floor"),
        ("evaluation.json", lambda v: v.update(per_class=[1]), "per_class"),
        ("evaluation.json", lambda v: v["per_class"].update(NORMAL=3), "per_class.NORMAL"),
        ("evaluation.json", lambda v: v.update(notes="one"), "notes"),
        ("evaluation.json", lambda v: v.update(sets=[1]), "sets"),
        ("audit.json", lambda v: v.pop("verdict"), "verdict"),
        ("audit.json", lambda v: v.update(copies=[1]), "copies"),
        ("audit.json", lambda v: v["membership"]["domias"]["auc"].update(low=True), "auc.low"),
        ("audit.json", lambda v: v.update(explanation=5), "explanation"),
        ("audit.json", lambda v: v["patients"].update(most_imitated={}), "most_imitated"),
    ],
)
def test_damaged_evidence_is_named(run, file, spoil, part):
    values = copy.deepcopy(read_json(run / file))
    spoil(values)
    write_json(run / file, values)
    message = refused(run)
    assert f"{run / file}: {message.split(': ')[1]}".startswith(f"{run / file}: ")
    assert part in message
    assert f"run xraygan {'evaluate' if file == 'evaluation.json' else 'audit'} again" in message


@pytest.mark.parametrize("file", ["evaluation.json", "audit.json"])
def test_evidence_that_is_not_an_object(run, file):
    (run / file).write_text("[1]")
    assert file in refused(run)


def test_figures_that_could_not_be_measured(run):
    values = evaluation()
    values["kid"] |= {"value": None, "low": None, "high": None}
    write_json(run / "evaluation.json", values)
    data = collect(run)
    assert "–" in render_html(data, internal=False)
    assert as_json(data, internal=False)["evaluation"]["figures"][0]["value"] is None


def test_a_sample_grid_of_no_whole_thousand_has_a_place(run):
    (run / "fakes000006.png").rename(run / "fakes000006_096.png")
    data = collect(run)
    assert [kimg for kimg, _ in data.course.moments] == [0, 6.096, 12]
    assert "after 6,096 images" in render_html(data, internal=False)


def test_metrics_that_are_not_numbers_are_passed_over(run):
    lines = [
        '{"images_seen": 1, "d_loss": NaN, "g_loss": 1, "fake_spread": 1}',
        '{"images_seen": 2, "d_loss": "x", "g_loss": 1, "fake_spread": 1}',
        '{"images_seen": 3, "d_loss": 1, "g_loss": 1, "fake_spread": 1, "kid": Infinity, '
        '"kid_low": 1, "kid_high": 1, "kid_floor": 1}',
        "[]",
        "torn",
    ]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    course = collect(run).course
    assert course.images == (3,)
    assert course.kid == ()


def test_a_long_course_is_thinned_to_its_last_point(run):
    row = {"d_loss": 1.0, "g_loss": 1.0, "fake_spread": 1.0}
    rows = [row | {"images_seen": n} for n in range(10 * MOST_POINTS + 3)]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    images = collect(run).course.images
    assert MOST_POINTS / 2 < len(images) <= MOST_POINTS
    assert images[-1] == rows[-1]["images_seen"]


def test_images_outside_the_set_are_not_shown(run, tmp_path):
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "outside.png")
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(run / "outside.png")
    (run / "synthetic" / "link.png").symlink_to(tmp_path / "outside.png")
    Image.fromarray(np.full((32, 32), 7, np.uint8)).save(run / "synthetic" / "small.png")
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(run / "synthetic" / "colour.png")
    (run / "synthetic" / "text.png").write_text("no picture")
    named = ("../outside.png", str(tmp_path / "outside.png"), "link.png", "small.png")
    named += ("colour.png", "text.png", "missing.png", "", ".", "a\0b")
    rows = "".join(f'"{name}",NORMAL,0,0,ab\n' for name in named)
    manifest = run / "synthetic" / "manifest.csv"
    manifest.write_text("file,class,seed,index,model_sha256\n" + rows)
    data = collect(run)
    assert data.examples == {"NORMAL": (), "PNEUMONIA": ()}
    assert data.classes[0].synthetic == len(named)


@pytest.mark.parametrize("text", ["file\nx\n", "file,class\n1/a.png\n", 'file,class\n"x'])
def test_damaged_manifest(run, text):
    (run / "synthetic" / "manifest.csv").write_text(text)
    assert "manifest.csv" in refused(run)


@pytest.mark.parametrize("spoil", ["cut", "pickle", "shape", "missing", "text"])
def test_damaged_pairs(run, spoil):
    file = run / "internal" / "closest-pairs.npz"
    tiny = np.zeros((3, 64, 64), np.uint8)
    if spoil == "cut":
        file.write_bytes(file.read_bytes()[:5000])
    elif spoil == "pickle":
        np.savez(file, synthetic=tiny, train=tiny, similarity=np.array([{}] * 3, object))
    elif spoil == "shape":
        np.savez(file, synthetic=tiny, train=tiny, similarity=np.zeros(2))
    elif spoil == "missing":
        np.savez(file, synthetic=tiny, train=tiny)
    else:
        file.write_text("no archive")
    assert "closest-pairs.npz" in refused(run)


def test_reals_that_do_not_fit_the_run_are_not_shown(run):
    drawn = cv2.imread(str(run / "reals.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(run / "reals.png"), drawn[: 4 + 132 * 3])
    house = collect(run).house
    assert house is not None
    assert house.reals == {}


def test_model_that_is_not_the_one_described(run):
    (run / "model" / "generator.safetensors").write_bytes(b"another")
    assert "not those that its description names" in collect(run).warnings[0]


# ---- Shapes of data


def test_a_class_with_few_reals(tmp_path):
    run = make_run(tmp_path / "run")
    config = read_json(run / "config.json")
    config["data"]["counts"] |= {"train/NORMAL": 3}
    write_json(run / "config.json", config)
    rows = [films(3, 64, 1), films(10, 64, 2), films(10, 64, 3)]
    save_grid(run / "reals.png", rows)
    house = collect(run).house
    assert house is not None
    assert {k: len(v) for k, v in house.reals.items()} == {"NORMAL": 3, "PNEUMONIA": 20}
    assert np.array_equal(pixels(house.reals["PNEUMONIA"][0]), rows[1][0])


@pytest.mark.parametrize(
    ("classes", "resolution"),
    [(("only",), 32), (tuple("abcdefg"), 64), (("a", "b"), 128), (("a", "b"), 512)],
)
def test_numbers_of_classes_and_sizes(tmp_path, classes, resolution):
    run = make_run(tmp_path / "run", classes, resolution, images=3)
    add_evidence(run, classes, resolution)
    data = collect(run)
    assert all(len(data.examples[name]) == 3 for name in classes)
    assert data.house is not None
    assert set(data.house.reals) == set(classes)
    side = data.examples[classes[0]][0].width
    assert side == min(resolution, tiles.LARGEST_TILE)
    assert len(render_html(data, internal=True)) < 10_000_000


@pytest.mark.parametrize(("classes", "resolution"), [(2, 64), (2, 512), (256, 32), (60, 512)])
def test_no_run_can_ask_for_more_pixels_than_the_budget(classes, resolution):
    for budget, most in ((tiles.EXAMPLE_PIXELS, tiles.EXAMPLES), (tiles.REAL_PIXELS, tiles.REALS)):
        count, side = tiles._room(budget, classes, most, resolution)
        assert 1 <= count <= most
        assert side <= resolution
        assert count * side**2 * classes <= budget


def test_the_worst_pictures_fit_a_page_of_ten_megabytes():
    budgets = (tiles.EXAMPLE_PIXELS, tiles.MOMENT_PIXELS, tiles.REAL_PIXELS, tiles.PAIR_PIXELS)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    spent = len(tiles.picture(noise, "", 256).uri) / noise.size
    assert sum(budgets) * spent < 9_000_000


def test_images_and_figures_that_may_be_of_others_are_said_to_be(tmp_path, monkeypatch):
    run = add_evidence(make_run(tmp_path / "run"))
    write_json(run / "audit.json", audit())
    assert any("audit.json does not say whose" in one for one in collect(run).warnings)
    monkeypatch.setattr("xraygan.report.collect.made_by", lambda _: "cd" * 32)
    assert any("images are of an earlier model" in one for one in collect(run).warnings)


@pytest.mark.parametrize(
    ("verdict", "why"),
    [("copying found", PICTURES_LEFT_OUT), ("membership leak found", PICTURES_OF_MEMBERS)],
)
def test_no_picture_is_shared_that_gives_patients_away(tmp_path, verdict, why):
    run = add_evidence(make_run(tmp_path / "run"))
    data = collect(run)
    assert any(data.for_sharing().examples.values())
    change(run / "audit.json", verdict=verdict)
    shared = collect(run).for_sharing()
    assert not any(shared.examples.values())
    assert not shared.course.moments
    assert why in shared.warnings
    page = render_html(shared, internal=False)
    assert page.count(why) == 1
    assert "example 1" not in page
    assert "strip-row" not in page.partition("<header>")[2], "nor a heading without pictures"
    assert "None is shown here." in page
    assert any(collect(run).examples.values()), "the house sees them"


def test_without_an_audit_no_picture_is_shared(tmp_path):
    data = collect(make_run(tmp_path / "run"))
    assert any(data.examples.values())
    shared = data.for_sharing()
    assert PICTURES_NOT_AUDITED in shared.warnings
    assert not any(shared.examples.values())
    assert "example 1" not in render_html(shared, internal=False)


def test_what_the_discriminator_alone_tells_hides_no_picture(run):
    tests = {"logan": {"p_value": 0.001, "leak": True, "by_hits": False}}
    change(run / "audit.json", verdict="membership leak found", membership_tests=tests)
    assert any(collect(run).for_sharing().examples.values())


@pytest.mark.parametrize(
    ("told", "said"), [("ef" * 32, "is of other images"), (None, "does not say which images")]
)
@pytest.mark.parametrize("file", ["evaluation.json", "audit.json"])
def test_figures_of_other_images_of_the_model_are_said_to_be(run, file, told, said):
    change(run / file, manifest_sha256=told)
    data = collect(run)
    (warning,) = data.warnings
    assert warning.startswith(f"{file} {said}")
    tiles_of = [OF_OTHERS in verdict.sentence for verdict in verdicts(data)]
    assert tiles_of == ([True, True, False] if file == "evaluation.json" else [False, False, True])
    for card in cards(data).values():
        assert card.count(OF_OTHERS) == sum(tiles_of)
    shared = render_html(data, internal=False)
    assert (PICTURES_OF_OTHERS in shared) == (file == "audit.json")
    assert ("example 1" in shared) == (file != "audit.json")
    assert any(data.examples.values()), "the house sees them"


def test_images_that_were_added_later_were_not_audited(run):
    image = next((run / "synthetic").rglob("*.png"))
    shutil.copy(image, run / "synthetic" / "0" / "added.png")
    with (run / "synthetic" / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write(f"0/added.png,{CLASSES[0]},1,0,{'cd' * 32}\n")
    shared = collect(run).for_sharing()
    assert PICTURES_OF_OTHERS in shared.warnings
    assert not any(shared.examples.values())


def test_without_a_set_figures_are_taken_for_no_others(run):
    shutil.rmtree(run / "synthetic")
    data = collect(run)
    assert data.warnings == ("There is no synthetic data set in this run yet.",)
    assert not any(OF_OTHERS in verdict.sentence for verdict in verdicts(data))
    assert data.for_sharing().course.moments


def test_who_is_imitated_stays_in_the_house(run):
    (run / "internal" / "most-imitated.csv").write_text("rank,patient,file\n1,secret,secret.png\n")
    assert "secret" not in shared_texts(run)


def test_pairs_are_shown_at_the_audits_own_size(tmp_path):
    run = add_evidence(make_run(tmp_path / "run"), resolution=32)
    assert len(collect(run).house.pairs) > 5


def test_figures_of_another_model_are_said_to_be(tmp_path):
    run = add_evidence(make_run(tmp_path / "run"))
    own = read_json(run / "model" / "generator.json")["weights_sha256"]
    for sha256, said in ((own, False), ("ab" * 32, True)):
        for name in ("evaluation.json", "audit.json"):
            write_json(run / name, read_json(run / name) | {"model_sha256": sha256})
        warnings = " ".join(collect(run).warnings)
        assert ("evaluation.json is of another model" in warnings) is said
        assert ("audit.json is of another model" in warnings) is said
        data = collect(run)
        assert (data.audit is None) is (data.evaluation is None) is said
        assert ("Verdict of the audit" in cards(data, None)["model-card.md"]) is not said


BEFORE = {"counts": {"train/NORMAL": 1070, "train/PNEUMONIA": 5, "val/NORMAL": 9}}


def test_films_that_a_forced_run_was_trained_on_before_are_told_everywhere(run):
    change(run / "config.json", data_before=[BEFORE, BEFORE])
    data = collect(run)
    said = "the generator was trained on others (2,150 training films), until --force let these"
    assert [said in warning for warning in data.warnings] == [True]
    short = "80 films of 33 patients, and before them on 2,150 films of other data"
    page = render_html(data, internal=False)
    for text in (page, *cards(data).values()):
        assert short in text
        assert text.count(said) == 1
    assert "times through the training films" not in page
    assert "those of other data before among them" in page
    assert as_json(data, internal=False)["films_before"] == 2150


@pytest.mark.parametrize("before", [3, ["x"], [{"counts": [1]}], [{"counts": {"train/A": "n"}}]])
def test_earlier_data_that_are_damaged(run, before):
    change(run / "config.json", data_before=before)
    assert str(run / "config.json") in refused(run)


def test_a_report_makes_no_folder_for_checkpoints(run):
    before = set(run.iterdir())
    assert collect(run).course.images
    assert set(run.iterdir()) == before

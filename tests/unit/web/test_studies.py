"""Reader studies: balanced, blinded, resumable, and counted rightly."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import pytest
from PIL import Image

from xraygan.errors import XrayganError
from xraygan.web.choice import choose
from xraygan.web.results import as_csv, results_of
from xraygan.web.studies import Case, Studies, new_study


@pytest.fixture(scope="module")
def made(studio, keys):
    run = studio.catalogue.run(keys["00000-ward"])
    return choose(studio.painter, run, studio.films.of_run(run), "Thorax", 20)


@pytest.fixture
def studies(tmp_path):
    return Studies(tmp_path / "runs")


@pytest.fixture
def begun(studies, made):
    studies.create(*made)
    return studies, studies.study(made[0].key)


def read_all(studies, study, reader, says, milliseconds=1500):
    while reader.token:
        case = study.cases[reader.order[len(reader.answers)]]
        reader = studies.answer(study, reader.key, reader.token, says(case), milliseconds)
    return reader


def test_half_are_real_class_by_class(made):
    study, images = made
    assert images.shape == (20, 32, 32)
    for name in {case.class_name for case in study.cases}:
        truths = [case.truth for case in study.cases if case.class_name == name]
        assert truths.count("real") == truths.count("synthetic")


def test_real_images_are_of_patients_not_trained_on(made, studio, keys):
    study, images = made
    dataset = studio.films.of_run(studio.catalogue.run(keys["00000-ward"]))
    held_out = {film.tobytes() for film in dataset.image_set("val", "test").images}
    trained = {film.tobytes() for film in dataset.image_set("train").images}
    real = [
        image.tobytes() for image, fake in zip(images, study.synthetic, strict=True) if not fake
    ]
    assert len(set(real)) == 10
    assert set(real) <= held_out
    assert not set(real) & trained


def test_numbers_that_cannot_be(studio, keys):
    run = studio.catalogue.run(keys["00000-ward"])
    films = studio.films.of_run(run)
    for count, why in ((11, "even"), (8, "even"), (402, "even"), (200, "at most")):
        with pytest.raises(XrayganError, match=why):
            choose(studio.painter, run, films, "x", count)
    with pytest.raises(XrayganError, match="not on this machine"):
        choose(studio.painter, run, None, "x", 20)


@pytest.mark.parametrize(("before", "why"), [(300, "the model has 2"), (5000, "'label' = 5")])
def test_a_class_beyond_those_of_the_model_is_refused(studio, keys, before, why):
    run = studio.catalogue.run(keys["00000-ward"])
    classes = (*map(str, range(before)), *run.config.data.classes)
    data = run.config.data.model_copy(update={"classes": classes})
    other = replace(run, config=run.config.model_copy(update={"data": data}))
    with pytest.raises(XrayganError, match=why):
        choose(studio.painter, other, studio.films.of_run(run), "x", 20)


@pytest.mark.parametrize("name", ["", "=cmd()", "+1", "<b>", "a\nb", "x" * 41, "/etc/passwd"])
def test_names_that_cannot_be(begun, name):
    studies, study = begun
    with pytest.raises(XrayganError, match="name"):
        studies.join(study, name)
    with pytest.raises(XrayganError, match="name"):
        new_study(name, "run", "0", 0, [Case(truth="real", class_name="a")] * 2)


@pytest.mark.parametrize("name", ["Thorax group, June", "Müller (2)", "O’Brien & Söhne", "肺 1/2"])
def test_names_that_can_be(begun, name):
    studies, study = begun
    assert studies.join(study, f" {name} ").name == name
    assert new_study(name, "run", "0", 0, [Case(truth="real", class_name="a")] * 2).name == name


def test_the_forms_own_example_is_taken(visitor, keys):
    name = re.search(r'placeholder="([^"]+)"', visitor.get("/studies").text)[1]
    fields = {"run": keys["00000-ward"], "name": name, "cases": "10"}
    assert visitor.post("/studies", fields).status_code == 303


@hypothesis.given(text=st.text(max_size=50))
def test_any_name_is_taken_or_refused_in_words(text):
    try:
        name = new_study(text, "run", "0", 0, [Case(truth="real", class_name="a")] * 2).name
    except XrayganError as error:
        assert "begins with a letter or digit" in str(error)
    else:
        assert name == text.strip()
        assert 1 <= len(name) <= 40
        assert name[0] == "_" or name[0].isalnum()


def test_each_reader_has_an_order_and_addresses_of_their_own(begun):
    studies, study = begun
    ann, bob = studies.join(study, "Ann"), studies.join(study, "Bob")
    assert sorted(ann.order) == sorted(bob.order) == list(range(20))
    assert ann.order != bob.order
    assert not set(ann.tokens) & set(bob.tokens)
    with pytest.raises(XrayganError, match="reads already"):
        studies.join(study, "ann")


def test_an_order_says_nothing_of_the_truth(begun):
    studies, study = begun
    firsts = [study.cases[studies.join(study, f"r{n}").order[0]].truth for n in range(60)]
    assert 12 < firsts.count("real") < 48  # outside in one of 100,000 shuffles


def test_what_is_to_come_cannot_be_seen(begun):
    studies, study = begun
    ann, bob = studies.join(study, "Ann"), studies.join(study, "Bob")
    studies.image(study, ann, ann.tokens[0])
    for token in (ann.tokens[1], bob.tokens[0], "", "../study"):
        with pytest.raises(XrayganError, match="no such image"):
            studies.image(study, ann, token)


def test_an_answer_counts_once_and_survives(begun):
    studies, study = begun
    reader = studies.join(study, "Ann")
    first = reader.token
    studies.answer(study, reader.key, first, "real", 900)
    again = Studies(studies._folder.parent)  # the studio was started anew
    reader = again.answer(study, reader.key, first, "synthetic", 5)
    assert [a.said for a in reader.answers] == ["real"]
    assert reader.answers[0].milliseconds == 900
    assert reader.token == reader.tokens[1]
    for token, said, milliseconds in (
        (reader.tokens[2], "real", 1),
        (reader.token, "maybe", 1),
        (reader.token, "real", -1),
        (reader.token, "real", 10**9),
    ):
        with pytest.raises(XrayganError):
            again.answer(study, reader.key, token, said, milliseconds)
    assert len(again.reader(study, reader.key).answers) == 1


def test_a_write_that_fails_loses_nothing(begun, monkeypatch):
    studies, study = begun
    reader = studies.join(study, "Ann")
    reader = studies.answer(study, reader.key, reader.token, "real", 1)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refuse)
        with pytest.raises(XrayganError, match="No space left"):
            studies.answer(study, reader.key, reader.token, "real", 1)
    assert len(studies.reader(study, reader.key).answers) == 1
    studies.answer(study, reader.key, reader.token, "real", 1)
    assert len(studies.reader(study, reader.key).answers) == 2


def test_the_folder_is_its_owners_alone(begun):
    studies, study = begun
    for folder in (studies._folder, studies._folder / study.key):
        assert folder.stat().st_mode & 0o777 == 0o700


PARTS = ("accuracy", "sensitivity", "specificity")


def test_results_of_a_perfect_and_a_stubborn_reader(begun):
    studies, study = begun
    perfect = read_all(studies, study, studies.join(study, "Ann"), lambda case: case.truth)
    stubborn = read_all(studies, study, studies.join(study, "Bob"), lambda case: "real", 3000)
    unfinished = studies.join(study, "Eve")
    found = results_of(study, [perfect, stubborn, unfinished])
    ann, bob = (reader.figures for reader in found.readers)
    assert (ann["accuracy"].value, ann["sensitivity"].value, ann["specificity"].value) == (1, 1, 1)
    assert (bob["accuracy"].value, bob["sensitivity"].value, bob["specificity"].value) == (
        0.5,
        0,
        1,
    )
    for name, images in zip(PARTS, (20, 10, 10), strict=True):
        assert (ann[name].low, ann[name].high) == (pytest.approx(0.025 ** (1 / images)), 1)
    assert bob["sensitivity"].low == 0
    assert bob["sensitivity"].high == pytest.approx(1 - ann["sensitivity"].low)
    assert bob["accuracy"].high == pytest.approx(1 - bob["accuracy"].low)
    assert [reader.seconds for reader in found.readers] == [1.5, 3.0]
    assert found.finished == 2
    assert [found.together[name].value for name in PARTS] == [0.75, 0.5, 1]
    assert found.together["specificity"].low == pytest.approx(0.025 ** (1 / 10))
    assert found.seconds == 2.25
    assert found.kappa.value == pytest.approx(-1 / 3)


def test_the_table_holds_every_answer(begun):
    studies, study = begun
    reader = read_all(studies, study, studies.join(study, "Ann"), lambda case: "synthetic", 1234)
    rows = list(csv.DictReader(io.StringIO(as_csv(study, [reader]))))
    assert len(rows) == 20
    assert sorted(int(row["case"]) for row in rows) == list(range(1, 21))
    for row in rows:
        case = study.cases[int(row["case"]) - 1]
        assert (row["truth"], row["class"]) == (case.truth, case.class_name)
        assert row["right"] == str(int(case.truth == "synthetic"))
        assert row["seconds"] == "1.234"


def test_a_spreadsheet_runs_nothing(made):
    study, _ = made
    cases = [case.model_copy(update={"class_name": "=1+1"}) for case in study.cases]
    odd = study.model_copy(update={"cases": tuple(cases)})
    from xraygan.web.studies import Answer, Reader

    answers = (Answer(case=0, said="real", milliseconds=1),)
    reader = Reader(key="0" * 12, name="A", order=(0,), tokens=("t",), answers=answers)
    assert "'=1+1" in as_csv(odd, [reader])


def test_a_reading_by_its_pages(visitor, keys, studio):
    made = visitor.post("/studies", {"run": keys["00000-ward"], "name": "Pages", "cases": "10"})
    assert made.status_code == 303, made.text
    study = made.headers["location"]
    joined = visitor.post(f"{study}/readers", {"name": "O'Brien 2"})
    place = joined.headers["location"]
    token = re.search(r'data-next="(\w+)"', visitor.get(place).text)[1]
    lengths, seen = set(), 0
    while token:
        page = visitor.get(place)
        assert not re.search("synthetic_|real_|A&amp;B|NORMAL|seed", page.text)
        image = visitor.get(f"{place}/image/{token}")
        lengths.add(len(image.content))
        assert {k for k in image.headers if k.startswith(("content", "x-", "etag", "last"))} == {
            *("content-length", "content-type", "content-security-policy"),
            *("x-content-type-options", "x-frame-options"),
        }
        opened = Image.open(io.BytesIO(image.content))
        assert opened.info == {}
        assert opened.size == (32, 32)
        fields = {"image": token, "said": "real", "milliseconds": "700"}
        answer = visitor.post(f"{place}/answer", fields, Accept="application/json").json()
        seen += 1
        assert answer["answered"] == seen
        assert set(answer) == {"next", "answered"}
        token = answer["next"]
    assert seen == 10
    assert len(lengths) == 1
    results = visitor.get(study).text
    assert "50 %" in results
    table = visitor.get(f"{study}/results.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 11


def test_results_are_shut_while_somebody_reads(visitor, keys, studio):
    made = visitor.post("/studies", {"run": keys["00000-ward"], "name": "Blind", "cases": "10"})
    address = made.headers["location"]
    study = studio.studies.study(address.split("/")[-1])
    ann, bob = studio.studies.join(study, "Ann"), studio.studies.join(study, "Bob")
    read_all(studio.studies, study, ann, lambda case: case.truth)
    studio.studies.answer(study, bob.key, bob.token, "real", 1)

    def told() -> tuple[str, str]:
        return visitor.get(address).text, visitor.get(f"{address}/results.csv").text

    for text in told():
        assert "100 %" not in text
        assert "truth" not in text
        assert "synthetic,yes" not in text
    assert visitor.get(f"{address}/results.csv").status_code == 400
    assert "1 of 2 have so far" in told()[0]
    assert 'results.csv"' not in told()[0]
    read_all(studio.studies, study, studio.studies.reader(study, bob.key), lambda case: "real")
    page, table = told()
    assert "100 %" in page
    assert not re.search(r"<details[^>]* open", page)
    assert len(table.splitlines()) == 21
    visitor.post(f"{address}/readers", {"name": "Eve"})
    assert visitor.get(f"{address}/results.csv").status_code == 400


def test_a_closed_study_shows_its_results_and_is_not_read(visitor, keys, studio):
    made = visitor.post("/studies", {"run": keys["00000-ward"], "name": "Closed", "cases": "10"})
    address = made.headers["location"]
    study = studio.studies.study(address.split("/")[-1])
    reader = studio.studies.join(study, "Ann")
    studio.studies.answer(study, reader.key, reader.token, "real", 1)
    place = f"{address}/read/{reader.key}"
    assert f'href="{place}"' in visitor.get(address).text
    assert visitor.post(f"{address}/close").status_code == 303
    page = visitor.get(address).text
    assert "Download CSV" in page
    assert f'href="{place}"' not in page
    assert f'action="{address}/readers"' not in page
    assert len(visitor.get(f"{address}/results.csv").text.splitlines()) == 2
    assert visitor.get(place).headers["location"] == address
    assert "closed" in visitor.post(f"{address}/readers", {"name": "Bob"}).text
    fields = {"image": reader.tokens[1], "said": "real", "milliseconds": "1"}
    assert visitor.post(f"{place}/answer", fields).status_code == 400
    assert len(studio.studies.readers(study)) == 1
    assert len(studio.studies.reader(study, reader.key).answers) == 1


@pytest.mark.parametrize("damaged", ["study.json", "readers/0123456789ab.json"])
def test_a_damaged_study_hides_no_other_and_no_folder_is_told(visitor, keys, folder, damaged):
    fields = {"run": keys["00000-ward"], "cases": "10"}
    whole, broken = (
        visitor.post("/studies", fields | {"name": name}).headers["location"]
        for name in ("Whole", "Broken")
    )
    lost = folder / "reader-studies" / broken.split("/")[-1]
    (lost / damaged).write_text("{")
    try:
        text = visitor.get("/studies").text
        assert f'href="{whole}"' in text
        assert f'href="{broken}"' not in text
        assert "1 study could not be read" in text
        answer = visitor.get(broken)
        assert answer.status_code == 400
        assert f"runs/reader-studies/{lost.name}" in answer.text
        assert str(folder.parent) not in answer.text
        assert str(folder.parent) not in visitor.json(broken).text
    finally:
        shutil.rmtree(lost)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda whole: None,
        lambda whole: b"",
        lambda whole: b"PK\3\4",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"{'descr'", b"[['descr"),
        lambda whole: whole.replace(b"(10, 32, 32)", b"(4, 32, 32) "),
        lambda whole: whole.replace(b"|u1", b"|i1"),
    ],
    ids=["gone", "empty", "an archive", "half", "its header", "fewer", "of another type"],
)
def test_images_that_cannot_be_read_are_one_clear_line(visitor, keys, folder, damaged):
    fields = {"run": keys["00000-ward"], "name": "Lost", "cases": "10"}
    study = visitor.post("/studies", fields).headers["location"]
    place = visitor.post(f"{study}/readers", {"name": "Ann"}).headers["location"]
    token = re.search(r'data-next="(\w+)"', visitor.get(place).text)[1]
    lost = folder / "reader-studies" / study.split("/")[-1]
    left = damaged((lost / "images.npy").read_bytes())
    (lost / "images.npy").unlink()
    if left is not None:
        (lost / "images.npy").write_bytes(left)
    try:
        answer = visitor.json(f"{place}/image/{token}")
        assert answer.status_code == 400
        said = answer.json()["error"]
        assert f"runs/reader-studies/{lost.name}/images.npy: the study's images cannot be" in said
        assert str(folder.parent) not in said
    finally:
        shutil.rmtree(lost)


def test_files_of_a_study_name_no_patient_and_no_file(visitor, keys, studio, folder):
    visitor.post("/studies", {"run": keys["00000-ward"], "name": "Names", "cases": "10"})
    for file in (folder / "reader-studies").rglob("*.json"):
        text = file.read_text()
        assert "person" not in text
        assert ".png" not in text
        json.loads(text)


def test_refusals(visitor, keys):
    other = keys["00001-<i>b"]
    for fields, status in (
        ({"run": other, "name": "x", "cases": "10"}, 404),
        ({"run": "nobody", "name": "x", "cases": "10"}, 404),
        ({"run": keys["00000-ward"], "name": "x", "cases": "1e9"}, 400),
        ({"run": keys["00000-ward"], "name": "x", "cases": "9" * 4000}, 400),
        ({"run": keys["00000-ward"], "name": "", "cases": "10"}, 400),
    ):
        assert visitor.post("/studies", fields).status_code == status
    assert visitor.get("/studies/abcdefabcdef").status_code == 404

"""`evaluate`, `audit` and `report` as a user calls them, on images of any generator."""

import json
import shutil

import pytest
from program import in_one_process, write_films, xraygan

COUNTS = {"A": 40, "B": 40}
BASIC = ["--feature-spaces", "filter-bank-1"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Training, held-out and honest synthetic films; and copies of the training films."""
    root = tmp_path_factory.mktemp("sets")
    for seed, name in enumerate(("train", "holdout", "honest"), 1):
        folder = write_films(root / name, COUNTS, seed)
        for path in folder.rglob("*.png"):
            path.rename(path.with_name(f"{name}-{path.name}"))
    shutil.copytree(root / "train", root / "copies")
    write_films(root / "few", {"A": 4, "B": 4}, 4)
    return root


@pytest.fixture(scope="module")
def answers(sets):
    pattern = ["--patient-pattern", r"(\w+-person\d+)_"]
    audit = ["audit", "--train", sets / "train", "--holdout", sets / "holdout", *BASIC, "--json"]
    evaluate = ["evaluate", "--real", sets / "holdout", "--synth", sets / "honest", *BASIC]
    return in_one_process(
        [*audit, *pattern, "--synth", sets / "honest"],
        [*audit, *pattern, "--synth", sets / "copies", "--out", sets / "out"],
        [*evaluate, *pattern, "--json", "--out", sets / "out"],
        [*evaluate, *pattern],
        [*audit[:-1], *pattern, "--synth", sets / "copies"],
        ["audit", "--train", sets / "train", "--holdout", sets / "few", "--synth", sets / "honest"],
    )


def figures(value):
    """Every figure in a JSON object."""
    if isinstance(value, dict):
        if "value" in value:
            yield value
        for part in value.values():
            yield from figures(part)


def test_audit_clears_honest_films(answers):
    found = json.loads(answers[0].stdout)
    assert found["verdict"] == "nothing found", found
    assert found["not_tested"]
    assert found["does_not_prove"]


def test_audit_finds_copies(answers, sets):
    found = json.loads(answers[1].stdout)
    assert found["verdict"] == "copying found", found
    assert found == json.loads((sets / "out/audit.json").read_text(encoding="utf-8"))
    assert (sets / "out/internal").stat().st_mode & 0o077 == 0
    assert (sets / "out/internal/closest-pairs.png").is_file()
    assert "person" not in answers[1].stdout
    assert (sets / "out/internal/most-imitated.png").is_file()
    assert "train-person" in (sets / "out/internal/most-imitated.csv").read_text(encoding="utf-8")


def test_every_figure_is_whole(answers):
    for answer in answers[:3]:
        found = list(figures(json.loads(answer.stdout)))
        assert len(found) > 5
        for figure in found:
            assert {"value", "low", "high", "n"} <= set(figure)
            if None not in (figure["low"], figure["high"]):
                assert figure["low"] <= figure["high"]


def test_evaluate_has_a_floor_a_space_and_classes(answers, sets):
    found = json.loads(answers[2].stdout)
    assert found["kid"]["floor"] is not None
    assert found["kid"]["feature_space"] == "filter-bank-1"
    assert set(found["per_class"]) == {"A", "B"}
    assert found["utility"]["tstr"] is None
    assert "give them with --train" in found["utility"]["notes"][0]
    assert found["sets"]["real"]["of_unknown_patients"] == 0
    assert found == json.loads((sets / "out/evaluation.json").read_text(encoding="utf-8"))


def test_films_that_tell_no_patient_are_told_of(sets):
    evaluate = [
        "evaluate",
        "--real",
        sets / "holdout",
        "--synth",
        sets / "honest",
        *BASIC,
        "--json",
    ]
    audit = ["audit", "--train", sets / "train", "--holdout", sets / "holdout", *BASIC, "--json"]
    pattern = ["--patient-pattern", r"(nobody\d+)_"]
    evaluated, audited = in_one_process(
        [*evaluate, *pattern], [*audit, *pattern, "--synth", sets / "honest"]
    )
    for ended, role in ((evaluated, "real"), (audited, "holdout")):
        found = json.loads(ended.stdout)
        count = found["sets"][role]["n"]
        assert found["sets"][role]["of_unknown_patients"] == count
        assert any(f"{count} of {count} {role} images do not tell" in one for one in found["notes"])


def test_nothing_real_is_written_among_synthetic_images(sets, tmp_path):
    made = tmp_path / "made"
    shutil.copytree(sets / "honest", made)
    before = set(made.rglob("*"))
    audit = ["audit", "--train", sets / "train", "--holdout", sets / "holdout", "--synth", made]
    inside, itself = in_one_process(
        [*audit, *BASIC, "--out", made / "out"], [*audit, *BASIC, "--json", "--out", made]
    )
    assert "which show real films; give another folder" in inside.refusal()
    assert itself.code == 0, itself
    assert "the closest pairs show real films: they are not written" in itself.stderr
    assert set(made.rglob("*")) - before == {made / "audit.json"}
    written = json.loads((made / "audit.json").read_text(encoding="utf-8"))
    assert written == json.loads(itself.stdout)


def test_tables_for_people(answers):
    copies_alone = "verdict: nothing found (membership was not tested)\n"
    for answer, words in (
        (answers[3], ("Kernel distance (KID)", "Coverage")),
        (answers[4], ("verdict: copying found\n",)),
        (answers[5], (copies_alone,)),
    ):
        assert answer.code == 0, answer
        assert all(word in answer.stdout for word in words)
        assert "Traceback" not in answer.stderr


def test_report_of_a_finished_run(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished.folder, run)
    shared, internal = in_one_process(["report", run, "--json"], ["report", run, "--internal"])
    assert shared.code == internal.code == 0, (shared, internal)
    page = (run / "report.html").read_text(encoding="utf-8")
    house = (run / "internal/report.html").read_text(encoding="utf-8")
    assert "INTERNAL" in house
    assert "INTERNAL EDITION" not in page
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_a_runs_own_splits_are_measured_against(finished, tmp_path):
    """Films that the run held back of its training folder are none that it was trained on."""
    run = tmp_path / "run"
    shutil.copytree(finished.folder, run)
    for name in ("audit.json", "evaluation.json"):
        (run / name).unlink()
    asked = ["--model", run, "--data", finished.data, *BASIC, "--json", "--out", run, "--synth"]
    made = run / "synthetic"
    audit, evaluate, _ = in_one_process(
        ["audit", *asked, made],
        ["evaluate", "--utility", "none", *asked, made],
        ["report", run],
    )
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert report["warnings"] == [], "what is measured is of the run's own images"
    measured = {
        tile["topic"]: tile["headline"] != "Not measured yet" for tile in report["verdicts"]
    }
    assert measured == {"Fidelity": True, "Utility": False, "Privacy": True}
    counts = json.loads((finished.folder / "config.json").read_text())["data"]["counts"]
    trained = sum(n for key, n in counts.items() if key.startswith("train/"))
    held_out = sum(counts.values()) - trained
    found = json.loads(audit.stdout)
    assert found["sets"]["train"]["n"] == trained
    assert found["sets"]["holdout"]["n"] == held_out
    assert found["model_sha256"] == json.loads(evaluate.stdout)["model_sha256"]
    assert "logan" in found["membership"] or "not tested" in " ".join(found["notes"])
    found = json.loads(evaluate.stdout)
    assert found["sets"]["real"]["n"] == held_out
    assert found["sets"]["train"]["n"] == trained


def test_faults_are_one_line(sets, finished, tmp_path):
    (tmp_path / "empty").mkdir()
    base = ["--real", sets / "holdout", "--synth", sets / "honest"]
    audit = ["audit", "--synth", sets / "honest", "--train", sets / "train"]
    refused = in_one_process(
        ["evaluate", *base, "--feature-spaces", "filter-bnk-1"],
        ["evaluate", *base, "--feature-spaces", ","],
        ["evaluate", "--real", tmp_path / "none", "--synth", sets / "honest"],
        ["evaluate", "--real", sets / "holdout", "--synth", tmp_path / "empty"],
        ["evaluate", *base, "--resolution", "7"],
        ["report", tmp_path / "empty"],
        ["report", tmp_path / "none"],
        ["evaluate", "--synth", sets / "honest"],
        ["audit", "--synth", sets / "honest", "--train", sets / "train"],
        ["audit", "--synth", sets / "honest", "--data", sets / "train"],
        [*audit, "--data", sets / "train", "--model", finished.folder],
        [*audit[:3], "--data", sets / "train", "--model", finished.folder, "--fit", "crop"],
        [*audit[:3], "--data", sets / "train", "--model", finished.folder],
        [*audit[:3], "--data", sets / "train", "--model", tmp_path / "empty"],
        [*audit, "--holdout", sets / "holdout", "--model", finished.folder, "--fit", "crop"],
    )
    words = ("filter-bank-1", "spaces", "none", "empty", "resolution", "empty", "none")
    words += ("--model and --data", "--holdout", "goes with --model", "in the place", "--fit")
    words += ("is not what", "no run folder", "give --fit squash")
    for ended, word in zip(refused, words, strict=True):
        assert word in ended.refusal().split("error: ")[1]


def test_help_is_quick_and_whole():
    for command in ("evaluate", "audit", "report"):
        ended = xraygan(command, "--help")
        assert ended.code == 0
        assert "--json" in ended.stdout


@pytest.mark.slow
def test_utility_and_the_discriminator_are_asked_from_the_command_line(finished, tmp_path):
    real, made = finished.data, tmp_path / "made"
    shutil.copytree(finished.folder / "synthetic", made)
    evaluate = ["evaluate", "--real", real, "--synth", made, "--train", real, "--json"]
    audit = ["audit", "--train", real, "--holdout", real, "--synth", made, "--json"]
    used, beside, asked = in_one_process(
        [*evaluate, "--out", tmp_path / "out"],
        [*evaluate, "--out", made],
        [*audit, "--model", finished.folder],
    )
    assert used.code == beside.code == asked.code == 0, (used, beside, asked)
    assert json.loads((made / "evaluation.json").read_text()) == json.loads(beside.stdout)
    assert not (made / "utility.png").exists(), "a picture that would pass for one of the images"
    utility = json.loads(used.stdout)["utility"]
    assert {"trtr", "tstr", "trts", "tstr_minus_trtr"} <= set(utility)
    assert (tmp_path / "out/utility.png").read_bytes().startswith(b"\x89PNG")
    assert "logan" in json.loads(asked.stdout)["membership"]
    assert "films that it held back pass for trained on" in asked.stderr
    assert any("held back pass for" in note for note in json.loads(asked.stdout)["notes"])

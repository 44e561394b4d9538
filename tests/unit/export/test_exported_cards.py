"""The card that goes with an export: evidence on these very images, and what its owner states."""

import hashlib
import io
import shutil
from pathlib import Path

import pytest
from made_images import CLASSES, MODEL, write_made

from report_run import add_evidence, audit, evaluation, make_run
from xraygan.api import export_data
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.report.render import write_report
from xraygan.report.verdicts import OF_OTHERS
from xraygan.runs import read_json, sha256_of, write_json
from xraygan.sampling.records import audit_name
from xraygan.sampling.request import Shard


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose audit found nothing, and whose model is the one of `write_made`."""
    run = make_run(tmp_path / "run", CLASSES)
    shutil.rmtree(run / "synthetic")
    write_made(run / "synthetic", 10)
    add_evidence(run, CLASSES)
    description = run / "model" / "generator.json"
    write_json(description, read_json(description) | {"weights_sha256": MODEL})
    for name in ("evaluation.json", "audit.json"):
        write_json(run / name, read_json(run / name) | {"model_sha256": MODEL})
    return run


@pytest.fixture
def filtered(tmp_path: Path) -> Path:
    """Images beside the run, as `generate --filter` leaves them, but for their audit."""
    write_made(tmp_path / "filtered", filtered=True)
    return tmp_path / "filtered"


def card_of(filtered: Path, run: Path, **given: object) -> str:
    out = filtered.parent / "shared"
    export_data(filtered, out, run=run, **given)
    return (out / "README.md").read_text(encoding="utf-8")


def assert_not_measured(card: str) -> None:
    assert "Verdict of the audit" not in card
    assert "**Not measured yet.** `xraygan audit --model RUN --data DATA --synth SYNTH" in card
    assert "**Fidelity is not measured yet.**" in card
    assert "coverage" not in card.lower()


def test_the_audit_beside_the_images_is_the_one_on_the_card(filtered: Path, run: Path) -> None:
    manifest = {"manifest_sha256": sha256_of(filtered / "manifest.csv")}
    write_json(filtered / "audit.json", audit("copying found") | manifest)
    card = card_of(filtered, run)
    assert "Verdict of the audit: copying found." in card
    assert "nothing found" not in card


@pytest.mark.parametrize("verdict", ["copying found", "membership leak found", "nothing found"])
def test_what_the_audit_found_is_said_and_returned(filtered: Path, run: Path, verdict: str) -> None:
    manifest = {"manifest_sha256": sha256_of(filtered / "manifest.csv")}
    said = {"explanation": "Do not share these images."}
    write_json(filtered / "audit.json", audit(verdict) | manifest | said)
    notes: list[str] = []
    reporter = Reporter()
    reporter.log = notes.append
    found = export_data(filtered, filtered.parent / "shared", run=run, reporter=reporter)
    assert found["verdict"] == verdict
    told = [note for note in notes if "the audit's verdict" in note]
    assert len(told) == (verdict != "nothing found")
    for note in told:
        assert note.endswith(f"the audit's verdict: {verdict}. Do not share these images.")


def test_an_audit_beside_images_of_an_unknown_run_is_said_all_the_same(filtered: Path) -> None:
    audited = audit("copying found") | {"manifest_sha256": sha256_of(filtered / "manifest.csv")}
    write_json(filtered / "audit.json", audited)
    notes: list[str] = []
    reporter = Reporter()
    reporter.log = notes.append
    found = export_data(filtered, filtered.parent / "shared", reporter=reporter)
    assert found["verdict"] == "copying found"
    assert any("the audit's verdict: copying found" in note for note in notes)
    write_json(filtered / "audit.json", audited | {"manifest_sha256": "0" * 64})
    assert export_data(filtered, filtered.parent / "shared")["verdict"] is None


def test_the_runs_evidence_where_the_images_are_drawn_as_its_own(tmp_path: Path, run: Path) -> None:
    write_made(tmp_path / "more")
    card = card_of(tmp_path / "more", run)
    assert "Verdict of the audit: nothing found." in card
    assert "0.117 (kernel distance (KID) to real films" in card
    assert "| Coverage |" in card
    assert "| Synthetic images only (TSTR) |" in card
    assert card.count(OF_OTHERS) == 3, "it was made of the run's own images"


@pytest.mark.parametrize(
    "drawn",
    [{"psi": 0.4}, {"filtered": True}, {"classes": CLASSES[:1]}],
    ids=lambda one: next(iter(one)),
)
def test_the_runs_evidence_is_none_of_images_drawn_otherwise(
    tmp_path: Path, run: Path, drawn: dict
) -> None:
    tame = tmp_path / "tame"
    write_made(tame, **drawn)
    said = io.StringIO()
    reporter = Reporter()
    reporter.log = lambda line: said.write(line)
    assert_not_measured(card_of(tame, run, reporter=reporter))
    for verb in ("evaluate", "audit"):
        command = f"xraygan {verb} --model RUN --data DATA --synth {tame} --out {tame} makes one"
        assert command in said.getvalue()


def test_images_without_records_may_be_filtered(tmp_path: Path, run: Path) -> None:
    write_made(tmp_path / "made")
    (tmp_path / "copied").mkdir()
    for path in (tmp_path / "made").glob("[!.]*"):  # as cp made/* copied
        shutil.move(path, tmp_path / "copied")
    assert_not_measured(card_of(tmp_path / "copied", run))


@pytest.mark.parametrize("place", ["tame", "run"])
def test_what_was_measured_on_these_images_is_shown(tmp_path: Path, run: Path, place: str) -> None:
    tame = tmp_path / "tame"
    write_made(tame, psi=0.4)
    of_these = {"manifest_sha256": sha256_of(tame / "manifest.csv")}
    tamed = evaluation(CLASSES)
    tamed["kid"]["value"] = 0.87
    write_json(tmp_path / place / "evaluation.json", tamed | of_these)
    write_json(tmp_path / place / "audit.json", audit("copying found") | of_these)
    card = card_of(tame, run)
    assert "0.870 (kernel distance" in card
    assert "Verdict of the audit: copying found." in card


def test_what_was_measured_on_other_images_for_the_runs_report_is_not(
    tmp_path: Path, run: Path
) -> None:
    write_made(tmp_path / "more")
    for name in ("evaluation.json", "audit.json"):
        write_json(run / name, read_json(run / name) | {"manifest_sha256": "ab" * 32})
    assert_not_measured(card_of(tmp_path / "more", run))


@pytest.mark.parametrize("name", ["evaluation.json", "audit.json"])
def test_an_empty_file_beside_the_images(filtered: Path, run: Path, name: str) -> None:
    (filtered / name).touch()
    with pytest.raises(XrayganError, match=r"cannot be read .*; run xraygan .* or delete the file"):
        card_of(filtered, run)
    assert not (filtered.parent / "shared").exists()


def test_an_audit_of_a_shard_is_none_of_the_whole(filtered: Path, run: Path) -> None:
    write_json(filtered / audit_name(Shard(1, 2)), audit("nothing found"))
    assert_not_measured(card_of(filtered, run))


def test_an_audit_of_images_that_were_there_before_is_none_of_these(
    filtered: Path, run: Path
) -> None:
    write_json(filtered / "audit.json", audit("nothing found") | {"manifest_sha256": "ab" * 32})
    assert "Verdict of the audit" not in card_of(filtered, run)
    own = hashlib.sha256((filtered / "manifest.csv").read_bytes()).hexdigest()
    write_json(filtered / "audit.json", audit("copying found") | {"manifest_sha256": own})
    assert "Verdict of the audit: copying found." in card_of(filtered, run)


def test_the_manifests_hash_is_that_of_the_images_exported(filtered: Path, run: Path) -> None:
    expected = hashlib.sha256((filtered / "manifest.csv").read_bytes()).hexdigest()
    assert f"SHA-256, manifest of the synthetic images: {expected}" in card_of(filtered, run)


def test_the_training_datas_licence_is_the_one_that_is_given(filtered: Path, run: Path) -> None:
    card = card_of(filtered, run, licence="CC0 1.0", data_licence="CC BY 4.0", attribution="A. B.")
    assert "This data set: CC0 1.0." in card
    assert "these images are derived: licence CC BY 4.0; attribution: A. B." in card


def test_the_training_datas_terms_are_those_that_the_run_has_kept(
    filtered: Path, run: Path
) -> None:
    write_report(run, licence="CC BY 4.0", attribution="A. B.")
    card = card_of(filtered, run, attribution="C. D.")
    assert "these images are derived: licence CC BY 4.0; attribution: C. D." in card
    stated = read_json(filtered.parent / "shared" / "provenance.json")
    assert stated["licence_of_training_data"] == "CC BY 4.0"
    assert stated["attribution_of_training_data"] == "C. D."


def test_an_export_without_its_card_is_none(filtered: Path, run: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xraygan.api.exporting._write_card", full)
    with pytest.raises(XrayganError, match="No space left"):
        card_of(filtered, run)
    assert not (filtered.parent / "shared").exists()


def test_an_export_among_the_images_is_refused(filtered: Path, run: Path) -> None:
    with pytest.raises(XrayganError, match="lies in the folder of the images"):
        export_data(filtered, filtered / "shared", run=run)
    assert not (filtered / "shared").exists()

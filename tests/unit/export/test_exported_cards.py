"""The card that goes with an export: the audit of these very images, and what its owner states."""

import hashlib
import io
from pathlib import Path

import pytest
from made_images import MODEL, write_made

from report_run import add_evidence, audit, make_run
from xraygan.api import export_data
from xraygan.progress import Reporter
from xraygan.report.render import write_report
from xraygan.report.verdicts import OF_OTHERS
from xraygan.runs import read_json, sha256_of, write_json
from xraygan.sampling.records import audit_name
from xraygan.sampling.request import Shard


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose audit found nothing, and whose model is the one of `write_made`."""
    run = add_evidence(make_run(tmp_path / "run"))
    description = run / "model" / "generator.json"
    write_json(description, read_json(description) | {"weights_sha256": MODEL})
    return run


@pytest.fixture
def filtered(tmp_path: Path) -> Path:
    """Images beside the run, as `generate --filter` leaves them, but for their audit."""
    write_made(tmp_path / "filtered")
    return tmp_path / "filtered"


def card_of(filtered: Path, run: Path, **given: str) -> str:
    out = filtered.parent / "shared"
    export_data(filtered, out, run=run, **given)
    return (out / "README.md").read_text(encoding="utf-8")


def test_the_audit_beside_the_images_is_the_one_on_the_card(filtered: Path, run: Path) -> None:
    manifest = {"manifest_sha256": sha256_of(filtered / "manifest.csv")}
    write_json(filtered / "audit.json", audit("copying found") | manifest)
    card = card_of(filtered, run)
    assert "Verdict of the audit: copying found." in card
    assert "nothing found" not in card


def test_the_runs_audit_where_the_images_have_none(filtered: Path, run: Path) -> None:
    card = card_of(filtered, run)
    assert "Verdict of the audit: nothing found." in card
    assert card.count(OF_OTHERS) == 3, "it was made of the run's own images"
    manifest = {"manifest_sha256": sha256_of(filtered / "manifest.csv")}
    for name in ("evaluation.json", "audit.json"):
        write_json(run / name, read_json(run / name) | manifest)
    assert OF_OTHERS not in card_of(filtered, run)


def test_an_audit_of_a_shard_is_none_of_the_whole(filtered: Path, run: Path) -> None:
    write_json(filtered / audit_name(Shard(1, 2)), audit("nothing found"))
    said = io.StringIO()
    reporter = Reporter()
    reporter.log = lambda line: said.write(line)
    export_data(filtered, filtered.parent / "shared", run=run, reporter=reporter)
    card = (filtered.parent / "shared" / "README.md").read_text(encoding="utf-8")
    assert "Verdict of the audit" not in card
    assert "Not measured yet" in card
    assert "each is of one shard; xraygan audit --model RUN" in said.getvalue()


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

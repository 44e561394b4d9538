"""`generate --filter copies`: fewer images, an audit of the rest, and nothing real beside them."""

import csv
import json
import shutil

import pytest
from program import in_one_process, write_films

from xraygan.runs import sha256_of


@pytest.fixture(scope="module")
def filtered(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("filtered") / "out"
    generate = ["generate", "--model", finished.folder, "--num", "60", "--out", out]
    [ended] = in_one_process([*generate, "--filter", "copies", "--data", finished.data, "--json"])
    return out, ended


def test_says_how_many_were_left_out_and_audits_the_rest(filtered):
    out, ended = filtered
    assert ended.code == 0, ended
    [line] = [text for text in ended.stderr.splitlines() if "were left out" in text]
    left_out, of = (int(word) for word in line.split()[:3:2])
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (of, len(rows)) == (60, 60 - left_out)
    assert {row["file"] for row in rows} == {
        path.relative_to(out).as_posix() for path in out.rglob("*.png")
    }
    audit = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert audit["sets"]["synthetic"]["n"] == len(rows)
    assert audit["manifest_sha256"] == sha256_of(out / "manifest.csv")
    assert audit["verdict"] in ended.stderr
    assert "no guarantee" in ended.stderr
    assert f"Audited: the {len(rows)} images that the filter let through." in audit["notes"]
    assert "that no copy is found by pixels is nearly assured" in audit["explanation"]
    assert json.loads(ended.stdout) == {
        "manifest": str(out / "manifest.csv"),
        "written": len(rows),
        "left_out": left_out,
        "audit": str(out / "audit.json"),
        "verdict": audit["verdict"],
    }


def test_an_audit_of_images_that_lie_there_is_not_written_over(finished, filtered, tmp_path):
    shutil.copytree(filtered[0], out := tmp_path / "out")
    before = (out / "audit.json").read_bytes()
    generate = ["generate", "--model", finished.folder, "--seed", "1", "--num", "16", "--out", out]
    [ended] = in_one_process([*generate, "--filter", "copies", "--data", finished.data, "--json"])
    assert ended.code == 0, ended
    assert (out / "audit.json").read_bytes() == before
    assert "others in the folder were not looked at" in ended.stderr
    assert "is of others; `xraygan audit --synth` looks at all" in ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["audit"] is None
    assert answer["verdict"]


def test_what_is_measured_later_says_of_which_images_it_is(finished, filtered):
    out, _ = filtered
    asked = ["--model", finished.folder, "--data", finished.data, "--synth", out, "--json"]
    basic = ["--utility", "none", "--feature-spaces", "filter-bank-1"]
    ended = in_one_process(["audit", *asked], ["evaluate", *asked, *basic])
    found, evaluated = (json.loads(one.stdout) for one in ended)
    for one in (found, evaluated):
        assert one["manifest_sha256"] == sha256_of(out / "manifest.csv")
    assert any("is nearly assured, and is no evidence" in note for note in found["notes"])


def test_no_real_image_lies_beside_them(filtered):
    out, _ = filtered
    assert not (out / "internal").exists()


def test_shards_have_audits_of_their_own_and_an_empty_one_has_none(finished, tmp_path):
    """60 images are two chunks: the first of three shards has nothing to do."""
    out = tmp_path / "out"
    generate = ["generate", "--model", finished.folder, "--num", "60", "--out", out, "--json"]
    shards = [
        [*generate, "--filter", "copies", "--data", finished.data, "--shard", f"{number}/3"]
        for number in (1, 2, 3)
    ]
    ended = in_one_process(*shards)
    assert [one.code for one in ended] == [0, 0, 0], ended
    counts = [json.loads(one.stdout) for one in ended]
    assert [one["written"] + one["left_out"] for one in counts] == [0, 32, 28]
    assert (counts[0]["audit"], counts[0]["verdict"]) == (None, None)
    assert "no image is left to audit" in ended[0].stderr
    assert sorted(path.name for path in out.glob("audit*")) == [
        "audit-2-of-3.json",
        "audit-3-of-3.json",
    ]
    for number in (2, 3):
        audit = json.loads((out / f"audit-{number}-of-3.json").read_text(encoding="utf-8"))
        assert audit["sets"]["synthetic"]["n"] == counts[number - 1]["written"]
        assert any(f"images of shard {number} of 3" in note for note in audit["notes"])


def test_faults_are_one_line(finished, tmp_path):
    others = write_films(tmp_path / "others", {"train/NORMAL": 20, "train/PNEUMONIA": 20}, seed=9)
    generate = ["generate", "--out", tmp_path / "out", "--num", "4", "--model"]
    refused = in_one_process(
        [*generate, finished.folder, "--filter", "copies"],
        [*generate, finished.folder, "--filter", "copies", "--data", others],
        [*generate, finished.folder / "model", "--filter", "copies", "--data", finished.data],
    )
    words = ("--data", "not what", "run folder")
    for ended, word in zip(refused, words, strict=True):
        assert word in ended.refusal()

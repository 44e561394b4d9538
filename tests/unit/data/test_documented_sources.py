"""Each command of `docs/data.md` that prepares something, letter by letter, on a small tree."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from documented_trees import TREES

from xraygan.cli.main import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "data.md"
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
LINES = [
    line
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("xraygan prepare ") and "SOURCE" not in line
]
CLASSES = {
    "chest_xray": ["NORMAL", "PNEUMONIA"],
    "chest_xray.tar.gz": ["NORMAL", "PNEUMONIA"],
    "chest_xray.zip": ["NORMAL", "PNEUMONIA"],
    "chestmnist_64.npz": ["effusion", "pneumothorax"],
    "CheXpert-v1.0-small": ["Edema", "Pleural Effusion"],
    "CXR8": ["Cardiomegaly", "Effusion", "No Finding"],
    "export": ["A", "B"],
    "films": ["A", "B"],
    "films/list.csv": ["A", "B"],
    "imagefolder": ["A", "B"],
    "mimic-cxr-jpg/2.1.0": ["Edema", "Pneumonia"],
    "Montgomery": ["Normal", "Tuberculosis"],
    "PadChest": ["No Finding", "pleural effusion", "pneumonia"],
    "pneumoniamnist.npz": ["normal", "pneumonia"],
    "rsna-pneumonia-detection-challenge": ["Lung Opacity", "No Finding"],
    "stylegan.zip": ["class 0", "class 1"],
    "vindr-cxr/1.0.0": ["Cardiomegaly", "No Finding", "Pleural effusion"],
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collections")
    for tree in TREES:
        tree(root)
    return root


def test_every_source_has_a_command() -> None:
    assert {shlex.split(line)[2] for line in LINES} == set(CLASSES)


@pytest.mark.parametrize("line", LINES)
def test_the_command_as_it_stands(line: str, trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trees)
    words = shlex.split(line)
    shutil.rmtree("prepared", ignore_errors=True)
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert ended.value.code == 0
    found = json.loads(Path("prepared/dataset.json").read_text(encoding="utf-8"))
    one_class = "--format dicom" in line
    assert found["classes"] == (["images"] if one_class else CLASSES[words[2]])
    with Path("prepared/metadata.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) >= 6
    assert all((Path("prepared") / row["file_name"]).is_file() for row in rows)
    patients = {(row["patient"], row["split"]) for row in rows}
    assert len(patients) == len({patient for patient, _ in patients})

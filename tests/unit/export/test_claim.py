"""Whose folder an export may use."""

from pathlib import Path

import pytest

from xraygan.export.claim import claimed

FACTS = {"form": "model", "model_sha256": "ab"}


def test_a_refused_export_takes_away_its_own_files_alone(tmp_path: Path) -> None:
    bin_of_system = tmp_path / "$RECYCLE.BIN"
    bin_of_system.mkdir()
    (bin_of_system / "thesis.docx").write_text("years of work")
    with pytest.raises(OSError, match="full"), claimed(tmp_path, FACTS, ("form",)):
        (tmp_path / "NORMAL").mkdir()
        (tmp_path / "NORMAL/1.png").touch()
        (tmp_path / "README.md").touch()
        raise OSError("full")
    assert [path.name for path in tmp_path.iterdir()] == ["$RECYCLE.BIN"]
    assert (bin_of_system / "thesis.docx").exists()

"""Some of the damaged inputs of `fuzz.py` in every test run, more of them in the slow part."""

import pytest

from fuzz import fuzz


def test_some_damaged_files() -> None:
    findings, ends = fuzz(66)
    assert not findings, findings
    assert sum(counts["refused"] for counts in ends.values())
    assert sum(counts["read"] for counts in ends.values())


@pytest.mark.slow
def test_two_thousand_damaged_files() -> None:
    findings, _ = fuzz(2000, first=1000)
    assert not findings, findings

"""The shell completes verbs and options."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("typed", "completed"), [("xraygan ev", "evaluate"), ("xraygan train --mi", "--minutes")]
)
def test_bash_completes(typed: str, completed: str) -> None:
    words = {
        "_XRAYGAN_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    program = "import sys; sys.argv[0] = 'xraygan'; from xraygan.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed in done.stdout.split(), done

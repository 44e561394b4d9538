"""Precision, recall, density and coverage against their authors' library, downloaded for it."""

import subprocess
import sys

import numpy as np
import pytest

from xraygan.evaluation.neighbours import coverage


@pytest.mark.slow
def test_prdc(tmp_path, monkeypatch) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path]
    done = subprocess.run([*install, "prdc==0.2"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"prdc cannot be installed here: {done.stderr.strip()[-200:]}")
    monkeypatch.syspath_prepend(tmp_path)
    from prdc import compute_prdc

    random = np.random.default_rng(3)
    real = random.normal(size=(400, 24)) * np.linspace(0.5, 2, 24)
    fake = random.normal(0.3, 0.8, size=(400, 24))
    for k in (1, 5):
        theirs = compute_prdc(real_features=real, fake_features=fake, nearest_k=k)
        assert set(theirs) == {"precision", "recall", "density", "coverage"}
        ours = coverage(real, fake, k=k)
        for name, value in theirs.items():
            assert getattr(ours, name) == pytest.approx(value, abs=1e-6), (name, k)

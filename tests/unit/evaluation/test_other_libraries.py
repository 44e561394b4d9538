"""Our measures against the libraries that are used for them."""

import subprocess
import sys

import numpy as np
import pytest

from xraygan.evaluation.frechet import frechet_distance
from xraygan.evaluation.kernel import kernel_distance
from xraygan.evaluation.moments import Moments
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


def test_torch_fidelity() -> None:
    """KID and FID against the library that papers use, where it is installed."""
    kid = pytest.importorskip("torch_fidelity.metric_kid", exc_type=ImportError)
    fid = pytest.importorskip("torch_fidelity.metric_fid", exc_type=ImportError)
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(4)
    real = random.normal(size=(300, 20)) * np.linspace(0.5, 2, 20)
    fake = random.normal(0.2, 1.1, size=(300, 20))
    sides = [torch.from_numpy(part) for part in (real, fake)]
    everything = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False}
    theirs = kid.kid_features_to_metric(*sides, **everything)["kernel_inception_distance_mean"]
    assert kernel_distance(real, fake).value == pytest.approx(theirs, rel=1e-6)
    moments = [fid.fid_features_to_statistics(side) for side in sides]
    theirs = fid.fid_statistics_to_metric(*moments, verbose=False)
    ours = frechet_distance(Moments.of(real), Moments.of(fake))
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)

"""Our measures against the libraries that are used for them."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fresh_environment import checked, environment_with
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


THEIRS = """
import json, sys
import numpy as np, torch
from torch_fidelity import metric_fid as fid, metric_kid as kid, metric_prc as prc

sides = [torch.from_numpy(part) for part in np.load(sys.argv[1]).values()]
moments = [fid.fid_features_to_statistics(side) for side in sides]
print(json.dumps({
    **kid.kid_features_to_metric(
        *sides, kid_subsets=1, kid_subset_size=len(sides[0]), verbose=False
    ),
    **fid.fid_statistics_to_metric(*moments, verbose=False),
    **prc.prc_features_to_metric(*sides, prc_neighborhood=3, prc_batch_size=1000, verbose=False),
}))
"""


@pytest.mark.slow
def test_torch_fidelity(tmp_path) -> None:
    """KID, FID, precision and recall against the library that papers use, in its own environment.

    Five gigabytes are downloaded, used and removed.
    """
    random = np.random.default_rng(4)
    real = random.normal(size=(300, 20)) * np.linspace(0.5, 2, 20)
    fake = random.normal(0.2, 1.1, size=(300, 20))
    np.savez(tmp_path / "sides.npz", fake=fake, real=real)
    with environment_with("torch-fidelity", tmp_path) as variables:
        told = checked(["python", "-c", THEIRS, tmp_path / "sides.npz"], env=variables)
    theirs = json.loads(told.splitlines()[-1])
    ours = coverage(real, fake, k=3)
    for value, name in (
        (kernel_distance(real, fake).value, "kernel_inception_distance_mean"),
        (frechet_distance(Moments.of(real), Moments.of(fake)), "frechet_inception_distance"),
        (ours.precision, "precision"),
        (ours.recall, "recall"),
    ):
        assert value == pytest.approx(theirs[name], rel=1e-6), name

"""Attacks against slow twins and scikit-learn, on generators that leak and that do not."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from xraygan.privacy import attacks
from xraygan.privacy.attacks import (
    Described,
    domias,
    gan_leaks,
    gan_leaks_calibrated,
    monte_carlo,
    reconstruction,
)
from xraygan.privacy.roc import area

MEMBER = np.arange(200) < 100


@pytest.fixture(scope="module")
def cloud() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    suspects = random.normal(size=(200, 10))
    return {
        "suspects": suspects,
        "reference": random.normal(size=(150, 10)),
        "overfitted": suspects[random.integers(0, 100, 400)] + random.normal(0, 0.3, (400, 10)),
        "honest": random.normal(size=(400, 10)),
    }


def seen(cloud: dict[str, np.ndarray], synthetic: str) -> Described:
    return Described(cloud["suspects"], cloud[synthetic], cloud["reference"])


@pytest.mark.parametrize("attack", [gan_leaks, gan_leaks_calibrated, monte_carlo, domias])
def test_an_overfitted_generator_leaks_and_an_honest_one_does_not(cloud, attack) -> None:
    assert area(MEMBER, attack(seen(cloud, "overfitted"))) > 0.75
    assert 0.4 < area(MEMBER, attack(seen(cloud, "honest"))) < 0.6


def test_attacks_equal_their_definitions(cloud, monkeypatch) -> None:
    monkeypatch.setattr(attacks, "_ROWS_AT_ONCE", 64)
    d = seen(cloud, "honest")
    to_synthetic = np.linalg.norm(d.suspects[:, None] - d.synthetic, axis=2)
    to_reference = np.linalg.norm(d.suspects[:, None] - d.reference, axis=2).min(axis=1)
    nearest = to_synthetic.min(axis=1)
    np.testing.assert_allclose(gan_leaks(d), -nearest)
    np.testing.assert_allclose(gan_leaks_calibrated(d), np.log(to_reference / nearest))
    np.testing.assert_allclose(
        monte_carlo(d), (to_synthetic <= np.median(nearest)).mean(axis=1), atol=1 / 400
    )


def test_density_equals_scikit_learns(cloud) -> None:
    sample, queries = cloud["reference"][:, :4], cloud["suspects"][:, :4]
    width = len(sample) ** (-1 / 8)
    kernel = KernelDensity(bandwidth=width).fit(sample)
    expected = kernel.score_samples(queries) + 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(attacks._log_density(queries, sample), expected, atol=1e-9)


def test_a_span_of_members_gives_them_away() -> None:
    """Images mixed of 60 members' components: members are spanned, others are not."""
    random = np.random.default_rng(2)
    suspects = random.normal(size=(120, 300))
    member = np.arange(120) < 60
    mixed = random.normal(size=(160, 60)) @ suspects[:60] / np.sqrt(60)
    scores = reconstruction(Described(suspects, mixed, mixed[:0]))
    assert area(member, scores) > 0.99
    free = random.normal(size=(160, 300))
    assert 0.35 < area(member, reconstruction(Described(suspects, free, free[:0]))) < 0.65


def test_reconstruction_is_the_residual_of_a_projection() -> None:
    random = np.random.default_rng(3)
    synthetic, suspects = random.normal(size=(20, 50)), random.normal(size=(7, 50))
    centred = synthetic - synthetic.mean(axis=0)
    axes = np.linalg.svd(centred)[2][:10]
    rows = suspects - synthetic.mean(axis=0)
    rest = rows - rows @ axes.T @ axes
    expected = -np.log((rest**2).sum(axis=1) / (rows**2).sum(axis=1))
    got = reconstruction(Described(suspects, synthetic, synthetic[:0]))
    np.testing.assert_allclose(got, expected, rtol=1e-4)

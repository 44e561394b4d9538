"""Membership attacks: a score for each real image, higher where it seems to be trained on.

Every attacker has the synthetic images and, for the calibrated ones, reference images of other
patients; what they look through (means, axes, bandwidths) is fitted on those alone, so that
hardly anything but the synthetic images can tell members from others. Fitted on real films are
only the scale of each feature, on the training films, and the Monte Carlo radius, on both sides
alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.classic import nearest_distance

_KDE_COMPONENTS = 12
_ROWS_AT_ONCE = 512
_SPANNING = 1200  # synthetic images whose span is taken


@dataclass(frozen=True, eq=False)
class Described:
    """Images as an attacker describes them.

    Attributes:
        suspects: [N, K].
        synthetic: [S, K].
        reference: [R, K], real images of patients who are no suspects.
    """

    suspects: NDArray[np.floating]
    synthetic: NDArray[np.floating]
    reference: NDArray[np.floating]


def gan_leaks(seen: Described) -> NDArray[np.float64]:
    """How near the nearest synthetic image is, as a negative distance [N].

    Source: Chen et al. 2020, arXiv 1909.03935, section 4.2 (full black box).
    """
    return -nearest_distance(seen.suspects, seen.synthetic)[0]


def gan_leaks_calibrated(seen: Described) -> NDArray[np.float64]:
    """The same beside the distance to the nearest reference image, [N].

    log(distance to reference) - log(distance to synthetic): films that resemble everything do
    not count. The paper subtracts the distance to another generator's images; reference images
    take their place.

    Source: Chen et al. 2020, arXiv 1909.03935, section 4.5.
    """
    to_synthetic, to_reference = (
        nearest_distance(seen.suspects, others)[0] for others in (seen.synthetic, seen.reference)
    )
    return np.log(np.maximum(to_reference, 1e-9)) - np.log(np.maximum(to_synthetic, 1e-9))


def monte_carlo(seen: Described) -> NDArray[np.float64]:
    """The share of synthetic images within a radius, [N].

    The radius is the median over suspects of the distance to the nearest synthetic image.

    Source: Hilprecht et al. 2019, PoPETs 2019(4), section 4.1 (median heuristic).
    """
    radius = float(np.median(nearest_distance(seen.suspects, seen.synthetic)[0]))
    return _share_within(seen.suspects, seen.synthetic, radius)


def domias(seen: Described) -> NDArray[np.float64]:
    """Log density of synthetic images less that of reference images, [N].

    Kernel densities in the leading principal components of synthetic and reference images.

    Source: van Breugel et al. 2023, arXiv 2302.12580, equation 2.
    """
    both = np.concatenate([seen.synthetic[: 4 * len(seen.reference)], seen.reference])
    mean = both.mean(axis=0)
    _, singular, axes = np.linalg.svd(both - mean, full_matrices=False)
    kept = min(_KDE_COMPONENTS, len(axes), max(1, len(seen.reference) // 10))
    scale = axes[:kept].T / np.maximum(singular[:kept] / np.sqrt(len(both)), 1e-9)
    suspects, synthetic, reference = (
        (part - mean) @ scale for part in (seen.suspects, seen.synthetic, seen.reference)
    )
    return _log_density(suspects, synthetic) - _log_density(suspects, reference)


def reconstruction(seen: Described) -> NDArray[np.float64]:
    """How little of a film lies outside the span of the synthetic images, [N].

    Minus the log of the squared distance to the subspace of the leading components of the
    synthetic images, half as many as there are images, as a share of the distance to their
    mean. A generator that works in principal components of its training films gives those away.

    Source: the linear case of Chen et al. 2020, arXiv 1909.03935, section 4.4 (white box), with
    the generator replaced by what its images span.
    """
    synthetic = seen.synthetic[:_SPANNING].astype(np.float32)
    mean = synthetic.mean(axis=0)
    centred = synthetic - mean
    _, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    # Eigenvalues ascend: the last half of the vectors are the leading ones.
    axes, _ = np.linalg.qr((vectors[:, len(vectors) // 2 :].T @ centred).T)
    rows = seen.suspects - mean
    inside = ((rows @ axes) ** 2).sum(axis=1)
    whole = np.maximum((rows**2).sum(axis=1), 1e-12)
    return -np.log(np.clip(1 - inside / whole, 1e-6, 1))


def _share_within(
    queries: NDArray[np.floating], references: NDArray[np.floating], radius: float
) -> NDArray[np.float64]:
    squares = (references**2).sum(axis=1)
    share = np.empty(len(queries))
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        part = queries[start : start + _ROWS_AT_ONCE]
        squared = (part**2).sum(axis=1)[:, None] + squares - 2 * part @ references.T
        share[start : start + len(part)] = (squared <= radius**2).mean(axis=1)
    return share


def _log_density(
    queries: NDArray[np.floating], sample: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Gaussian kernels of Scott's width on coordinates of unit variance, up to a constant."""
    from scipy.special import logsumexp

    n, size = sample.shape
    width = n ** (-1 / (size + 4))
    squares = (sample**2).sum(axis=1)
    density = np.empty(len(queries))
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        part = queries[start : start + _ROWS_AT_ONCE]
        squared = (part**2).sum(axis=1)[:, None] + squares - 2 * part @ sample.T
        density[start : start + len(part)] = logsumexp(-squared / (2 * width**2), axis=1)
    return density - np.log(n) - size * np.log(width)

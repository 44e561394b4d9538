"""Power spectra by spatial frequency: what blur, noise and grids change first."""

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.intervals import deletion_groups, deletions, jackknife

_IMAGES_AT_ONCE = 256
_ROUNDING = 1 / 12  # variance of rounding to whole grey levels: no real power is below it


def radial_spectra(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Each image's power in rings of spatial frequency.

    The mean is taken away and the borders are faded by a Hann window, so that they do not pass
    for structure. The first ring holds the frequencies from one to two cycles per shorter side,
    the next from two to three; the last ends at half a cycle a pixel and takes the corners
    beyond it. The constant is left out.

    Args:
        images: uint8 [N, H, W], each side at least 4 px.

    Returns:
        float64 [N, min(H, W) // 2 - 1], decibels over one grey level squared a frequency.

    Raises:
        TypeError: not uint8.
        ValueError: not three axes, or a side under 4 px.
    """
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}: expected uint8")
    if images.ndim != 3 or min(images.shape[1:]) < 4:
        raise ValueError(f"images of shape {images.shape}: expected [N, H, W], sides >= 4")
    window, rings = _window(*images.shape[1:]), _rings(*images.shape[1:])
    parts = [
        _spectra(images[start : start + _IMAGES_AT_ONCE], window, rings)
        for start in range(0, len(images), _IMAGES_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(rings)))


def spectrum_distance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    patients_x: NDArray[np.object_],
    patients_y: NDArray[np.object_],
    *,
    seed: int = 0,
) -> Estimate:
    """Root mean square over frequencies of the difference of two mean log spectra, in decibels.

    Being a length it is a little above 0 for equal sets too: see the floor. The interval is a
    delete-a-group jackknife, a tenth of the patients left out on both sides at once.

    Args:
        x: [N, R] from `radial_spectra`.
        y: [M, R].
        patients_x: [N].
        patients_y: [M].
        seed: of the groups.

    Returns:
        The distance; n is min(N, M).

    Source: log spectra as a test of generators, Durall et al. 2020, arXiv 2003.01826, section 3.
    """
    count = deletions(patients_x, patients_y)
    group_x, group_y = (deletion_groups(who, count, seed=seed) for who in (patients_x, patients_y))
    without = [
        _gap(x[group_x != left_out], y[group_y != left_out])
        for left_out in range(count if count > 1 else 0)
    ]
    return jackknife(_gap(x, y), np.array(without), min(len(x), len(y)), least=0.0)


def _gap(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.sqrt(((x.mean(axis=0) - y.mean(axis=0)) ** 2).mean()))


def _window(height: int, width: int) -> NDArray[np.float32]:
    """Hann in both directions; its squares add up to one, so that power is per frequency."""
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    return (window / np.sqrt((window**2).sum())).astype(np.float32)


def _rings(height: int, width: int) -> NDArray[np.float32]:
    """Averages over rings of the half spectrum: [R, H · (W // 2 + 1)], rows add up to one."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    side = min(height, width)
    count = side // 2 - 1
    ring = np.clip((np.hypot(down, across) * side).astype(np.intp) - 1, 0, count - 1)
    weight = np.full(ring.shape, 2.0)  # the half spectrum stands for its mirror image
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    weight[0, 0] = 0
    table = (ring.ravel() == np.arange(count)[:, None]) * weight.ravel()
    return (table / table.sum(axis=1, keepdims=True)).astype(np.float32)


def _spectra(
    images: NDArray[np.uint8], window: NDArray[np.float32], rings: NDArray[np.float32]
) -> NDArray[np.float64]:
    from scipy.fft import rfft2

    pixels = images.astype(np.float32)
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    waves: NDArray[np.complexfloating] = np.asarray(rfft2(pixels * window, workers=-1))
    power = (waves.real**2 + waves.imag**2).reshape(len(images), -1)
    return 10 * np.log10((power @ rings.T).astype(np.float64) + _ROUNDING)

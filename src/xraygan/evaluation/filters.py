"""Oriented quadrature filters over octaves: what the filter-bank features are read from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

ORIENTATIONS = 4
SMALLEST_SIDE = 16
_LEAST_PADDING = 8  # px mirrored on each side, so that the FFT's wrap-around meets no edge


@dataclass(frozen=True)
class Plan:
    """How images of one size are padded, filtered and thinned out.

    Attributes:
        before: rows and columns mirrored before the image, px.
        padded: padded height and width, px.
        steps: sampling step of each octave in px, fine to coarse: 1, 1, 2, 4 ...
        masks: for each octave the frequency response, float32
            [ORIENTATIONS, padded height / step, 2 * padded width / step], every
            number twice: for the real and for the imaginary part.
    """

    before: int
    padded: tuple[int, int]
    steps: tuple[int, ...]
    masks: tuple[NDArray[np.float32], ...]


def octave_count(height: int, width: int) -> int:
    """Octaves an image has room for: 3 at 32 px, 4 at 64, 5 at 128, 6 at 256.

    Raises:
        ValueError: a side under SMALLEST_SIDE px.
    """
    side = min(height, width)
    if side < SMALLEST_SIDE:
        raise ValueError(f"images of {height}x{width} px: features need {SMALLEST_SIDE} px a side")
    return side.bit_length() - 3


@lru_cache(maxsize=8)
def plan_for(height: int, width: int) -> Plan:
    """The filters for images of one size.

    Octave s answers to frequencies around 2^-(s+1) cycles/px with a raised cosine
    of log frequency; octave 0 is the high-pass up to the corners. Orientation o
    answers with cos^(O-1) of the angle on one side of the spectrum only, so the
    response is complex: real part even, imaginary part odd.

    Args:
        height: px, at least SMALLEST_SIDE.
        width: px, at least SMALLEST_SIDE.

    Returns:
        The plan; cached.

    Raises:
        ValueError: a side too short.

    Source: the steerable pyramid, Simoncelli and Freeman 1995; analytic as in
    Portilla and Simoncelli 2000, section 2.
    """
    steps = tuple(2 ** max(0, s - 1) for s in range(octave_count(height, width)))
    before = max(_LEAST_PADDING, steps[-1])
    padded = (_fast_size(height + 2 * before, steps[-1]), _fast_size(width + 2 * before, steps[-1]))
    fy = np.fft.fftfreq(padded[0])[:, None]
    fx = np.fft.fftfreq(padded[1])[None, :]
    radius, angle = np.hypot(fy, fx), np.arctan2(fy, fx)
    masks = []
    for octave, step in enumerate(steps):
        radial = _radial_response(radius, octave)
        oriented = np.stack([radial * _angular_response(angle, o) for o in range(ORIENTATIONS)])
        # An inverse FFT of fewer points divides by fewer: keep the image's own grey levels.
        kept = _low_frequencies(oriented, step) / step**2
        masks.append(np.repeat(kept, 2, axis=-1).astype(np.float32))
    return Plan(before, padded, steps, tuple(masks))


def octaves(images: NDArray[np.float32]) -> Iterator[NDArray[np.complex64]]:
    """Complex responses of each octave, fine to coarse, on the image's own area.

    Args:
        images: [N, H, W] grey levels.

    Yields:
        complex64 [N, ORIENTATIONS, H // step, W // step] in grey levels.
    """
    height, width = images.shape[1:]
    plan = plan_for(height, width)
    margins = [
        (plan.before, plan.padded[i] - n - plan.before) for i, n in enumerate((height, width))
    ]
    spectrum = np.asarray(scipy.fft.fft2(np.pad(images, ((0, 0), *margins), mode="symmetric")))
    for step, mask in zip(plan.steps, plan.masks, strict=True):
        response = scipy.fft.ifft2(_times_real(_low_frequencies(spectrum, step)[:, None], mask))
        top = plan.before // step
        yield np.asarray(response)[:, :, top : top + height // step, top : top + width // step]


def _radial_response(radius: NDArray[np.float64], octave: int) -> NDArray[np.float64]:
    from_centre = np.log2(np.maximum(radius, 1e-12) / 0.5) + octave
    if octave == 0:
        from_centre = np.minimum(from_centre, 0.0)
    return np.where(np.abs(from_centre) < 1, np.cos(np.pi / 2 * from_centre), 0.0)


def _angular_response(angle: NDArray[np.float64], orientation: int) -> NDArray[np.float64]:
    cosine = np.cos(angle - np.pi * orientation / ORIENTATIONS)
    return 2.0 * np.maximum(cosine, 0.0) ** (ORIENTATIONS - 1)


def _low_frequencies(spectrum: NDArray, step: int) -> NDArray:
    """The bins that are left when only every step-th sample is kept, [..., H/step, W/step]."""
    if step == 1:
        return spectrum
    rows, columns = (_kept_bins(n, step) for n in spectrum.shape[-2:])
    return spectrum[..., rows[:, None], columns[None, :]]


def _times_real(spectrum: NDArray, paired_mask: NDArray[np.float32]) -> NDArray:
    """Product as plain float32 pairs: NumPy would make the mask complex and work twice as much."""
    pairs = np.ascontiguousarray(spectrum).view(np.float32)
    return (pairs * paired_mask).view(np.complex64)


def _kept_bins(size: int, step: int) -> NDArray[np.intp]:
    kept = size // step
    return np.r_[: (kept + 1) // 2, size - kept // 2 : size]


def _fast_size(least: int, multiple: int) -> int:
    """The next multiple that has no prime factor above 5, which the FFT likes."""
    size = -(-least // multiple) * multiple
    while scipy.fft.next_fast_len(size, real=True) != size:
        size += multiple
    return size

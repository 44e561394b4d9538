"""A feature space without training or download, and its standard scale.

Five families of numbers describe an image (sizes for 64×64, four octaves):

| family | numbers | sees |
|---|---|---|
| energy | 256 log energies: octave × orientation × 4×4 cells | blur, noise, lost ribs, layout |
| shape | 80: peakedness of each band, self-similarity of its magnitudes | ghosts, softness |
| relations | 96: of magnitudes across bands, of phase across octaves | broken edges, JPEG, warps |
| lattice | 8 coherent amplitudes at periods of 2 and 4 px | grids of upsampling layers |
| intensity | 67: an 8×8 thumbnail, log spread, skew, tails | anatomy, exposure |

Larger images have more octaves, hence more numbers: only features of images of
one size can be compared.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xraygan.evaluation.bounded import LARGEST_SIDE, bounded
from xraygan.evaluation.filters import ORIENTATIONS, octave_count, octaves

FEATURE_SPACE = "filter-bank-1"

_CELLS = 4
_THUMBNAIL = 8
_LAGS = ((0, 2), (2, 0), (2, 2), (2, -2))  # samples, rows and columns
_WINDOW = 16  # px
_CARRIERS = 3  # constant, period 2, period 4
_PIXELS_AT_ONCE = 1 << 15  # keeps one block's filter responses in the cache
# Grey levels squared. Below these a band is empty: 8-bit rounding alone gives a tenth.
_EMPTY_BAND = 1.0
_EMPTY_LATTICE = 0.25
# Shares of the squared length. Equal ones let noise and grids outweigh lost structure;
# these keep the proportions a deep network sees (benchmarks/feature_space.py measures them).
_SHARES = {"energy": 1.0, "shape": 0.5, "relations": 3.0, "lattice": 0.25, "intensity": 1.0}


def filter_bank_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe each image by local band energies, their relations, and its anatomy.

    An image's features depend on that image alone. Images with a side over
    LARGEST_SIDE px are area-averaged to it first.

    Args:
        images: uint8 [N, H, W], each side at least 16 px.

    Returns:
        float32 [N, D]; D follows from the size (507 at 64×64). Log energies,
        correlations, and intensities in units of the full grey range.

    Raises:
        TypeError: not uint8.
        ValueError: not three axes, or a side under 16 px.

    Source: the statistics are those of Portilla and Simoncelli 2000 (section 3),
    pooled coarsely as in GIST, Oliva and Torralba 2001.
    """
    if images.dtype != np.uint8:
        raise TypeError(f"images are {images.dtype}: features are defined on uint8")
    if images.ndim != 3:
        raise ValueError(f"images of shape {images.shape}: expected [N, H, W]")
    images = bounded(images)
    length = sum(family_sizes(*images.shape[1:]).values())
    if len(images) == 0:
        return np.empty((0, length), np.float32)
    at_once = max(1, _PIXELS_AT_ONCE // images[0].size)
    blocks = [images[i : i + at_once] for i in range(0, len(images), at_once)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(_block_features, blocks)))


def family_sizes(height: int, width: int) -> dict[str, int]:
    """How many numbers each family has, in their order in the features.

    Args:
        height: px.
        width: px.

    Returns:
        Family name to count; the counts add up to D.

    Raises:
        ValueError: a side under 16 px.
    """
    shrink = min(1.0, LARGEST_SIDE / max(height, width))
    return _family_sizes(octave_count(round(height * shrink), round(width * shrink)))


def _family_sizes(count: int) -> dict[str, int]:
    bands = count * ORIENTATIONS
    within = count * ORIENTATIONS * (ORIENTATIONS - 1) // 2
    between = (count - 1) * ORIENTATIONS
    return {
        "energy": bands * _CELLS**2,
        "shape": bands * (1 + len(_LAGS)),
        "relations": within + between * (ORIENTATIONS + 2),
        "lattice": _CARRIERS**2 - 1,
        "intensity": _THUMBNAIL**2 + 3,
    }


@dataclass(frozen=True)
class Standardiser:
    """Puts features on the scale of a set of real ones.

    weight · asinh((feature − mean) / scale): linear for what real images do,
    logarithmic beyond, so that one gross fault does not hide all others.

    Attributes:
        mean: float64 [D].
        scale: float64 [D], standard deviation, never under the floor.
        weight: float64 [D]; the mean of the squares is 1.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Standardise.

        Args:
            features: [N, D].

        Returns:
            float32 [N, D].

        Raises:
            ValueError: another number of features than in the reference.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(
                f"features of shape {features.shape}: the reference had {len(self.mean)} a row; "
                "are the images of another size?"
            )
        return (self.weight * np.arcsinh((features - self.mean) / self.scale)).astype(np.float32)


def standardise(
    reference: NDArray[np.floating],
    *,
    weights: NDArray[np.floating] | None = None,
    floor: float = 0.01,
) -> Standardiser:
    """Fit the scale on real images, for example the training set.

    Args:
        reference: [N, D] features of real images, N at least 2.
        weights: [D], for any other feature space (ones, say). None: the filter
            bank's own, which give each family its share of the squared length.
        floor: least standard deviation that is believed, in the features' units.

    Returns:
        The standardiser.

    Raises:
        ValueError: fewer than two rows, or a number of features that is none of
            the filter bank's while no weights are given.
    """
    if reference.ndim != 2 or len(reference) < 2:
        raise ValueError(f"reference of shape {reference.shape}: expected [N >= 2, D]")
    if weights is None:
        weights = _family_weights(reference.shape[1])
    weights = np.asarray(weights, np.float64)
    mean = reference.mean(axis=0, dtype=np.float64)
    scale = np.maximum(reference.std(axis=0, dtype=np.float64), floor)
    return Standardiser(mean, scale, weights / np.sqrt((weights**2).mean()))


def _family_weights(length: int) -> NDArray[np.float64]:
    for count in range(2, LARGEST_SIDE.bit_length()):
        sizes = _family_sizes(count)
        if sum(sizes.values()) == length:
            return np.concatenate([np.full(n, (_SHARES[f] / n) ** 0.5) for f, n in sizes.items()])
    raise ValueError(f"{length} features a row are not {FEATURE_SPACE}: give weights")


def _block_features(block: NDArray[np.uint8]) -> NDArray[np.float32]:
    images = block.astype(np.float32)
    energy, shape, relations = [], [], []
    finer: _Band | None = None
    for response in octaves(images):
        band = _Band.of(response)
        energy.append(_cell_energy(band))
        shape += [_peakedness(band), *_self_similarity(band)]
        relations.append(_orientation_correlation(band))
        if finer is not None:
            relations += _octave_relations(finer, band)
        finer = band
    columns = [*energy, *shape, *relations, _lattice(images), *_intensity(images)]
    table = np.concatenate([c.reshape(len(images), -1) for c in columns], axis=1)
    return table.astype(np.float32, copy=False)


@dataclass(frozen=True)
class _Band:
    """One octave: four maps [N, O, h, w] and two of their means [N, O]."""

    response: NDArray[np.complexfloating]
    energy: NDArray[np.floating]
    magnitude: NDArray[np.floating]
    pattern: NDArray[np.floating]
    mean_energy: NDArray[np.floating]
    mean_magnitude: NDArray[np.floating]

    @classmethod
    def of(cls, response: NDArray[np.complexfloating]) -> "_Band":
        energy = response.real**2 + response.imag**2
        magnitude = np.sqrt(energy)
        mean_energy, mean_magnitude = energy.mean(axis=(2, 3)), magnitude.mean(axis=(2, 3))
        pattern = _standard(magnitude, mean_magnitude, mean_energy)
        return cls(response, energy, magnitude, pattern, mean_energy, mean_magnitude)


def _standard(
    magnitude: NDArray[np.floating], mean: NDArray[np.floating], square: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Zero mean and unit variance over positions; a flat band stays near zero."""
    gain = 1 / np.sqrt(np.maximum(square - mean**2, 0) + _EMPTY_BAND)
    return (magnitude - mean[:, :, None, None]) * gain[:, :, None, None]


def _cell_energy(band: _Band) -> NDArray[np.floating]:
    return np.log(_cell_means(band.energy, _CELLS) + _EMPTY_BAND)


def _cell_means(images: NDArray[np.floating], cells: int) -> NDArray[np.floating]:
    """Means over cells × cells rectangles, [..., cells, cells]; pixels on a border are shared."""
    rows, columns = (_cell_matrix(n, cells) for n in images.shape[-2:])
    return rows @ images @ columns.T


def _cell_matrix(size: int, cells: int) -> NDArray[np.floating]:
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    overlap = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    return (np.maximum(overlap, 0) * cells / size).astype(np.float32)


def _peakedness(band: _Band) -> NDArray[np.floating]:
    """Log of E[m²] / E[m]², [N, O]: high where few strong edges stand on quiet ground."""
    return np.log((band.mean_energy + _EMPTY_BAND) / (band.mean_magnitude**2 + _EMPTY_BAND))


def _self_similarity(band: _Band) -> Iterator[NDArray[np.floating]]:
    """Autocorrelation of the magnitudes at each lag, [N, O]: how far structures run on."""
    pattern = band.pattern
    height, width = pattern.shape[2:]
    for down, right in _LAGS:
        here = pattern[:, :, : height - down, max(0, -right) : width - max(0, right)]
        there = pattern[:, :, down:, max(0, right) : width + min(0, right)]
        yield np.einsum("nohw,nohw->no", here, there) / (here.shape[2] * here.shape[3])


def _orientation_correlation(band: _Band) -> NDArray[np.floating]:
    flat = band.pattern.reshape(*band.pattern.shape[:2], -1)
    correlation = flat @ flat.transpose(0, 2, 1) / flat.shape[2]
    return correlation[:, *np.triu_indices(ORIENTATIONS, 1)]


def _octave_relations(finer: _Band, coarser: _Band) -> list[NDArray[np.floating]]:
    """Correlations of magnitudes, [N, O, O], and phase agreement, [N, O] twice."""
    height, width = coarser.magnitude.shape[2:]
    pattern = finer.pattern
    if pattern.shape[2] >= 2 * height:
        halved = _halved(finer.magnitude[:, :, : 2 * height, : 2 * width])
        square = np.einsum("nohw,nohw->no", halved, halved) / (height * width)
        pattern = _standard(halved, halved.mean(axis=(2, 3)), square)
    fine = pattern.reshape(*pattern.shape[:2], -1)
    correlation = fine @ coarser.pattern.reshape(*fine.shape).transpose(0, 2, 1) / fine.shape[2]
    agreement = _phase_agreement(finer, coarser)
    return [correlation, agreement.real, agreement.imag]


def _halved(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    rows = maps[:, :, ::2] + maps[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def _phase_agreement(finer: _Band, coarser: _Band) -> NDArray[np.complexfloating]:
    """Correlation of the finer band with the coarser one at doubled phase, complex [N, O].

    An edge or a rib keeps its phase relation through the octaves; noise, and sums
    of unrelated images, do not (Portilla and Simoncelli 2000, section 2.3).
    Every second position is enough: neighbours say nearly the same.
    """
    stride = 2 * finer.magnitude.shape[2] // coarser.magnitude.shape[2]
    doubled = coarser.response[:, :, ::2, ::2] ** 2 / (coarser.magnitude[:, :, ::2, ::2] + 1e-3)
    height, width = doubled.shape[2:]
    fine = finer.response[:, :, ::stride, ::stride][:, :, :height, :width]
    product = np.einsum("nohw,nohw->no", fine, doubled.conj()) / (height * width)
    return product / np.sqrt(finer.mean_energy * coarser.mean_energy + _EMPTY_BAND)


def _lattice(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Log coherent energy at periods of 2 and 4 px down, across and both, [N, 8].

    Coherent within a Hann window of 16 px, so noise of the same strength counts
    for about a hundredth of a pattern that keeps its phase.
    """
    rows, columns = (_carrier_matrix(n) for n in images.shape[1:])
    response = (rows.reshape(-1, rows.shape[-1]) @ images) @ columns.reshape(
        -1, columns.shape[-1]
    ).T
    shape = (len(images), *rows.shape[:2], *columns.shape[:2])
    energy = (response.reshape(shape) ** 2).mean(axis=(2, 4))
    for axis in (1, 2):  # cosine and sine of period 4 belong together
        period4 = np.take(energy, [2, 3], axis=axis).sum(axis=axis, keepdims=True)
        energy = np.concatenate([np.take(energy, [0, 1], axis=axis), period4], axis=axis)
    return np.log(energy.reshape(len(images), -1)[:, 1:] + _EMPTY_LATTICE)


def _carrier_matrix(size: int) -> NDArray[np.floating]:
    """Windowed carriers [4, positions, size]: constant, period 2, cosine and sine of period 4."""
    window = np.hanning(_WINDOW + 1)[:-1]  # periodic: whole periods do not leak into one another
    window /= window.sum()
    t = np.arange(_WINDOW)
    quarter = np.sqrt(2) * np.exp(0.5j * np.pi * t)
    carriers = window * np.stack([np.ones(_WINDOW), (-1.0) ** t, quarter.real, quarter.imag])
    starts = range(0, size - _WINDOW + 1, _WINDOW // 2)
    matrix = np.zeros((len(carriers), len(starts), size), np.float32)
    for position, start in enumerate(starts):
        matrix[:, position, start : start + _WINDOW] = carriers
    return matrix


def _intensity(images: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Thumbnail [N, 8, 8] in [0, 1], log spread, skew and root tail weight, [N] each."""
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    variance = (centred**2).mean(axis=(1, 2))
    normal = centred / np.sqrt(variance + _EMPTY_BAND)[:, None, None]
    square = normal**2
    return [
        _cell_means(images, _THUMBNAIL) / 255,
        np.log(variance + _EMPTY_BAND) / 2,
        (square * normal).mean(axis=(1, 2)),
        np.sqrt((square**2).mean(axis=(1, 2))),
    ]

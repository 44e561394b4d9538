"""Films that are nearly the same picture: found by bands of a perceptual hash, checked by pixels.

What is compared is the film's fine structure, its pixels without their Gaussian blur and in units
of their local contrast: different chests share their coarse shading, which another exposure
changes, and films of one source may share a frame or letters, whose edges outdo all else. The hash
is signs of random projections of the lowest frequencies of it; films that agree in all signs of
one of many bands are candidates, and count as nearly the same where their fine structure
correlates.

Source: Charikar 2002, doi 10.1145/509907.509965 (signs of random projections), in bands as in
Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, chapter 3; local contrast as in Mittal et
al. 2012, doi 10.1109/TIP.2012.2214050, equation 1. The bound `ALIKE` is
`benchmarks/near_duplicates.py`'s.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

ALIKE = 0.9
"""Films whose fine structure correlates by this much are nearly the same picture.

Among ten million pairs of different patients' films (Kermany et al.) at 64 px none reached 0.76,
at 32 px none 0.82; with a white frame of 2 to 10 % of the side round all of them 0.85 and 0.89.
"""
# What fine structure is compared at, in pixels; smaller images keep their size.
_SIDE = 64
_FREQUENCIES = 16
_BANDS, _BITS = 64, 24
# Films of one band are compared with so many of their neighbours: bounds the work.
_NEIGHBOURS = 4
_BLOCK = 4096
# Grey levels of 255: an image that varies less has nothing to compare, and where one varies less
# it is not stretched.
_FLAT, _NOISE = 0.25, 2.0


def near_pairs(images: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Pairs of images that are nearly the same: another exposure, size, compression, or negative.

    Mirrored films, and films cut by more than about a hundredth, are not found. Time grows as
    n log n. Pairs that correlate by more than 0.95 are found with a probability above .99, those
    just above `ALIKE` with about .8.

    Args:
        images: uint8 [N, R, R], R at least 32; may be memory-mapped.

    Returns:
        Rows int [P, 2], the smaller first, sorted; and the correlation of each pair, float32 [P],
        at least `ALIKE`, without the sign that negatives have.
    """
    coarse = np.concatenate(
        [np.empty((0, _FREQUENCIES**2), np.float32), *map(_frequencies, _blocks(images))]
    )
    candidates = _candidates(coarse)
    likeness = np.array([_likeness(images, a, b) for a, b in candidates], np.float32)
    kept = likeness >= ALIKE
    return candidates[kept], likeness[kept]


def fine_structure(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images without their blur, by local contrast, with mean 0 and length 1; flat ones are zero.

    Args:
        images: uint8 [N, R, R]; reduced to 64 px where larger.

    Returns:
        float32 [N, S, S].
    """
    side = min(images.shape[1], _SIDE)
    found = np.empty((len(images), side, side), np.float32)
    for row, image in enumerate(images):
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
        fine = small - _blurred(small)
        if fine.std() <= _FLAT:
            found[row] = 0
            continue
        fine /= np.sqrt(_blurred(fine**2) + _NOISE**2)
        fine -= fine.mean()
        found[row] = fine / np.linalg.norm(fine)
    return found


def _blurred(image: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(image, (0, 0), 3 * len(image) / _SIDE)
    return blurred.astype(np.float32, copy=False)


def _blocks(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(images), _BLOCK):
        yield images[start : start + _BLOCK]


def _frequencies(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The lowest cosine frequencies of the fine structure: float32 [N, 256], length at most 1."""
    fine = fine_structure(images)
    found = np.stack([cv2.dct(image)[:_FREQUENCIES, :_FREQUENCIES] for image in fine])
    return found.reshape(len(images), -1)


def _candidates(coarse: NDArray[np.float32]) -> NDArray[np.intp]:
    """Pairs that agree in a band and could still correlate by `ALIKE`: int [P, 2], sorted."""
    rest = np.sqrt(np.maximum(1 - (coarse**2).sum(axis=1), 0))
    rng = np.random.default_rng(0)
    found = [np.empty(0, np.int64)]
    for _ in range(_BANDS):
        codes = _codes(coarse, rng.standard_normal((coarse.shape[1], _BITS), np.float32))
        order = np.argsort(codes, kind="stable")
        for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            same = np.flatnonzero(codes[order[step:]] == codes[order[:-step]])
            first, second = order[same], order[same + step]
            product = np.einsum("ij,ij->i", coarse[first], coarse[second])
            # What the frequencies left out can add to a correlation is bounded by their length.
            able = np.abs(product) + rest[first] * rest[second] >= ALIKE
            low, high = np.minimum(first, second)[able], np.maximum(first, second)[able]
            found.append(low * np.int64(len(coarse)) + high)
    pairs = np.unique(np.concatenate(found))
    return np.stack(np.divmod(pairs, max(len(coarse), 1)), axis=1)


def _codes(coarse: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.int64]:
    """One band's number for each image; a negative has its film's."""
    powers = 1 << np.arange(_BITS, dtype=np.int64)
    codes = ((coarse @ directions) > 0) @ powers
    return np.minimum(codes, (1 << _BITS) - 1 - codes)


def _likeness(images: NDArray[np.uint8], first: int, second: int) -> float:
    one, other = fine_structure(images[[first, second]])
    return abs(float((one * other).sum()))

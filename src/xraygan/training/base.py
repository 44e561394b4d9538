"""Fits where films begin: class means and covariances in principal components."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import cv2
import numpy as np
from scipy import linalg
from sklearn.utils.extmath import randomized_svd

from xraygan.config import ModelSettings
from xraygan.models.base import MOST_BAND_GAIN, BandGains, bands
from xraygan.models.conditions import label_shares
from xraygan.training.registration import register

MAX_IMAGES = 10_000
"""More images than this do not change 512 components; of large classes the rest is passed over."""
BATCH = 64
WINDOWS = 6
"""Windows along each axis in which fine detail is exchanged."""
COARSE_COMPONENTS = 64
"""At most so many components are coarse, and one for 32 films."""
LEAST_ROWS = 4000
"""Of fewer films, as many mixtures."""
FEW_FILMS = 10
"""Fewer films of one condition exchange fine detail with all others, and have none of their own."""
MEAN_PRIOR_FILMS = 10
"""Films at the mean of all that each label's mean counts as well."""
LEVELLING_ROUNDS = 3
FILLING_ROUNDS = 4
FILLING_COMPONENTS = 64
"""What lies beyond a film is coarse: more components would only follow chance."""
QUIETEST = 0.2
"""Grey levels of detail that count as none at all."""


def fit_base(
    images: np.ndarray, conditions: np.ndarray, network: ModelSettings
) -> dict[str, np.ndarray]:
    """The weights of `LinearGaussian` for these training images.

    Args:
        images: uint8 [N, R, R].
        conditions: float32 [N, K], 1 for each label that an image has and 0 elsewhere.
        network: for its resolutions, bands and components (at most N - 1, or 1 where N is 1).

    Returns:
        As `fit_gaussian`, of rows that `Displaced` and `BandGains` make films of.
    """
    chosen = chosen_films(conditions)
    side = network.base_resolution
    films, strengths = levelled_films(images, chosen, side, network.num_bands)
    appearance, seen, displacement = register(films)
    parts = [appearance.reshape(len(films), -1), displacement.reshape(len(films), -1), strengths]
    parts[0] = parts[0] / 127.5 - 1
    # Displacements and strengths count by what they change: slopes, and detail itself.
    slope = np.abs(np.diff(appearance, axis=2)).mean() / 127.5
    weights = [1.0, slope * side / displacement.shape[-1], slope * side]
    scales = np.repeat(np.maximum(weights, 1e-3), [part.shape[1] for part in parts])
    rows = (np.hstack(parts) * scales).astype(np.float32)
    _fill(rows, seen.reshape(len(films), -1), network.latent)
    rows, conditions, mixtures = _localised(rows, conditions[chosen], appearance.shape[1])
    fitted = fit_gaussian(rows, conditions, network.latent, mixtures)
    divided = {name: fitted[name] / scales for name in ("mean", "components")}
    return fitted | {name: value.astype(np.float32) for name, value in divided.items()}


def chosen_films(conditions: np.ndarray) -> np.ndarray:
    """Which films are looked at, ascending: of small classes all, of large ones as many each."""
    _, kinds, counts = np.unique(conditions, axis=0, return_inverse=True, return_counts=True)
    left, most = MAX_IMAGES, int(counts.max())
    for done, count in enumerate(np.sort(counts)):
        if count * (len(counts) - done) > left:
            most = left // (len(counts) - done)
            break
        left -= count
    chosen = []
    for kind, count in enumerate(counts):
        members = np.flatnonzero(kinds == kind)
        chosen.append(members[np.linspace(0, count - 1, min(count, most)).astype(np.int64)])
    return np.sort(np.concatenate(chosen))


def _fill(rows: np.ndarray, seen: np.ndarray, latent: int) -> None:
    """Put what other films show where a film shows nothing, in place.

    Components are fitted, and what they say of the unseen points is taken, in turn: expectation
    and maximisation with values missing (Roweis 1998, "EM algorithms for PCA and SPCA").

    Args:
        rows: float32 [N, P], beginning with the appearance.
        seen: bool [N, pixels of the appearance]; what no film shows is left to begin with.
        latent: number of components.
    """
    appearance = rows[:, : seen.shape[1]]
    films_with = seen.sum(axis=0)
    mean = np.where(seen, appearance, 0).sum(axis=0) / np.maximum(films_with, 1)
    mean = np.where(films_with, mean, appearance.mean(axis=0))
    exposure = np.mean(appearance - mean, axis=1, keepdims=True, where=seen)
    appearance[:] = np.where(seen, appearance, mean + exposure)
    for _ in range(FILLING_ROUNDS):
        mean = rows.mean(axis=0)
        rests = rows - mean
        count = min(latent, FILLING_COMPONENTS)
        quick: Any = 1  # of power iterations; typed as its default, "auto"
        _, _, components = randomized_svd(rests, count, n_iter=quick, random_state=0)
        told = (rests @ components.T @ components + mean)[:, : seen.shape[1]]
        appearance[:] = np.where(seen, appearance, told)


def _localised(
    rows: np.ndarray, conditions: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows whose fine detail at places far apart comes from different films of one condition.

    What is coarse, few components know well; the rest is exchanged between films window by
    window. Fine detail far apart is then uncorrelated (the localisation of Houtekamer & Mitchell
    2001, Monthly Weather Review 129(1)), so that components follow what films have in common
    and not single films. What the films of one condition have in common stays where it is.

    Args:
        rows: float32 [N, P], beginning with an appearance of side² pixels.
        conditions: float32 [N, K].
        side: of the appearance.

    Returns:
        As many rows or, of few films, `LEAST_ROWS` and more; their conditions; and how many
        rows were made of each film.
    """
    random = np.random.default_rng(0)
    mean = rows.mean(axis=0)
    count = max(1, min(COARSE_COMPONENTS, len(rows) // 32))
    _, _, components = randomized_svd(rows - mean, count, random_state=0)
    coarse = (rows - mean) @ components.T @ components + mean
    fine = (rows - coarse)[:, : side**2].reshape(-1, side, side)
    _, kinds = np.unique(conditions, axis=0, return_inverse=True)
    mixtures = -(-LEAST_ROWS // len(rows))
    sources = np.tile(np.arange(len(rows)), mixtures)
    made = rows[sources]
    made[:, : side**2] = coarse[sources, : side**2]
    films = made[:, : side**2].reshape(-1, side, side)
    for kind in range(kinds.max() + 1):
        members = np.flatnonzero(kinds == kind)
        places = np.flatnonzero(kinds[sources] == kind)
        common = fine[members].mean(axis=0)
        if len(members) < FEW_FILMS:
            members, common = np.arange(len(rows)), np.zeros((side, side), np.float32)
        films[places] += common
        for y, x, window in _windows(side):
            own = fine[random.choice(members, len(places)), y, x] - common[y, x]
            films[places, y, x] += window * own
    made[:, : side**2] = films.reshape(len(made), -1)
    return made, conditions[sources], mixtures


def _windows(side: int) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Smooth windows whose squares sum to 1 everywhere: lines, columns, float32 weights."""
    reach = (side - 1) / (WINDOWS - 1)
    edges = []
    for centre in np.linspace(0, side - 1, WINDOWS):
        places = np.arange(side)[np.abs(np.arange(side) - centre) < reach]
        slopes = np.cos(np.pi / 2 * (places - centre) / reach).astype(np.float32)
        edges.append((slice(places[0], places[-1] + 1), slopes))
    for (lines, down), (columns, right) in product(edges, edges):
        yield lines, columns, np.outer(down, right)


def levelled_films(
    images: np.ndarray, chosen: np.ndarray, side: int, num_bands: int
) -> tuple[np.ndarray, np.ndarray]:
    """Films at the base's side as if all were equally sharp, and how sharp each is.

    Args:
        images: uint8 [N, R, R].
        chosen: which of them.
        side: of the base.
        num_bands: of the images.

    Returns:
        float32 [n, side, side] in 0 to 255, and the logarithms of the gains [n, num_bands] that
        make the films from them.
    """
    parts = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
    level = BandGains(num_bands)

    def levelled() -> Iterator[np.ndarray]:
        for part, own in zip(parts, strengths, strict=True):
            yield np.asarray(level(images[part][..., None].astype(np.float32), -own))

    strengths = [np.zeros((len(part), num_bands), np.float32) for part in parts]
    for _ in range(LEVELLING_ROUNDS):  # bands overlap: one round does not level them
        energies = [_log_energies(films, num_bands) for films in levelled()]
        middle = np.concatenate(energies).mean(axis=0)
        strengths = [
            np.clip(own + found - middle, -MOST_BAND_GAIN, MOST_BAND_GAIN)
            for own, found in zip(strengths, energies, strict=True)
        ]
    films = [
        cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)
        for batch in levelled()
        for film in batch[..., 0]
    ]
    return np.stack(films), np.concatenate(strengths)


def _log_energies(films: np.ndarray, num_bands: int) -> np.ndarray:
    """Logarithm of the mean amplitude of each band, [B, R, R, 1] to [B, num_bands]."""
    parts, _ = bands(films, num_bands)
    return np.stack([np.log(np.abs(part).mean(axis=(1, 2, 3)) + QUIETEST) for part in parts], 1)


def fit_gaussian(
    rows: np.ndarray, conditions: np.ndarray, latent: int, mixtures: int = 1
) -> dict[str, np.ndarray]:
    """A Gaussian a label in shared principal components.

    Means are fitted to all films together (least squares: a film of several labels lies where
    the mean of theirs is) and drawn towards that of all films as by `MEAN_PRIOR_FILMS` films that
    lie there: the mean of one film would be that film. A label's covariance is estimated from its n
    films and drawn towards the covariance within all labels by latent / (latent + n), so that a
    label of ten films borrows the variety of the others.

    Args:
        rows: float32 [N, P].
        conditions: float32 [N, K], 1 for each label that a row has and 0 elsewhere.
        latent: number of components, at most N - 1 (1 where N is 1).
        mixtures: rows that were made of each film.

    Returns:
        float32 arrays: mean [P], components [latent, P], class_means [K, latent],
        class_factors [K, latent, latent] (transposed Cholesky factors).
    """
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = rows - mean
    _, _, components = randomized_svd(rows, latent, random_state=0)
    coordinates = (rows @ components.T).astype(np.float64)

    members = [np.flatnonzero(has_it) for has_it in conditions.T]
    shares = np.asarray(label_shares(conditions), np.float64)
    counts, sums = shares.T @ shares, shares.T @ coordinates
    class_means = np.linalg.solve(counts + MEAN_PRIOR_FILMS * mixtures * np.eye(len(counts)), sums)
    rests = coordinates - shares @ np.linalg.pinv(counts, hermitian=True) @ sums
    within = _covariance(rests, len(members), mixtures)
    factors = [_factor(coordinates[m], within, latent, mixtures) for m in members]
    return {
        "mean": mean,
        "components": components.astype(np.float32),
        "class_means": class_means.astype(np.float32),
        "class_factors": np.stack(factors).astype(np.float32),
    }


def _covariance(rests: np.ndarray, num_means: int, mixtures: int) -> np.ndarray:
    """Of deviations from so many means that were taken of the same films."""
    return rests.T @ rests / max(len(rests) - num_means * mixtures, mixtures)


def _factor(coordinates: np.ndarray, within: np.ndarray, latent: int, mixtures: int) -> np.ndarray:
    """Upper Cholesky factor F of the shrunk covariance, so that z @ F has it."""
    films = len(coordinates) // mixtures
    weight, own = 1.0, within
    if films > 1:
        weight = latent / (latent + films)
        own = _covariance(coordinates - coordinates.mean(axis=0), 1, mixtures)
    covariance = (1 - weight) * own + weight * within
    ridge = 1e-6 * max(np.trace(covariance) / latent, 1e-6)
    return linalg.cholesky(covariance + ridge * np.eye(latent), lower=False)

"""Where a film begins: an active appearance model, drawn without any training.

A film is an appearance in the common anatomy, a displacement that puts each point of it where
this patient has it (Cootes, Edwards, Taylor 2001, "Active appearance models", IEEE TPAMI
23(6)), and the strength of its bands of detail: how sharp it is. All three are drawn from one
Gaussian a class. Without displacement, mixtures of films are ghosts with two outlines; without
strengths, all are equally sharp.
"""

# Keras types no symbolic tensors:
# pyright: reportArgumentType=false, reportReturnType=false, reportOptionalOperand=false
# pyright: reportOperatorIssue=false, reportOptionalSubscript=false

from typing import Any

import cv2
import keras
import numpy as np
from keras import layers, ops

from xraygan.models.conditions import label_shares

GRID = 8
"""Displacements are given on GRID × GRID points and interpolated between them."""

MOST_BAND_GAIN = 1.5
"""Logarithms of gains are held within ± this."""


def margin(side: int) -> int:
    """How far the common anatomy reaches past a film, on each side, in pixels."""
    return side // 8


def anatomy_side(side: int) -> int:
    """Side of the common anatomy of films of this side, margins included."""
    return side + 2 * margin(side)


def row_length(side: int, num_bands: int) -> int:
    """Length of a film's row: its appearance's pixels, its displacements, its bands' strengths."""
    return anatomy_side(side) ** 2 + 2 * GRID * GRID + num_bands


def splines(side: int) -> np.ndarray:
    """What each grid point contributes to each pixel along one axis, float32 [side, GRID]."""
    points = np.eye(GRID, dtype=np.float32)
    return cv2.resize(points, (GRID, side), interpolation=cv2.INTER_CUBIC)


@keras.saving.register_keras_serializable("xraygan")
class LinearGaussian(layers.Layer):
    """z ~ N(0, I) to a row with a label's mean and covariance; nothing here is trained.

    row = (z · L_c + m_c) · W + m, with W the shared principal components, and m_c and L_c
    the label's mean and transposed Cholesky factor in them. A condition of several labels
    mixes their means and factors by its weights, as shares of their sum.

    Args:
        length: of a row.
        latent: number of components.
        num_labels: K.
    """

    def __init__(self, length: int, latent: int, num_labels: int, **kwargs: object) -> None:
        super().__init__(**kwargs, trainable=False)
        self.length = length
        self.latent = latent
        self.num_labels = num_labels
        zeros = {"initializer": "zeros", "trainable": False, "dtype": "float32"}
        self.mean = self.add_weight(shape=(length,), name="mean", **zeros)
        self.components = self.add_weight(shape=(latent, length), name="components", **zeros)
        self.class_means = self.add_weight(shape=(num_labels, latent), name="class_means", **zeros)
        self.class_factors = self.add_weight(
            shape=(num_labels, latent, latent), name="class_factors", **zeros
        )

    def call(self, z: keras.KerasTensor, condition: keras.KerasTensor) -> keras.KerasTensor:
        """[B, latent] and [B, K] to [B, length]."""
        shares = label_shares(condition)
        coordinates = ops.matmul(shares, self.class_means)
        for number in range(self.num_labels):
            weight = shares[:, number : number + 1]
            coordinates = coordinates + weight * ops.matmul(z, self.class_factors[number])
        return ops.matmul(coordinates, self.components) + self.mean

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        config = super().get_config()
        config.pop("trainable", None)
        return config | {
            "length": self.length,
            "latent": self.latent,
            "num_labels": self.num_labels,
        }


@keras.saving.register_keras_serializable("xraygan")
class Displaced(layers.Layer):
    """A row to a film: at each point the appearance from where its displacement leads.

    Args:
        side: of the film.
    """

    def __init__(self, side: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.side = side

    def call(self, rows: Any) -> Any:
        """Rows [B, row_length] to [B, side, side, 1]: bicubic, the anatomy's edge continued."""
        side, edge, points = self.side, margin(self.side), GRID**2
        width = anatomy_side(side)
        pixels = width**2
        spread = np.kron(splines(side), splines(side)).T
        right = ops.matmul(rows[:, pixels : pixels + points], spread)
        down = ops.matmul(rows[:, pixels + points : pixels + 2 * points], spread)
        y, x = np.divmod(np.arange(side**2), side)
        columns, column_weights = self._taps(right + (x + edge).astype(np.float32))
        lines, line_weights = self._taps(down + (y + edge).astype(np.float32))
        film = 0.0
        for line, line_weight in zip(lines, line_weights, strict=True):
            for column, column_weight in zip(columns, column_weights, strict=True):
                places = ops.cast(line * width + column, "int32")
                film += line_weight * column_weight * ops.take_along_axis(rows, places, axis=1)
        return ops.reshape(film, (-1, side, side, 1))

    def _taps(self, places: Any) -> tuple[list[Any], list[Any]]:
        """Four pixels around each place along one axis, and their weights (Keys 1981)."""
        last = anatomy_side(self.side) - 1.0
        first = ops.floor(places)
        t = places - first
        weights = [
            ((2 - t) * t - 1) * t / 2,
            ((3 * t - 5) * t * t + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ]
        return [ops.clip(first + step, 0.0, last) for step in (-1, 0, 1, 2)], weights

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        return {**super().get_config(), "side": self.side}


def bands(films: Any, count: int) -> tuple[list[Any], Any]:
    """A Laplacian pyramid (Burt & Adelson 1983): bands of detail, finest first, and the rest.

    Args:
        films: [B, S, S, 1] float32.
        count: of bands; S must be divisible by 2^count.

    Returns:
        The bands [B, S / 2^n, S / 2^n, 1], and what is coarser than all of them.
    """
    parts = []
    for _ in range(count):
        coarser = ops.average_pool(films, 2)
        parts.append(films - _doubled(coarser))
        films = coarser
    return parts, films


@keras.saving.register_keras_serializable("xraygan")
class BandGains(layers.Layer):
    """Films whose bands of detail are made stronger or weaker.

    Args:
        count: of bands.
    """

    def __init__(self, count: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.count = count

    def call(self, films: Any, strengths: Any) -> Any:
        """[B, S, S, 1] and [B, count] (logarithms of gains, finest first) to [B, S, S, 1]."""
        parts, film = bands(films, self.count)
        gains = ops.exp(ops.clip(strengths, -MOST_BAND_GAIN, MOST_BAND_GAIN))[:, None, None, :]
        for number in reversed(range(self.count)):
            film = _doubled(film) + gains[..., number : number + 1] * parts[number]
        return film

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        return {**super().get_config(), "count": self.count}


def _doubled(films: Any) -> Any:
    side = films.shape[1] * 2
    return ops.image.resize(films, (side, side), interpolation="bilinear")

"""Where a film begins: an active appearance model, drawn without any training.

A film is an appearance in the common anatomy and a displacement that puts each point of it
where this patient has it (Cootes, Edwards, Taylor 2001, "Active appearance models", IEEE TPAMI
23(6)). Both together are drawn from one Gaussian a class. Without the displacement, averages
and mixtures of films are ghosts: two outlines, ten pairs of ribs that cross.
"""

# Keras types no symbolic tensors:
# pyright: reportArgumentType=false, reportReturnType=false

from typing import Any

import cv2
import keras
import numpy as np
from keras import layers, ops

GRID = 8
"""Displacements are given on GRID × GRID points and interpolated between them."""


def row_length(side: int) -> int:
    """Length of a film's row: its appearance's pixels, then its displacements."""
    return side * side + 2 * GRID * GRID


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
        shares: Any = condition / ops.sum(condition, axis=1, keepdims=True)
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
        """[B, side² + 2 GRID²] to [B, side, side, 1]: bilinear, mirrored at the edges."""
        side, pixels, points = self.side, self.side**2, GRID**2
        spread = np.kron(splines(side), splines(side)).T
        right = ops.matmul(rows[:, pixels : pixels + points], spread)
        down = ops.matmul(rows[:, pixels + points :], spread)
        y, x = np.divmod(np.arange(pixels), side)
        source_x = self._mirrored(right + x.astype(np.float32))
        source_y = self._mirrored(down + y.astype(np.float32))
        left = ops.clip(ops.floor(source_x), 0.0, side - 2.0)
        top = ops.clip(ops.floor(source_y), 0.0, side - 2.0)
        weight_x, weight_y = source_x - left, source_y - top
        corner = ops.cast(top * side + left, "int32")

        def appearance(offset: int) -> Any:
            return ops.take_along_axis(rows, corner + offset, axis=1)

        upper = appearance(0) * (1 - weight_x) + appearance(1) * weight_x
        lower = appearance(side) * (1 - weight_x) + appearance(side + 1) * weight_x
        film = upper * (1 - weight_y) + lower * weight_y
        return ops.reshape(film, (-1, side, side, 1))

    def _mirrored(self, place: Any) -> Any:
        last = self.side - 1.0
        return ops.clip(last - ops.abs(last - ops.abs(place)), 0.0, last)

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        return {**super().get_config(), "side": self.side}

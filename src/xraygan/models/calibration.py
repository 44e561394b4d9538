"""The generator's last layer: films with the moments that training films have.

A generator's films are too soft, too grainy or too alike by amounts that a few statistics tell
(Durall, Keuper, Keuper 2020, arXiv 2003.01826, of their spectra). What the first two moments
tell, a linear map mends: of the coarsest cosine coefficients that of optimal transport between
two Gaussians (Pitié & Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping"), of
each finer one a gain around its mean.
"""

# Keras types no symbolic tensors:
# pyright: reportArgumentType=false, reportOptionalOperand=false, reportOptionalSubscript=false

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from xraygan.models.conditions import label_shares

COARSE = 8
"""So many coefficients along each axis are mapped together."""


def cosines(side: int) -> np.ndarray:
    """The orthonormal cosine transform along one axis, DCT-II, float32 [frequency, place]."""
    places = (np.arange(side) + 0.5) * np.pi / side
    rows = np.cos(np.arange(side)[:, None] * places) * np.sqrt(2 / side)
    rows[0] *= np.sqrt(0.5)
    return rows.astype(np.float32)


@keras.saving.register_keras_serializable("xraygan")
class Calibrated(layers.Layer):
    """Films, their cosine coefficients mapped; as they were until `training.calibration` fits it.

    Args:
        side: of the films, at least `COARSE`.
        num_labels: K.
    """

    def __init__(self, side: int, num_labels: int, **kwargs: object) -> None:
        super().__init__(**kwargs, trainable=False)
        self.side = side
        self.num_labels = num_labels
        fixed = {"trainable": False, "dtype": "float32"}
        self.gains = self.add_weight(shape=(side, side), initializer="ones", name="gains", **fixed)
        self.centre = self.add_weight(
            shape=(side, side), initializer="zeros", name="centre", **fixed
        )
        self.coarse_map = self.add_weight(
            shape=(COARSE**2, COARSE**2), initializer="identity", name="coarse_map", **fixed
        )
        self.coarse_shift = self.add_weight(
            shape=(num_labels, COARSE**2), initializer="zeros", name="coarse_shift", **fixed
        )

    def call(self, films: Any, condition: Any) -> Any:
        """Films [B, side, side, 1] and their labels [B, K] to films of the same shape."""
        transform = ops.convert_to_tensor(cosines(self.side))
        spectra = ops.matmul(ops.matmul(transform, films[..., 0]), ops.transpose(transform))
        coarse = ops.reshape(spectra[:, :COARSE, :COARSE], (-1, COARSE**2))
        shares = label_shares(condition)
        coarse_change = ops.matmul(coarse, self.coarse_map) - coarse
        coarse_change = coarse_change + ops.matmul(shares, self.coarse_shift)
        beyond = (0, self.side - COARSE)
        change = ops.pad(ops.reshape(coarse_change, (-1, COARSE, COARSE)), [(0, 0), beyond, beyond])
        change = change + (spectra - self.centre) * (self.gains - 1)
        changed = ops.matmul(ops.matmul(ops.transpose(transform), change), transform)
        return films + changed[..., None]

    def get_config(self) -> dict:
        """Arguments to build the layer again."""
        config = super().get_config()
        config.pop("trainable", None)
        return config | {"side": self.side, "num_labels": self.num_labels}

"""Everything that training changes, in one place."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from xraygan.config import ModelSettings, TrainingSettings
from xraygan.errors import XrayganError
from xraygan.models.discriminator import build_discriminator
from xraygan.models.generator import build_generator, uncalibrated

DISCRIMINATOR = "discriminator"
"""The group of variables that `discriminator_weights` finds again."""


class TrainState:
    """Networks, their optimisers, the average, and how many images have been seen.

    Randomness has no state of its own: order, noise and augmentation are functions of the
    seed and of `images_seen`.

    Args:
        model: shape of the networks.
        training: the game's numbers.

    Attributes:
        generator: what learns, without its last layer.
        discriminator: its opponent.
        average: the generator's exponential moving average.
        published: the average with its last layer, which `Calibrator` fits.
        images_seen: scalar int64.
    """

    def __init__(self, model: ModelSettings, training: TrainingSettings) -> None:
        self.generator = uncalibrated(build_generator(model, training.seed))
        self.discriminator = build_discriminator(model, training.seed)
        self.published = build_generator(model, training.seed)
        self.average = uncalibrated(self.published)
        self.generator_optimizer = _adam(training)
        self.discriminator_optimizer = _adam(training)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.images_seen = tf.Variable(0, dtype=tf.int64, trainable=False, name="images_seen")

    def apply(
        self,
        d_gradients: Sequence[tf.Tensor],
        g_gradients: Sequence[tf.Tensor],
        learning_rate: tf.Tensor,
        ema_decay: tf.Tensor,
    ) -> None:
        """One step of both optimisers, then of the exponential moving average."""
        for optimizer, gradients, network in (
            (self.discriminator_optimizer, d_gradients, self.discriminator),
            (self.generator_optimizer, g_gradients, self.generator),
        ):
            optimizer.learning_rate.assign(learning_rate)
            optimizer.apply(gradients, network.trainable_variables)
        for average, weight in zip(
            self.average.trainable_variables, self.generator.trainable_variables, strict=True
        ):
            average.assign(weight + ema_decay * (average - weight))

    def set_base(self, base: dict[str, np.ndarray]) -> None:
        """Give the fitted base to the generator and to its average."""
        for network in (self.generator, self.average):
            layer = network.get_layer("base")
            for name, value in base.items():
                getattr(layer, name).assign(value)
        self.average.set_weights(self.generator.get_weights())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Every variable by a stable name; the fitted base once, not with each network."""
        return {name: np.asarray(variable) for name, variable in self._variables().items()}

    def from_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Put back what `to_arrays` gave.

        Raises:
            XrayganError: a name or a shape is not that of this state.
        """
        variables = self._variables()
        if set(arrays) != set(variables):
            different = sorted(set(arrays) ^ set(variables))[0]
            raise XrayganError(
                f"checkpoint: the variable '{different}' is not in both the file and the "
                "networks; it was written with other settings: start a new run"
            )
        for name, variable in variables.items():
            if tuple(arrays[name].shape) != tuple(variable.shape):
                raise XrayganError(
                    f"checkpoint: '{name}' has shape {arrays[name].shape}, the networks need "
                    f"{tuple(variable.shape)}; it was written with other settings"
                )
            variable.assign(arrays[name])
        self.average.get_layer("base").set_weights(self.generator.get_layer("base").get_weights())

    def _variables(self) -> dict[str, keras.Variable | tf.Variable]:
        named: dict[str, keras.Variable | tf.Variable] = {"images_seen": self.images_seen}
        groups = {
            "generator": self.generator.weights,
            DISCRIMINATOR: self.discriminator.weights,
            "average": self.average.trainable_variables,
            "generator_optimizer": self.generator_optimizer.variables,
            "discriminator_optimizer": self.discriminator_optimizer.variables,
        }
        for group, variables in groups.items():
            for number, variable in enumerate(variables):
                named[f"{group}.{number:03d}"] = variable
        return named


def discriminator_weights(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The discriminator's own of what `TrainState.to_arrays` gave, as `set_weights` takes them."""
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{DISCRIMINATOR}.")]


def _adam(training: TrainingSettings) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(
        learning_rate=0.0, beta_1=0.0, beta_2=training.beta_2, epsilon=1e-8
    )

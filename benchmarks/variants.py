"""Other networks, losses and schedules that were tried against the default, by name.

A variant replaces one function of the package for the length of an experiment. What wins
moves into the package and leaves this file; what loses stays here, beside its row in
docs/experiments.md, so that the row can be made again.
"""

from collections.abc import Callable
from typing import Any

_VARIANTS: dict[str, Callable[[], None]] = {}
_SHAPES: list[dict[str, Any]] = []


def apply(name: str) -> None:
    """Switch a variant on: a name in this file, or `field=value` of `ModelSettings`."""
    if "=" in name:
        field, value = name.split("=", 1)
        _SHAPES.append({field: [int(part) for part in value.split(",")]})
        return
    if name not in _VARIANTS:
        raise SystemExit(f"no variant '{name}'; there are {', '.join(sorted(_VARIANTS))}")
    _VARIANTS[name]()


def reshape(network: Any) -> Any:
    """The networks' settings with what `apply` was given for them."""
    values = network.model_dump(mode="json")
    for shape in _SHAPES:
        for field, value in shape.items():
            values[field] = value if len(value) > 1 else value[0]
    return type(network).parse(values, "--variant")


def _variant(switch: Callable[[], None]) -> Callable[[], None]:
    _VARIANTS[switch.__name__.replace("_", "-")] = switch
    return switch


@_variant
def depthwise_first() -> None:
    """Depthwise 3×3, 1×1 to twice the width, activation, 1×1 back: one activation a block."""
    from keras import layers

    from xraygan.models import blocks

    def block(features: Any, initialisers: Any) -> Any:
        width = features.shape[-1]
        inner = layers.DepthwiseConv2D(
            3,
            padding="same",
            depthwise_initializer=initialisers.depthwise(width, inside_block=True),
            dtype=blocks._policy(features),
        )(features)
        inner = blocks.activate(blocks.conv(inner, 2 * width, 1, initialisers.inner()))
        inner = blocks.conv(inner, width, 1, "zeros", use_bias=False)
        return layers.Add(dtype=inner.dtype)([features, inner])

    blocks.inverted_block = block


@_variant
def dense_block() -> None:
    """3×3 to the width, activation, 3×3 back: no depthwise, one activation a block."""
    from keras import layers

    from xraygan.models import blocks

    def block(features: Any, initialisers: Any) -> Any:
        width = features.shape[-1]
        inner = blocks.activate(blocks.conv(features, width, 3, initialisers.inner()))
        inner = blocks.conv(inner, width, 3, "zeros", use_bias=False)
        return layers.Add(dtype=inner.dtype)([features, inner])

    blocks.inverted_block = block


@_variant
def minibatch_spread() -> None:
    """D's 4×4 features get their standard deviation over the batch as one more channel."""
    import keras
    from keras import layers, ops

    from xraygan.models import blocks

    class Spread(layers.Layer):
        def call(self, features: Any) -> Any:
            """Per half of the batch: reals and fakes never meet."""
            half = ops.shape(features)[0] // 2
            parts = [features[:half], features[half:]]
            spread = [
                ops.mean(ops.sqrt(ops.var(part, axis=0) + 1e-8)) * ops.ones_like(part[..., :1])
                for part in parts
            ]
            return ops.concatenate([features, ops.concatenate(spread, 0)], -1)

        def compute_output_spec(self, features: Any) -> Any:
            return keras.KerasTensor((*features.shape[:-1], features.shape[-1] + 1), "float32")

    from xraygan.models import discriminator

    plain = blocks.cast

    def cast(features: Any, dtype: str) -> Any:
        made = plain(features, dtype)
        if dtype == "float32" and len(made.shape) == 4 and made.shape[1] == 4:
            width = made.shape[-1]
            mixed = Spread(dtype="float32")(made)
            return layers.Conv2D(width, 1, dtype="float32", name="after_spread")(mixed)
        return made

    discriminator.blocks = type("Blocks", (), {**vars(blocks), "cast": staticmethod(cast)})


@_variant
def one_fine_block() -> None:
    """One block, not two, at the discriminator's finest stage."""
    from xraygan.models import blocks

    plain, seen = blocks.inverted_block, set()

    def block(features: Any, initialisers: Any) -> Any:
        if not seen:
            seen.add(features.shape[1])
        elif features.shape[1] in seen:
            return features
        return plain(features, initialisers)

    blocks.inverted_block = block


def _generator_rate(ratio: float) -> None:
    """The generator's learning rate is `ratio` times the discriminator's."""
    from xraygan.training import state

    def apply(self: Any, d_gradients: Any, g_gradients: Any, rate: Any, decay: Any) -> None:
        for optimizer, gradients, network, share in (
            (self.discriminator_optimizer, d_gradients, self.discriminator, 1.0),
            (self.generator_optimizer, g_gradients, self.generator, ratio),
        ):
            optimizer.learning_rate.assign(share * rate)
            optimizer.apply(gradients, network.trainable_variables)
        for average, weight in zip(
            self.average.trainable_variables, self.generator.trainable_variables, strict=True
        ):
            average.assign(weight + decay * (average - weight))

    state.TrainState.apply = apply


@_variant
def generator_rate_2() -> None:
    """The generator learns twice as fast as the discriminator."""
    _generator_rate(2.0)


@_variant
def generator_rate_4() -> None:
    """The generator learns four times as fast as the discriminator."""
    _generator_rate(4.0)


def _lazy_penalty(every: int) -> None:
    """R1 and R2 at every n-th step only, n times as heavy there."""
    import tensorflow as tf

    from xraygan.training import losses, step
    from xraygan.training.augment import augment
    from xraygan.training.schedules import scheduled

    def train_step(
        state: Any, reals: Any, conditions: Any, total_images: Any, settings: Any
    ) -> dict[str, Any]:
        batch = settings.batch
        now = scheduled(tf.cast(state.images_seen, tf.float32), total_images, settings)
        number = tf.cast(state.images_seen // batch, tf.int32)
        latent_seed, move_seed = tf.unstack(tf.random.split(tf.stack([settings.seed, number]), 2))
        with tf.GradientTape() as generator_tape:
            z, noise = step.draw_latents(state.generator, batch, latent_seed)
            fakes = state.generator([z, noise, conditions], training=True)
        images = tf.concat([reals, tf.stop_gradient(fakes)], axis=0)
        both = tf.concat([conditions, conditions], axis=0)
        weights = state.discriminator.trainable_variables

        def judged() -> Any:
            moved = augment(images, now.augmentation, move_seed)
            return state.discriminator([moved, both], training=True)

        def heavy() -> Any:
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    inner.watch(images)
                    scores = judged()
                slopes = inner.gradient(scores, images)
                penalties = losses.zero_centred_penalty(slopes)
                real, fake = tf.split(scores, 2)
                loss = tf.reduce_mean(losses.discriminator_loss(real, fake))
                r1, r2 = (tf.reduce_mean(part) for part in tf.split(penalties, 2))
                objective = loss + every * now.gamma / 2 * (r1 + r2)
            return loss, scores, slopes[batch:], r1, r2, outer.gradient(objective, weights)

        def light() -> Any:
            with tf.GradientTape() as tape:
                tape.watch(images)
                scores = judged()
                real, fake = tf.split(scores, 2)
                loss = tf.reduce_mean(losses.discriminator_loss(real, fake))
            *gradients, slopes = tape.gradient(loss, [*weights, images])
            pull = tf.sigmoid(fake - real)[:, None, None, :] / batch
            slopes = slopes[batch:] / tf.maximum(pull, 1e-6)
            return loss, scores, slopes, tf.zeros([]), tf.zeros([]), gradients

        loss, scores, slopes, r1, r2, d_gradients = tf.cond(number % every == 0, heavy, light)
        real, fake = tf.split(scores, 2)
        pair = losses.generator_loss_slope(real, fake) / batch
        g_gradients = generator_tape.gradient(
            fakes,
            state.generator.trainable_variables,
            output_gradients=pair[:, None, None, :] * slopes,
        )
        state.apply(d_gradients, g_gradients, now.learning_rate, now.ema_decay)
        state.images_seen.assign_add(batch)
        return {
            "d_loss": loss,
            "g_loss": tf.reduce_mean(losses.generator_loss(real, fake)),
            "r1": r1,
            "r2": r2,
            "real_score": tf.reduce_mean(real),
            "fake_score": tf.reduce_mean(fake),
            "fake_spread": tf.reduce_mean(tf.math.reduce_std(fakes, axis=0)),
            "gradient_norm": tf.linalg.global_norm(list(d_gradients) + g_gradients),
        }

    step.train_step = train_step


@_variant
def lazy_penalty_2() -> None:
    """R1 and R2 at every second step, twice as heavy."""
    _lazy_penalty(2)


@_variant
def lazy_penalty_4() -> None:
    """R1 and R2 at every fourth step, four times as heavy."""
    _lazy_penalty(4)


@_variant
def lazy_penalty_8() -> None:
    """R1 and R2 at every eighth step, eight times as heavy."""
    _lazy_penalty(8)

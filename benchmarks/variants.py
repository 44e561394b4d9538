"""Other networks, losses and schedules that were tried against the default, by name.

A variant replaces one function of the package for the length of an experiment. What wins
moves into the package and leaves this file; what loses stays here, beside its row in
docs/experiments.md, so that the row can be made again.
"""

from collections.abc import Callable
from typing import Any

_VARIANTS: dict[str, Callable[[], None]] = {}
_SHAPES: list[dict[str, Any]] = []
films: Any = None
"""The training films as an `ImageSet`, which `experiment.py` puts here."""


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
def generator_rate_half() -> None:
    """The generator learns half as fast as the discriminator."""
    _generator_rate(0.5)


@_variant
def generator_rate_2() -> None:
    """The generator learns twice as fast as the discriminator."""
    _generator_rate(2.0)


@_variant
def generator_rate_4() -> None:
    """The generator learns four times as fast as the discriminator."""
    _generator_rate(4.0)


def _penalty_every(steps: int) -> None:
    """R1 and R2 at every n-th step, n times as heavy there."""
    from xraygan.training import step

    step.PENALTY_EVERY = steps


@_variant
def penalty_every_1() -> None:
    """R1 and R2 at every step."""
    _penalty_every(1)


@_variant
def penalty_every_2() -> None:
    """R1 and R2 at every second step, twice as heavy."""
    _penalty_every(2)


@_variant
def penalty_every_8() -> None:
    """R1 and R2 at every eighth step, eight times as heavy."""
    _penalty_every(8)


@_variant
def muon() -> None:
    """Full convolutions' steps are orthogonal (Jordan 2024): Newton and Schulz' iteration."""
    import keras
    import tensorflow as tf

    from xraygan.training import state

    momentum, size = 0.5, 0.2

    class Muon(keras.optimizers.Adam):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            shape = variable.shape
            if len(shape) != 4 or min(shape[2:]) <= 8:
                super().update_step(gradient, variable, learning_rate)
                return
            kept = self._momentums[self._get_variable_index(variable)]
            kept.assign(momentum * kept + gradient)
            step = tf.reshape(gradient + momentum * kept, [-1, shape[3]])
            wide = step.shape[0] < step.shape[1]
            step = tf.transpose(step) if wide else step
            step /= tf.norm(step) + 1e-12
            for _ in range(5):
                square = tf.matmul(step, step, transpose_a=True)
                step = 3.4445 * step + tf.matmul(
                    step, -4.7750 * square + 2.0315 * tf.matmul(square, square)
                )
            step = size * max(step.shape) ** 0.5 * (tf.transpose(step) if wide else step)
            variable.assign_sub(learning_rate * tf.reshape(step, shape))

    state._adam = lambda training: Muon(
        learning_rate=0.0, beta_1=0.0, beta_2=training.beta_2, epsilon=1e-8
    )


@_variant
def deeper_generator() -> None:
    """Five blocks at an eighth of the base's side, and twice as many on the way up."""

    def after(built: list[Any], plain: Any, rest: Any) -> Any:
        features = built[-1]
        for _ in range({3: 1, 4: 2, 5: 1, 6: 1}.get(len(built), 0)):
            features = plain(features, *rest)
        return features

    _refiner_with(after, num_blocks=12)


def _refiner_with(after: Callable[[list[Any], Any, Any], Any], num_blocks: int = 7) -> None:
    """Each of the refiner's six residual blocks is followed by what `after` makes of all so far.

    Args:
        after: of the outputs so far, the plain block, and its further arguments.
        num_blocks: what the weights are scaled for.
    """
    from xraygan.models import blocks, generator

    plain, refiner = blocks.residual_block, generator._refiner

    def refined(entry: Any, known: Any, widths: Any, initialisers: Any) -> Any:
        built: list[Any] = []

        def block(features: Any, *rest: Any) -> Any:
            built.append(plain(features, *rest))
            built[-1] = after(built, plain, rest)
            return built[-1]

        blocks.residual_block = block
        scaled = blocks.Initialisers(initialisers._seed, num_blocks=num_blocks)
        made = refiner(entry, known, widths, scaled)
        blocks.residual_block = plain
        return made

    generator._refiner = refined


@_variant
def uncalibrated() -> None:
    """The generator's last layer changes nothing."""
    from xraygan.training import calibration

    calibration.Calibrator.fit = lambda *_: None


def _start_kept(share: float) -> None:
    """The discriminator begins with so much of the start, the rest at random."""
    from xraygan.training import start

    plain = start.set_start

    def set_start(state: Any, *arguments: Any) -> Any:
        weights = state.discriminator.get_weights()
        facts = plain(state, *arguments)
        learnt = state.discriminator.get_weights()
        mixed = [share * a + (1 - share) * b for a, b in zip(learnt, weights, strict=True)]
        state.discriminator.set_weights(mixed)
        return facts

    start.set_start = set_start


@_variant
def shrunk_start() -> None:
    """The discriminator begins with six tenths of the start (Ash and Adams 2020, 1910.08475)."""
    _start_kept(0.6)


@_variant
def generator_start() -> None:
    """The generator alone begins with the start; the discriminator at random."""
    _start_kept(0.0)


@_variant
def pooled_components() -> None:
    """Components of the films as they are, fine detail not exchanged between them."""
    from xraygan.training import base

    base._localised = lambda rows, conditions, *_: (rows, conditions, 1)


_PACKET = [
    [0.5, 0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5, -0.5],
    [0.5, 0.5, -0.5, -0.5],
    [0.5, -0.5, -0.5, 0.5],
]
"""Haar's mean, across, down and diagonal of a 2×2 patch in the order of `SpaceToDepth`."""


def _mixed(features: Any, mixing: Any) -> Any:
    """Channels [B, H, W, C] mixed by a fixed matrix [C, D]."""
    from keras import layers

    mix = layers.Dense(len(mixing[0]), use_bias=False, trainable=False, dtype=features.dtype)
    made = mix(features)
    mix.set_weights([mixing])
    return made


@_variant
def whitened_stem() -> None:
    """The discriminator sees the 2×2 Haar packet of a film, fine bands lifted towards coarse."""
    import numpy as np

    from xraygan.models import blocks, discriminator

    plain = blocks.SpaceToDepth
    mixing = (np.array(_PACKET) * np.array([[0.5], [3.0], [3.0], [5.0]])).T.astype(np.float32)

    def stem(factor: int, **options: Any) -> Any:
        return lambda features: _mixed(plain(factor, **options)(features), mixing)

    discriminator.blocks = type("Blocks", (), {**vars(blocks), "SpaceToDepth": staticmethod(stem)})


@_variant
def wavelet_output() -> None:
    """The generator ends at half of 64² (or 32²), in the four bands of a 2×2 Haar packet."""
    import numpy as np
    from keras import layers

    from xraygan.models import blocks, generator

    plain, trunks = generator._refiner, []

    def refiner(*arguments: Any) -> Any:
        trunks[:] = [plain(*arguments)]
        return trunks[0]

    def to_image(_: Any, initialisers: Any) -> Any:
        trunk = trunks[0]
        bands = blocks.conv(blocks.activate(trunk), 4, 3, initialisers.normal())
        patches = _mixed(blocks.cast(bands, "float32"), np.array(_PACKET, np.float32))
        side = trunk.shape[1]
        grid = layers.Reshape((side, side, 2, 2), dtype="float32")(patches)
        grid = layers.Permute((1, 3, 2, 4), dtype="float32")(grid)
        image = layers.Reshape((2 * side, 2 * side, 1), dtype="float32")(grid)
        return layers.Rescaling(generator.RESIDUAL_GAIN, dtype="float32")(image)

    generator._refiner, generator._to_image = refiner, to_image


@_variant
def approximate_penalty() -> None:
    """R1 and R2 by finite differences, ((D(x + σn) - D(x)) / σ)² (Lin et al. 2025, 2501.08316)."""
    import tensorflow as tf

    from xraygan.training import losses, step

    sigma = 0.05

    def penalised(judge: Any, images: Any, weights: Any, gamma: Any) -> Any:
        # Another seed a step, from the images: operators are deterministic.
        seed = tf.stack([tf.cast(1e3 * tf.reduce_sum(images), tf.int32), 0])
        noise = sigma * tf.random.stateless_normal(tf.shape(images), seed)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            scores = judge(images)
            nearby = judge(images + noise)
            penalties = tf.square((nearby - scores) / sigma)
            r1, r2 = (tf.reduce_mean(part) for part in tf.split(penalties, 2))
            real_scores, fake_scores = tf.split(scores, 2)
            loss = tf.reduce_mean(losses.discriminator_loss(real_scores, fake_scores))
            objective = loss + gamma / 2 * (r1 + r2)
        fake_slopes = tf.split(tape.gradient(scores, images), 2)[1]
        return step._Judgement(scores, fake_slopes, r1, r2, tape.gradient(objective, weights))

    step._penalised = penalised


def _projected(features: Any, condition: Any, seed: int) -> Any:
    """A head's score, [B, 1]: its features [B, 64] along an embedding of the class."""
    import keras
    from keras import layers

    embedding = layers.Dense(
        64,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 1.0, seed=seed),
        use_bias=False,
        dtype="float32",
    )(condition)
    score = layers.Dot(1, dtype="float32")([features, embedding])
    return layers.Rescaling(64**-0.5, dtype="float32")(score)


@_variant
def frozen_head() -> None:
    """A second head of the discriminator, on maps of a network taught on the films beforehand.

    Projected GAN's idea (Sauer et al. 2021, arXiv 2111.01007) without downloaded weights: the
    network of `chest-net-1`, of another seed than the one that measures.
    """
    import keras
    from keras import layers

    from xraygan.data.phantom import phantom_images
    from xraygan.evaluation import chest_course, chest_trunk
    from xraygan.models import blocks
    from xraygan.training import state

    plain = state.build_discriminator

    def build(settings: Any, seed: int = 0) -> Any:
        weights = chest_course.train(
            films, lambda n, side: phantom_images(n, side, seed=0)[0], 16_000, seed + 77
        )
        trunk = chest_trunk.build_trunk(seed + 77)
        trunk.set_weights(weights)
        trunk.trainable = False
        outputs = [trunk.get_layer(name).output for name in ("pool_0", "pool_1")]
        maps = keras.Model(trunk.input, outputs, name="frozen")
        maps.trainable = False
        network = plain(settings, seed)
        image, condition = network.inputs
        initialisers, score = blocks.Initialisers(seed + 2, 4), network.output
        for number, found in enumerate(maps(image, training=False)):
            features = blocks.conv(
                blocks.cast(found, settings.compute_dtype), 64, 1, initialisers.normal()
            )
            while features.shape[1] > 4:
                features = blocks.inverted_block(features, initialisers)
                features = blocks.downsample(features)
            features = layers.Flatten(dtype="float32")(blocks.cast(features, "float32"))
            features = layers.Dense(
                64, kernel_initializer=initialisers.normal(), use_bias=False, dtype="float32"
            )(features)
            part = _projected(features, condition, seed + number)
            score = layers.Add(dtype="float32")([score, part])
        return keras.Model([image, condition], score, name="discriminator")

    state.build_discriminator = build


@_variant
def skip_excitation() -> None:
    """The coarsest features gate the refiner's last (FastGAN: Liu et al. 2021, 2101.04775)."""
    from keras import layers

    from xraygan.models import blocks

    def after(built: list[Any], _: Any, rest: Any) -> Any:
        if len(built) < 6:
            return built[-1]
        width, normal = built[-1].shape[-1], rest[0].normal
        pooled = layers.GlobalAveragePooling2D(keepdims=True, dtype=built[3].dtype)(built[3])
        gate = blocks.activate(blocks.conv(pooled, width, 1, normal()))
        gate = blocks.conv(gate, width, 1, "zeros")
        gate = layers.Activation("sigmoid", dtype=gate.dtype)(gate)
        gate = layers.Rescaling(2.0, dtype=gate.dtype)(gate)
        return layers.Multiply(dtype=gate.dtype)([built[-1], gate])

    _refiner_with(after)


@_variant
def reconstruction_head() -> None:
    """The discriminator also draws the reals again from its 8×8 features (as FastGAN's does)."""
    import keras
    import tensorflow as tf
    from keras import layers

    from xraygan.models import blocks
    from xraygan.training import state, step

    weight, plain, decoders, moved = 1.0, state.build_discriminator, [], []
    augment, plain_pass, penalised_pass = step.augment, step._plain, step._penalised

    def build(settings: Any, seed: int = 0) -> Any:
        network = plain(settings, seed)
        features = [each.output for each in network.layers if each.output.shape[1:3] == (8, 8)][-1]
        initialisers = blocks.Initialisers(seed + 3, 1)
        while features.shape[1] < 32:
            features = blocks.conv(blocks.upsample(features), 48, 3, initialisers.normal(1.39))
            features = blocks.activate(features)
        drawn = blocks.cast(blocks.conv(features, 1, 3, initialisers.normal()), "float32")
        decoders[:] = [keras.Model(network.inputs, drawn)]
        # Without a part of the score the optimiser would not know the decoder's weights.
        silent = layers.Rescaling(0.0, dtype="float32")(layers.GlobalAveragePooling2D()(drawn))
        score = layers.Add(dtype="float32")([network.output, silent])
        return keras.Model(network.inputs, score, name="discriminator")

    def remembering(images: Any, draws: Any) -> Any:
        moved[:] = [augment(images, draws)]
        return moved[0]

    def with_drawing(judged: Any) -> Any:
        def run(judge: Any, images: Any, weights: Any, *gamma: Any) -> Any:
            found = judged(judge, images, weights, *gamma)
            with tf.GradientTape() as tape:
                judge(images)
                reals = tf.split(tf.stop_gradient(moved[0]), 2)[0]
                condition = tf.zeros([tf.shape(reals)[0], decoders[0].inputs[1].shape[1]])
                drawn = decoders[0]([reals, condition], training=True)
                small = tf.nn.avg_pool2d(reals, reals.shape[1] // 32, reals.shape[1] // 32, "VALID")
                loss = weight * tf.reduce_mean(tf.abs(drawn - small))
            values = [weight.value for weight in weights]
            more = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            gradients = [own + each for own, each in zip(found.gradients, more, strict=True)]
            return found._replace(gradients=gradients)

        return run

    state.build_discriminator, step.augment = build, remembering
    step._plain, step._penalised = with_drawing(plain_pass), with_drawing(penalised_pass)


@_variant
def scale_mixture() -> None:
    """A film lies nearer to its class's mean, or further, as a whole: z · exp(σ u - σ²)."""
    from keras import ops

    from xraygan.models import base

    sigma, plain = 0.2, base.LinearGaussian.call

    def call(self: Any, z: Any, condition: Any) -> Any:
        # The last component hardly shows: its latent decides how far, too.
        return plain(self, z * ops.exp(sigma * z[:, -1:] - sigma**2), condition)

    base.LinearGaussian.call = call


@_variant
def falling_gamma() -> None:
    """Penalties that fall to a tenth at the end at every resolution."""
    _gamma_left(0.1)


@_variant
def less_falling_gamma() -> None:
    """Penalties that fall to four tenths of what they begin with at every resolution."""
    _gamma_left(0.4)


@_variant
def steady_gamma() -> None:
    """Penalties that stay as heavy as they begin at every resolution."""
    _gamma_left(1.0)


def _gamma_left(share: float) -> None:
    from xraygan.training import schedules

    schedules.gamma_left = lambda _: share


def _whitened_penalty(power: float, cycles: float = 4.0) -> None:
    """Penalties in coordinates in which films vary more alike, by the films' own spectrum."""
    import numpy as np

    from xraygan.training import losses

    def weights(side: int) -> Any:
        basis = losses.cosines(side)
        chosen = np.linspace(0, len(films.images) - 1, min(len(films.images), 1000)).astype(int)
        told = basis @ (np.asarray(films.images[chosen], np.float32) / 127.5 - 1) @ basis.T
        deviation = told.std(axis=0)
        radius = np.hypot(*np.mgrid[:side, :side]) / 2
        rings = np.arange(1, side) / 2
        spectrum = [np.sqrt(np.mean(deviation[abs(radius - r) <= 0.5] ** 2)) for r in rings]
        share = np.interp(radius, rings, spectrum) / np.interp(cycles, rings, spectrum)
        return np.minimum(1.0, share**power).astype(np.float32)

    losses.frequency_weights = weights


@_variant
def plain_penalty() -> None:
    """Penalties on slopes in pixels, as R3GAN has them; with them γ was 0.3."""
    from xraygan.training import losses

    losses.frequency_weights = lambda _: 1.0


@_variant
def whitened_penalty() -> None:
    """Beyond 4 cycles slopes count by the share of the films' deviation that is left there."""
    _whitened_penalty(1.0)


@_variant
def half_whitened_penalty() -> None:
    """By the square root of that share."""
    _whitened_penalty(0.5)


@_variant
def all_pairs() -> None:
    """Each real is compared with each fake of a batch, not with one."""
    import tensorflow as tf

    from xraygan.training import losses

    def discriminator_loss(real: Any, fake: Any) -> Any:
        return tf.reduce_mean(tf.nn.softplus(fake - tf.transpose(real)), axis=1, keepdims=True)

    def discriminator_slope(real: Any, fake: Any) -> Any:
        return tf.reduce_mean(tf.sigmoid(fake - tf.transpose(real)), axis=1, keepdims=True)

    def generator_loss(real: Any, fake: Any) -> Any:
        return tf.reduce_mean(tf.nn.softplus(tf.transpose(real) - fake), axis=1, keepdims=True)

    def generator_slope(real: Any, fake: Any) -> Any:
        return -tf.reduce_mean(tf.sigmoid(tf.transpose(real) - fake), axis=1, keepdims=True)

    losses.discriminator_loss = discriminator_loss
    losses.discriminator_loss_slope = discriminator_slope
    losses.generator_loss = generator_loss
    losses.generator_loss_slope = generator_slope


@_variant
def paired_moves() -> None:
    """A real and the fake that it is compared with are augmented alike."""
    import tensorflow as tf

    from xraygan.training import step

    plain = step.draw_moves

    def draw_moves(batch: int, probability: Any, seed: Any) -> Any:
        return tf.concat([plain(batch // 2, probability, seed)] * 2, 0)

    step.draw_moves = draw_moves


@_variant
def coupled_codes() -> None:
    """Half of a step's fakes begin near the codes of the real films that they are compared with."""
    import numpy as np
    import tensorflow as tf

    from xraygan.training import base, step

    paired_moves()
    known: dict[str, Any] = {}
    localised, gaussian = base._localised, base.fit_gaussian

    def remember(rows: Any, conditions: Any, side: int) -> Any:
        known["rows"], known["conditions"] = rows.copy(), conditions
        return localised(rows, conditions, side)

    def fit(*arguments: Any) -> Any:
        fitted = gaussian(*arguments)
        rows, conditions = known["rows"], known["conditions"]
        shares = conditions / conditions.sum(axis=1, keepdims=True)
        coordinates = (rows - fitted["mean"]) @ fitted["components"].T - shares @ fitted[
            "class_means"
        ]
        codes = np.zeros_like(coordinates)
        for label, factor in enumerate(fitted["class_factors"]):
            members = conditions[:, label] > 0
            codes[members] = np.linalg.solve(factor.T.astype(np.float64), coordinates[members].T).T
        spread = codes.std(axis=0)
        known["codes"] = ((codes - codes.mean(axis=0)) / np.maximum(spread, 1)).astype(np.float32)
        return fitted

    base._localised, base.fit_gaussian = remember, fit
    share = 0.9
    plain_draw = step.draw_latents

    def draw(generator: Any, batch: int, seed: Any) -> Any:
        z, noise = plain_draw(generator, batch, seed)
        codes = tf.gather(tf.constant(known["codes"]), known["order"])
        near = share * codes + (1 - share**2) ** 0.5 * z
        half = tf.range(batch)[:, None] < batch // 2
        return tf.where(half, near, z), noise

    class Gathered:
        def __getattr__(self, name: str) -> Any:
            return getattr(tf, name)

        def gather(self, values: Any, indices: Any, **options: Any) -> Any:
            known.update(order=indices)
            return tf.gather(values, indices, **options)

    step.draw_latents = draw
    step.tf = Gathered()


@_variant
def equal_rates() -> None:
    """Each kernel's step is in proportion to the weights it begins with, 1 / sqrt(fan-in).

    Adam moves every weight alike, so that a 3×3 kernel over 144 channels turns twelve times as
    fast as a depthwise one. The rates of one network's kernels keep their geometric mean.
    """
    import keras
    import numpy as np

    from xraygan.training import state

    class Proportional(keras.optimizers.Adam):
        def build(self, variables: Any) -> None:
            super().build(variables)
            fans = [
                np.prod(v.shape[:2] if "depthwise" in v.path else v.shape[:-1]) or 1
                for v in variables
            ]
            kernels = [len(v.shape) > 1 for v in variables]
            middle = np.exp(np.log(fans)[kernels].mean())
            self.shares = np.where(kernels, np.sqrt(middle / fans), 1.0)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            share = float(self.shares[self._get_variable_index(variable)])
            super().update_step(gradient, variable, share * learning_rate)

    state._adam = lambda training: Proportional(
        learning_rate=0.0, beta_1=0.0, beta_2=training.beta_2, epsilon=1e-8
    )


@_variant
def local_scores() -> None:
    """The discriminator also scores each place of what it sees at 16×16 and 8×8."""
    import keras
    from keras import layers

    from xraygan.models import blocks
    from xraygan.training import state

    plain = state.build_discriminator

    def build(settings: Any, seed: int = 0) -> Any:
        network = plain(settings, seed)
        image, condition = network.inputs
        initialisers, score = blocks.Initialisers(seed + 2, 4), network.output
        for number, side in enumerate((16, 8)):
            seen = [
                each.output for each in network.layers if each.output.shape[1:3] == (side, side)
            ]
            features = blocks.activate(blocks.conv(seen[-1], 64, 1, initialisers.normal()))
            features = blocks.cast(blocks.conv(features, 64, 1, initialisers.normal()), "float32")
            features = layers.GlobalAveragePooling2D(dtype="float32")(features)
            part = _projected(features, condition, seed + number)
            score = layers.Add(dtype="float32")([score, part])
        return keras.Model([image, condition], score, name="discriminator")

    state.build_discriminator = build


@_variant
def style_latents() -> None:
    """Sixteen more numbers drawn for each film shift the refiner's coarsest features.

    They are the noise image's means over 4 × 4 windows, scaled to unit variance.
    """
    from keras import layers

    from xraygan.models import generator

    plain, entries = generator._refiner, []
    rescaled = generator._rescaled_noise

    def noted(noise: Any, factor: int, scale: float) -> Any:
        entries.append(noise)
        return rescaled(noise, factor, scale)

    def refiner(entry: Any, known: Any, widths: Any, initialisers: Any) -> Any:
        noise = entries[-1]
        window = noise.shape[1] // 4
        style = layers.AveragePooling2D(window, dtype="float32")(noise)
        style = layers.Rescaling(float(window), dtype="float32")(layers.Flatten()(style))
        condition, strengths = known._keras_history.operation.input
        known = layers.Concatenate(dtype="float32")([condition, style, strengths])
        return plain(entry, known, widths, initialisers)

    generator._rescaled_noise, generator._refiner = noted, refiner


@_variant
def longer_average() -> None:
    """The generator's average reaches twice as far back."""
    from xraygan.training import schedules

    schedules.MOST_AVERAGED *= 2


@_variant
def shorter_average() -> None:
    """The generator's average reaches half as far back."""
    from xraygan.training import schedules

    schedules.MOST_AVERAGED /= 2


@_variant
def batch_statistics() -> None:
    """The discriminator is also told how far an image is from the mean of its half of the batch.

    For variety, as minibatch statistics are (Salimans et al. 2016, arXiv 1606.03498, section 3.2).
    Means are taken as given: no image's slope comes from another image, as the step asks.
    """
    import keras
    import tensorflow as tf
    from keras import layers

    from xraygan.models import blocks
    from xraygan.training import state

    plain = state.build_discriminator

    class FromTheMean(layers.Layer):
        def call(self, features: Any) -> Any:
            halves = tf.reshape(features, [2, -1, features.shape[1]])  # reals, then fakes
            centre = tf.stop_gradient(tf.reduce_mean(halves, axis=1, keepdims=True))
            return tf.reshape(tf.abs(halves - centre), [-1, features.shape[1]])

    def build(settings: Any, seed: int = 0) -> Any:
        network = plain(settings, seed)
        image, condition = network.inputs
        initialisers = blocks.Initialisers(seed + 2, 4)
        seen = [each.output for each in network.layers if each.output.shape[1:3] == (4, 4)]
        features = layers.GlobalAveragePooling2D(dtype="float32")(blocks.cast(seen[-1], "float32"))
        features = layers.Dense(64, kernel_initializer=initialisers.normal(), dtype="float32")(
            FromTheMean(dtype="float32")(features)
        )
        part = _projected(features, condition, seed)
        score = layers.Add(dtype="float32")([network.output, part])
        return keras.Model([image, condition], score, name="discriminator")

    state.build_discriminator = build

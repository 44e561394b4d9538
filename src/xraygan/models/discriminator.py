"""The discriminator: how real an image looks, given its class."""

# Keras and TensorFlow type neither symbolic tensors nor static shapes:
# pyright: reportArgumentType=false, reportOperatorIssue=false

import keras
from keras import layers

from xraygan.config import ModelSettings
from xraygan.models import blocks
from xraygan.models.conditions import label_shares


def build_discriminator(settings: ModelSettings, seed: int = 0) -> keras.Model:
    """The discriminator as a plain Keras model.

    Space to depth takes the work off full resolution; inverted depthwise blocks, two a
    stage, and average pooling bring it down to 4×4; a depthwise 4×4 valid convolution and
    a projection on the class's embedding end it (Miyato & Koyama 2018, arXiv 1802.05637).
    The last two compute in float32. A condition of several labels has the mean of their embeddings.

    Args:
        settings: sizes, widths and types.
        seed: of the initial weights.

    Returns:
        A model of two inputs, `image` [B, R, R, 1] float32 in [-1, 1] and `condition`
        [B, K] float32 (see `class_conditions`), and one output, the score [B, 1] float32.
    """
    widths = settings.discriminator_widths
    image = keras.Input((settings.resolution, settings.resolution, 1), name="image")
    condition = keras.Input((settings.num_labels,), name="condition")
    initialisers = blocks.Initialisers(seed + 1, num_blocks=2 * len(widths))

    features = blocks.cast(image, settings.compute_dtype)
    features = blocks.SpaceToDepth(settings.stem, dtype=features.dtype)(features)
    features = blocks.conv(features, widths[0], 3, initialisers.normal())
    for number, width in enumerate(widths):
        if number:
            features = blocks.conv(
                blocks.downsample(features), width, 1, initialisers.normal(), use_bias=False
            )
        for _ in range(2):
            features = blocks.inverted_block(features, initialisers)

    features = blocks.cast(features, "float32")
    features = layers.DepthwiseConv2D(
        4,
        use_bias=False,
        depthwise_initializer=initialisers.depthwise(widths[-1], inside_block=False),
        dtype="float32",
    )(features)
    features = layers.Flatten(dtype="float32")(features)
    features = layers.Dense(
        widths[-1], kernel_initializer=initialisers.normal(), use_bias=False, dtype="float32"
    )(features)
    embedding = layers.Dense(
        widths[-1],
        kernel_initializer=keras.initializers.RandomNormal(0.0, 1.0, seed=seed),
        use_bias=False,
        dtype="float32",
        name="class_embedding",
    )(label_shares(condition))
    score = layers.Dot(1, dtype="float32")([features, embedding])
    score = layers.Rescaling(widths[-1] ** -0.5, dtype="float32")(score)
    return keras.Model([image, condition], score, name="discriminator")

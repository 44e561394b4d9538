"""Feature spaces of networks that others have trained: adapters, and how to get the weights.

Nothing here opens a connection: weights are read from where their own packages keep them, or
from where an environment variable points, and a missing file is answered with one line that
says how to fetch it. Figures in these spaces are put on the reference's scale like all others,
so they are not to be compared with published FIDs.
"""

# Keras, TensorFlow and PyTorch type neither symbolic tensors nor optional imports:
# pyright: reportArgumentType=false, reportCallIssue=false, reportMissingImports=false
# pyright: reportOptionalSubscript=false

import importlib
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraygan.errors import XrayganError
from xraygan.evaluation.feature_cache import FeatureSpace, content_hash
from xraygan.runs import read_json, sha256_of

INCEPTION_WEIGHTS = "XRAYGAN_INCEPTION_WEIGHTS"
TORCHXRAYVISION_WEIGHTS = "XRAYGAN_TORCHXRAYVISION_WEIGHTS"
RAD_DINO_WEIGHTS = "XRAYGAN_RAD_DINO_WEIGHTS"

_INCEPTION_FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
_INCEPTION_SIDE = 299
_XRV_FILE = (
    "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15"
    "-seed0-best.pt"
)
_XRV_SIDE = 224
_BATCH = 32


def inception() -> FeatureSpace:
    """InceptionV3 of keras.applications, global average, 2,048 numbers.

    The weights are looked for in the file that XRAYGAN_INCEPTION_WEIGHTS names, then in
    Keras's own folder: KERAS_HOME, or `.keras` at home.

    Returns:
        The space before its scale.

    Raises:
        XrayganError: no weights, or a file that does not fit the network.

    Source: Szegedy et al. 2015, arXiv 1512.00567; resizing as in Parmar et al. 2021,
    arXiv 2104.11222.
    """
    path = _weights_file(
        INCEPTION_WEIGHTS,
        Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models" / _INCEPTION_FILE,
        "feature space inception",
        'python -c "import keras; keras.applications.InceptionV3(include_top=False)"',
    )
    import keras
    import tensorflow as tf

    network = keras.applications.InceptionV3(
        include_top=False,
        weights=None,
        input_shape=(_INCEPTION_SIDE, _INCEPTION_SIDE, 3),
        pooling="avg",
    )
    try:
        with warnings.catch_warnings(action="ignore"):
            network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise XrayganError(
            f"{path}: these weights do not fit InceptionV3 without its top ({_reason(error)})"
        ) from None

    @tf.function(input_signature=[tf.TensorSpec([_BATCH, *network.input_shape[1:3]], tf.float32)])
    def forward(pixels: tf.Tensor) -> tf.Tensor:
        grey = pixels[..., None] / 127.5 - 1
        return network(tf.repeat(grey, 3, axis=-1), training=False)

    def describe(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return in_batches(images, _INCEPTION_SIDE, lambda part: forward(tf.constant(part)).numpy())

    return FeatureSpace("inception", content_hash("inception", sha256_of(path)), describe)


def torchxrayvision() -> FeatureSpace:
    """DenseNet-121 trained on seven public sets of chest X-rays, 1,024 numbers.

    The weights are a pickled PyTorch module, as their authors publish them: loading them runs
    what is in the file, so take it from them alone. XRAYGAN_TORCHXRAYVISION_WEIGHTS may name
    the file; its name must be the published one.

    Returns:
        The space before its scale.

    Raises:
        XrayganError: no package, or no weights.

    Source: Cohen et al. 2022, arXiv 2111.00595.
    """
    torch = _package("torch", "torchxrayvision")
    package = _package("torchxrayvision", "torchxrayvision")
    fetch = "import torchxrayvision as x; x.models.DenseNet(weights='densenet121-res224-all')"
    path = _weights_file(
        TORCHXRAYVISION_WEIGHTS,
        Path.home() / ".torchxrayvision" / "models_data" / _XRV_FILE,
        "feature space torchxrayvision",
        f'python -c "{fetch}"',
    )
    if path.name != _XRV_FILE:
        raise XrayganError(f"{path}: torchxrayvision finds its weights only as {_XRV_FILE}")
    try:
        network = package.models.DenseNet(
            weights="densenet121-res224-all", cache_dir=str(path.parent)
        )
    # The package reads its file by torch.load, and lets out what that says of a damaged one.
    except (OSError, EOFError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        raise XrayganError(f"{path}: no weights of torchxrayvision ({_reason(error)})") from None

    def forward(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scaled = torch.from_numpy((pixels[:, None] / 127.5 - 1) * 1024)
            return network.features2(scaled).numpy()

    return FeatureSpace(
        "torchxrayvision",
        content_hash("torchxrayvision", sha256_of(path)),
        lambda images: in_batches(images, _XRV_SIDE, forward),
    )


def rad_dino() -> FeatureSpace:
    """Vision transformer trained without labels on public sets of chest X-rays, 768 numbers.

    XRAYGAN_RAD_DINO_WEIGHTS may name a folder that holds a copy of `microsoft/rad-dino`;
    otherwise the Hugging Face cache is looked into.

    Returns:
        The space before its scale.

    Raises:
        XrayganError: no package, or no weights.

    Source: Pérez-García et al. 2024, arXiv 2401.10815.
    """
    torch = _package("torch", "rad-dino")
    package = _package("transformers", "rad-dino")
    hub = importlib.import_module("transformers.utils")
    source = os.environ.get(RAD_DINO_WEIGHTS) or "microsoft/rad-dino"
    try:
        settings = read_json(
            Path(hub.cached_file(source, "preprocessor_config.json", local_files_only=True))
        )
        network = package.AutoModel.from_pretrained(source, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise XrayganError(
            f"feature space rad-dino: no weights at {source} ({_reason(error)}); where there is a "
            "network, run: hf download microsoft/rad-dino, or name a folder with its files in "
            f"{RAD_DINO_WEIGHTS}"
        ) from None
    side = int(settings["crop_size"]["height"])
    mean, spread = (
        np.array(settings[name], np.float32)[:, None, None] for name in ("image_mean", "image_std")
    )
    state = [np.atleast_1d(part.numpy()) for part in network.state_dict().values()]

    def forward(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = (pixels[:, None] / 255 - mean) / spread
        with torch.inference_mode():
            return network(pixel_values=torch.from_numpy(scaled)).last_hidden_state[:, 0].numpy()

    return FeatureSpace(
        "rad-dino",
        content_hash("rad-dino", str(settings), *state),
        lambda images: in_batches(images, side, forward),
    )


def _weights_file(variable: str, usual: Path, what: str, command: str) -> Path:
    """The named file, or the usual one.

    Raises:
        XrayganError: neither is there.
    """
    named = os.environ.get(variable)
    path = Path(named).expanduser() if named else usual
    if not path.is_file():
        raise XrayganError(
            f"{what}: no weights at {path}; where there is a network, run: {command}, copy the "
            f"file here, or name it in {variable}"
        )
    return path


def _reason(error: Exception) -> str:
    """The first line of a library's complaint."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _package(name: str, space: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise XrayganError(
            f"feature space {space}: the package {name} is not installed; install it with: "
            f"pip install 'xraygan[{space}]'"
        ) from None


def in_batches(
    images: NDArray[np.uint8],
    side: int,
    forward: Callable[[NDArray[np.float32]], NDArray[np.floating]],
) -> NDArray[np.float32]:
    """Images resized and described in batches of one size, padded with black.

    Args:
        images: uint8 [N, H, W].
        side: px that the network takes.
        forward: from float32 [B, side, side], grey levels, to [B, D].

    Returns:
        float32 [N, D].
    """
    rows = []
    for start in range(0, max(len(images), 1), _BATCH):
        part = images[start : start + _BATCH]
        pixels = np.zeros((_BATCH, side, side), np.float32)
        for place, image in enumerate(part):
            pixels[place] = resized(image, side)
        rows.append(np.asarray(forward(pixels), np.float32)[: len(part)])
    return np.concatenate(rows)


def resized(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Bicubic with antialiasing, in floating point: the one resize path for reals and fakes.

    Args:
        image: uint8 [H, W].
        side: px.

    Returns:
        float32 [side, side], grey levels, clipped to [0, 255].

    Source: Parmar et al. 2021, arXiv 2104.11222, section 3.
    """
    picture = Image.fromarray(image.astype(np.float32))
    return np.clip(np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)), 0, 255)

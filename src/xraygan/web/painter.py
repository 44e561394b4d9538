"""Images while somebody waits: models stay loaded, and one thread draws from them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import Field

from xraygan.config import MAX_CLASSES, Settings
from xraygan.errors import XrayganError
from xraygan.names import class_folders
from xraygan.sampling.request import Request

Value = TypeVar("Value")
MODELS, IMAGE_BYTES = 4, 128 * 2**20
"""How many models, and how many bytes of images, stay in memory."""
STEPS = 17
"""Images of a walk, both ends included."""


class Asked(Settings):
    """One image of a model, as an address asks for it."""

    label: int = Field(0, ge=0, lt=MAX_CLASSES)
    seed: int = Field(0, ge=0, lt=2**31)
    index: int = Field(0, ge=0, lt=10**6)
    psi: float = Field(1.0, ge=0, le=2)


class Remembered:
    """A few values by key; the one that was not asked for longest goes first.

    Args:
        most: how many, or how much of what `size` says.
        size: of a value; the last one stays, however large.
    """

    def __init__(self, most: int, size: Callable[[Any], int] = lambda _: 1) -> None:
        self._most, self._size = most, size
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._held = 0

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not there."""
        if key not in self._values:
            self._values[key] = make()
            self._held += self._size(self._values[key])
        self._values.move_to_end(key)
        while self._held > self._most and len(self._values) > 1:
            self._held -= self._size(self._values.popitem(last=False)[1])
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)


class Painter:
    """Draws images of models, one at a time, in a thread of its own.

    Args:
        device: as for `xraygan.training.device.use_device`.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._ready = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._models = Remembered(MODELS)
        self._images = Remembered(IMAGE_BYTES, lambda images: images.nbytes)
        self.forward_passes = 0

    def close(self) -> None:
        """Draw nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def do(self, job: Callable[[], Value]) -> Value:
        """Do something in the painter's thread, after what is waiting there."""
        return self._pool.submit(job).result()

    def warm_up(self, folder: Path) -> None:
        """Load a model before somebody waits for it."""
        self._pool.submit(self._load, folder)

    def picture(self, folder: Path, asked: Asked) -> Any:
        """One image with its provenance, `xraygan.sampling.encode.Picture`.

        Args:
            folder: a run folder.
            asked: which image.

        Raises:
            XrayganError: no usable model there, or no such class.
        """
        return self.do(lambda: self._picture(folder, asked))

    def png(self, folder: Path, asked: Asked) -> tuple[str, bytes]:
        """The file that `xraygan generate` writes for this image: its name and its bytes."""
        from xraygan.sampling import encode

        picture = self.picture(folder, asked)
        return f"{picture.name}.png", encode.png(picture)

    def pixels(self, folder: Path, asked: Asked) -> np.ndarray:
        """The image alone, uint8 [R, R]."""
        return self.picture(folder, asked).pixels

    def walk(self, folder: Path, start: Asked, end: Asked) -> np.ndarray:
        """Images on the way between two, uint8 [STEPS, R, R]."""
        return self.do(lambda: self._walk(folder, start, end))

    def _load(self, folder: Path) -> Any:
        if not self._ready:
            from xraygan.training.device import use_device

            use_device(self._device)
            self._ready = True
        from xraygan.models.files import DESCRIPTION, WEIGHTS, load_model

        files = [folder / "model" / name for name in (DESCRIPTION, WEIGHTS)]
        written = [file.stat().st_mtime_ns if file.exists() else 0 for file in files]

        return self._models.get((folder, *written), lambda: load_model(folder))

    def _picture(self, folder: Path, asked: Asked) -> Any:
        from xraygan.models.sample import CHUNK
        from xraygan.sampling.encode import Picture

        model = self._load(folder)
        class_name = _class_name(model, asked.label)
        request = Request(1, asked.seed, class_name, psi=asked.psi)
        key = (model.sha256, asked.label, asked.seed, asked.psi, asked.index // CHUNK)
        images = self._images.get(key, lambda: self._chunk(model, asked))
        return Picture(
            pixels=images[asked.index % CHUNK],
            class_name=class_name,
            label=asked.label,
            seed=asked.seed,
            index=asked.index,
            psi=asked.psi,
            model_sha256=model.sha256,
            name=f"{request.stem}_{asked.index:08d}",
            folder=class_folders(model.description.classes)[class_name],
        )

    def _chunk(self, model: Any, asked: Asked) -> np.ndarray:
        """The images that are computed together with the one asked for."""
        from xraygan.models.sample import CHUNK, sample

        self.forward_passes += 1
        first = asked.index // CHUNK * CHUNK
        indices = range(first, first + CHUNK)
        labels = [asked.label] * CHUNK
        network = model.description.network
        return sample(model.generator, network, asked.seed, indices, labels, asked.psi)

    def _walk(self, folder: Path, start: Asked, end: Asked) -> np.ndarray:
        from xraygan.models.walk import End, walk

        model = self._load(folder)
        for asked in (start, end):
            _class_name(model, asked.label)
        ends = [End(asked.seed, asked.index, asked.label) for asked in (start, end)]
        shares = np.linspace(0, 1, STEPS).tolist()
        network = model.description.network
        return self._images.get(
            (model.sha256, *ends, start.psi, end.psi),
            lambda: walk(model.generator, network, ends[0], ends[1], shares, (start.psi, end.psi)),
        )


def _class_name(model: Any, label: int) -> str:
    classes = model.description.classes
    if label >= len(classes):
        raise XrayganError(f"class number {label}: the model has {len(classes)}, from 0")
    return classes[label]

"""Labelled synthetic images as arrays: which class an index has, and its picture."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from xraygan.errors import XrayganError
from xraygan.models.files import Model
from xraygan.models.sample import CHUNK, sample
from xraygan.sampling.request import Request

CHUNKS_AT_ONCE = 8


def label_of(model: Model, request: Request, index: int) -> int:
    """The class number of image `index`: depends on the model, the request and the index."""
    if request.class_name is not None:
        return model.class_number(request.class_name)
    if not request.like_train:
        return model.trained_classes[index % len(model.trained_classes)]
    counts = np.cumsum(model.description.class_counts)
    stream = np.random.Generator(np.random.Philox(key=[request.seed, index], counter=[0, 0, 0, 1]))
    return int(np.searchsorted(counts, stream.random() * counts[-1], side="right"))


def generate_arrays(model: Model, request: Request) -> tuple[np.ndarray, np.ndarray]:
    """The images in memory: uint8 or uint16 [N, R, R] and int32 labels [N].

    Raises:
        XrayganError: memory has no room for them.
    """
    side = model.description.network.resolution
    try:
        images = np.empty((request.num, side, side), np.uint8 if request.bits == 8 else np.uint16)
        labels = np.empty(request.num, np.int32)
    except MemoryError:
        size = request.num * side**2 * request.bits / 8 / 2**30
        raise XrayganError(
            f"num={request.num}: the images need {size:,.0f} GiB of memory, more than there is; "
            "write them to a folder with out=, or make fewer at a time"
        ) from None
    done = 0
    for _, some, theirs in batches(
        model, request, range(request.first, request.first + request.num)
    ):
        rows = slice(done, done + len(some))
        images[rows], labels[rows] = some, theirs
        done = rows.stop
    return images, labels


def batches(
    model: Model, request: Request, indices: Sequence[int]
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Indices, images and labels, some chunks at a time."""
    numbers = iter(indices)
    while some := list(itertools.islice(numbers, CHUNK * CHUNKS_AT_ONCE)):
        labels = [label_of(model, request, index) for index in some]
        network = model.description.network
        images = sample(
            model.generator, network, request.seed, some, labels, request.psi, request.bits
        )
        yield some, images, np.array(labels, np.int32)

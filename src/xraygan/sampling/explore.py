"""Between images: from seed to seed, from class to class, along the directions that matter most.

Each is an array of pictures, rows × columns: a grid to look at, or rows to play as a film.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions
from xraygan.models.files import Model
from xraygan.models.sample import CHUNK, drawn, latents, to_grey
from xraygan.models.walk import End, walk

REACH = 2.5
"""How far along a direction, in standard deviations, each way."""
MOST_PICTURES = 4096


def between_seeds(
    model: Model, seeds: Sequence[int], steps: int, class_name: str | None, psi: float = 1.0
) -> np.ndarray:
    """From each seed's image 0 to the next one's, as `xraygan.models.walk` goes.

    Args:
        model: as loaded.
        seeds: two at least.
        steps: pictures from one seed to the next, the next one's own not counted.
        class_name: of all pictures; the first class where None.
        psi: truncation.

    Returns:
        uint8 [seeds - 1, steps + 1, R, R].

    Raises:
        XrayganError: too few seeds or steps, too many pictures, or an unknown class.
    """
    if len(seeds) < 2:
        raise XrayganError("--seeds: give two at least, such as 1,2,3")
    _check(steps, (len(seeds) - 1) * (steps + 1))
    label = _label(model, class_name)
    ends = [End(seed, 0, label) for seed in seeds]
    return _walked(model, list(itertools.pairwise(ends)), steps, psi)


def between_classes(
    model: Model, seeds: Sequence[int], steps: int, first: str, last: str, psi: float = 1.0
) -> np.ndarray:
    """Each seed's image 0 from one class to another, the two mixed by weights.

    Args:
        model: as loaded.
        seeds: one a row.
        steps: pictures after the first.
        first: class on the left.
        last: class on the right.
        psi: truncation.

    Returns:
        uint8 [seeds, steps + 1, R, R].

    Raises:
        XrayganError: as `between_seeds`.
    """
    _check(steps, len(seeds) * (steps + 1))
    labels = _label(model, first), _label(model, last)
    pairs = [(End(seed, 0, labels[0]), End(seed, 0, labels[1])) for seed in seeds]
    return _walked(model, pairs, steps, psi)


def along_directions(
    model: Model,
    seed: int,
    count: int,
    steps: int,
    class_name: str | None,
    psi: float = 1.0,
) -> np.ndarray:
    """A seed's image 0 moved along the latent directions that change the base the most.

    They are the leading singular vectors of the class's map from latents to components: its
    principal components. Columns go from -2.5 to 2.5 standard deviations.

    Args:
        model: as loaded.
        seed: of the image.
        count: directions, one a row, the strongest first.
        steps: pictures after the first.
        class_name: the first class where None.
        psi: truncation of the image that is moved.

    Returns:
        uint8 [count, steps + 1, R, R].

    Raises:
        XrayganError: as `between_seeds`, or more directions than there are.
    """
    network = model.description.network
    _check(steps, count * (steps + 1))
    if not 1 <= count <= network.latent:
        raise XrayganError(f"--directions {count}: choose 1 to {network.latent}")
    label = _label(model, class_name)
    condition = class_conditions(network)[label]
    factors = np.asarray(model.generator.get_layer("base").class_factors)
    factor = np.tensordot(condition / condition.sum(), factors, 1)
    axes = np.linalg.svd(factor)[0].T[:count]
    z, noise = latents(network, seed, 0)
    places = np.linspace(-REACH, REACH, steps + 1)
    rows = _empty(model, count, steps)
    for row, axis in zip(rows, axes, strict=True):
        rest = psi * (z - (z @ axis) * axis)
        zs = (rest + places[:, None] * axis).astype(np.float32)
        for first in range(0, len(zs), CHUNK):
            some = zs[first : first + CHUNK]
            same = [np.repeat(one[None], len(some), 0) for one in (noise, condition)]
            row[first : first + CHUNK] = to_grey(drawn(model.generator, [some, *same]))
    return rows


def _check(steps: int, pictures: int) -> None:
    if steps < 1:
        raise XrayganError(f"--steps {steps}: choose 1 or more")
    if pictures > MOST_PICTURES:
        raise XrayganError(f"{pictures:,} pictures are more than {MOST_PICTURES:,}: fewer --steps")


def _label(model: Model, class_name: str | None) -> int:
    """The class's number; the first one's that was trained on where none is named."""
    return model.trained_classes[0] if class_name is None else model.class_number(class_name)


def _empty(model: Model, rows: int, steps: int) -> np.ndarray:
    side = model.description.network.resolution
    return np.empty((rows, steps + 1, side, side), np.uint8)


def _walked(model: Model, pairs: Sequence[tuple[End, End]], steps: int, psi: float) -> np.ndarray:
    """[pairs, steps + 1, R, R]: a row from one end to the other of each pair."""
    shares = np.linspace(0, 1, steps + 1).tolist()
    rows = _empty(model, len(pairs), steps)
    for row, (start, end) in zip(rows, pairs, strict=True):
        network = model.description.network
        row[:] = walk(model.generator, network, start, end, shares, (psi, psi))
    return rows

"""Between images: from seed to seed, from class to class, along the directions that matter most.

Each is an array of pictures, rows × columns: a grid to look at, or rows to play as a film.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from xraygan.errors import XrayganError
from xraygan.models.files import Model
from xraygan.models.sample import latents, to_grey

REACH = 2.5
"""How far along a direction, in standard deviations, each way."""
MOST_PICTURES = 4096


def between_seeds(
    model: Model, seeds: Sequence[int], steps: int, class_name: str | None, psi: float = 1.0
) -> np.ndarray:
    """From each seed's image 0 to the next one's, along great circles.

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
    network = model.description.network
    drawn = [latents(network, seed, 0) for seed in seeds]
    shares = np.linspace(0, 1, steps + 1)
    condition = _condition(model, class_name)
    rows = []
    for (z, noise), (next_z, next_noise) in itertools.pairwise(drawn):
        zs = np.stack([_slerp(z, next_z, share) for share in shares])
        noises = np.stack([_slerp(noise, next_noise, share) for share in shares])
        rows.append(_drawn(model, psi * zs, noises, np.repeat(condition[None], len(zs), 0)))
    return np.stack(rows)


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
    start, end = _condition(model, first), _condition(model, last)
    conditions = np.stack([(1 - s) * start + s * end for s in np.linspace(0, 1, steps + 1)])
    rows = []
    for seed in seeds:
        z, noise = latents(model.description.network, seed, 0)
        zs, noises = (np.repeat(x[None], steps + 1, 0) for x in (psi * z, noise))
        rows.append(_drawn(model, zs, noises, conditions))
    return np.stack(rows)


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
    condition = _condition(model, class_name)
    factor = np.asarray(model.generator.get_layer("base").class_factors)[int(condition.argmax())]
    axes = np.linalg.svd(factor)[0].T[:count]
    z, noise = latents(network, seed, 0)
    noises = np.repeat(noise[None], steps + 1, 0)
    conditions = np.repeat(condition[None], steps + 1, 0)
    places = np.linspace(-REACH, REACH, steps + 1)
    rows = []
    for axis in axes:
        rest = psi * (z - (z @ axis) * axis)
        zs = (rest + places[:, None] * axis).astype(np.float32)
        rows.append(_drawn(model, zs, noises, conditions))
    return np.stack(rows)


def _check(steps: int, pictures: int) -> None:
    if steps < 1:
        raise XrayganError(f"--steps {steps}: choose 1 or more")
    if pictures > MOST_PICTURES:
        raise XrayganError(f"{pictures:,} pictures are more than {MOST_PICTURES:,}: fewer --steps")


def _condition(model: Model, class_name: str | None) -> np.ndarray:
    """One-hot, float32 [K]."""
    classes = model.description.classes
    name = classes[0] if class_name is None else class_name
    if name not in classes:
        raise XrayganError(f"--class {name}: the model knows {', '.join(classes)}")
    return np.eye(len(classes), dtype=np.float32)[classes.index(name)]


def _slerp(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """On the great circle: in many dimensions a straight line passes through unlikely latents."""
    cosine = np.vdot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return start
    weights = np.sin([(1 - share) * angle, share * angle]) / np.sin(angle)
    return (weights[0] * start + weights[1] * end).astype(np.float32)


def _drawn(model: Model, z: np.ndarray, noise: np.ndarray, condition: np.ndarray) -> np.ndarray:
    inputs = [np.asarray(x, np.float32) for x in (z, noise, condition)]
    return to_grey(np.asarray(model.generator.predict(inputs, batch_size=32, verbose=0)))

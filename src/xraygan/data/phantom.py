"""Simulated chest films of two classes, so that everything runs with no patient data at all.

A film's pixels are a pure function of (seed, patient, film, label, resolution): each purpose draws
from its own counter-based random stream, none of which depends on the resolution or on threads.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xraygan.data.simulation.anatomy import draw_opacities, draw_patient
from xraygan.data.simulation.chest import filled, thickness
from xraygan.data.simulation.film import detect, develop, draw_film, finish
from xraygan.data.simulation.projection import Plane
from xraygan.data.simulation.stance import Stance
from xraygan.errors import XrayganError
from xraygan.runs import is_litter, write_json
from xraygan.version import __version__

CLASSES = ("NORMAL", "PNEUMONIA")
RESOLUTIONS = (32, 64, 128, 256, 512)

_BODY, _DISEASE, _FILM, _NOISE, _COUNT = range(5)
_WORTH_PROCESSES = 100  # films; to start a process costs as much as some dozen
_NOTE = "phantom.json"
_DESCRIPTION = "Simulated chest radiograph: procedural phantom, shows no patient. Class {label}."


def render(index: int, resolution: int, seed: int, label: int, film: int = 1) -> NDArray[np.uint8]:
    """Draw, expose and develop one film.

    Args:
        index: the patient; the same one is the same body in either class and every film.
        resolution: side in pixels, one of `RESOLUTIONS`.
        seed: of the whole set, 0 to 2**64 - 1.
        label: index into `CLASSES`.
        film: which of the patient's films, from 1: another pose and exposure.

    Returns:
        [resolution, resolution] uint8; 0 black (air), 255 white (dense). The heart is on the right.

    Raises:
        XrayganError: an unusable resolution or seed.
    """
    _check(1, resolution, seed)
    if index < 0 or film < 1 or label not in (0, 1):
        raise ValueError(f"no such film: index {index}, film {film}, label {label}")
    patient = draw_patient(_stream(seed, index, _BODY))
    pose, exposure = draw_film(_stream(seed, index, _FILM, film), patient)
    # Finer than asked for and averaged down, so that edges are smooth.
    work = 2 * resolution if resolution > 64 else 96
    plane = Plane.make(
        work, exposure.width_cm, exposure.height_cm, exposure.centre_cm, exposure.roll_rad
    )
    stance = Stance(patient, pose, plane)
    passed = thickness(stance, with_bronchi=label == 1)
    healthy = passed.line_integral(patient.size)
    shown = healthy
    if label == 1:
        opacities = draw_opacities(_stream(seed, index, _DISEASE))
        shown = passed.line_integral(patient.size, filled(stance, opacities))
    pixel_cm = plane.pixel_cm * patient.size
    noise = _stream(seed, index, _NOISE, film)
    detected = detect(shown, plane, pixel_cm, exposure, noise)
    picture = finish(develop(detected, healthy, plane, exposure), exposure)
    picture = cv2.resize(picture, (resolution, resolution), interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def phantom_images(
    num: int, resolution: int, seed: int, workers: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The first films of `num` patients, the classes taking turns.

    Args:
        num: how many, at least 1.
        resolution: side in pixels, one of `RESOLUTIONS`.
        seed: image i depends on (seed, i) alone.
        workers: processes; as many as pay off unless told. The bytes do not depend on it.

    Returns:
        images [N, R, R] uint8 and labels [N] int32, indices into `CLASSES`.

    Raises:
        XrayganError: `num`, `resolution` or `seed` is unusable.
    """
    _check(num, resolution, seed)
    images = np.empty((num, resolution, resolution), np.uint8)
    labels = (np.arange(num) % len(CLASSES)).astype(np.int32)

    jobs = ((index, resolution, seed, int(labels[index])) for index in range(num))
    for index, image in enumerate(_in_processes(render, jobs, num, workers)):
        images[index] = image
    return images, labels


def write_phantom(
    out: Path,
    num: int,
    resolution: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a data set of `num` films as `out`/{train,val,test}/{NORMAL,PNEUMONIA}/*.png.

    A patient has one to three films, all in one class and one split; of ten patients of a class
    eight go to train, one to val, one to test. `phantom.json` keeps the settings. Interrupted, the
    same call goes on where it stopped; finished, it changes nothing.

    Args:
        out: the folder, new, empty, or begun with the same settings.
        num: how many films, at least 1.
        resolution: side in pixels, one of `RESOLUTIONS`.
        seed: of the whole set.
        progress: called with (films done, films in all) after each film, in order.

    Raises:
        XrayganError: a setting is unusable, the folder holds something else, or the disk refuses.
    """
    _check(num, resolution, seed)
    settings = {
        "kind": "xraygan phantom",
        "version": __version__,
        "num": num,
        "resolution": resolution,
        "seed": seed,
    }
    try:
        _claim(out, settings)
        jobs = ((out, film, resolution, seed) for film in _films(num, seed))
        for done, _ in enumerate(_in_processes(_write_film, jobs, num), start=1):
            if progress is not None:
                progress(done, num)
    except OSError as error:
        reason = error.strerror or str(error)
        raise XrayganError(
            f"cannot write the phantom to {out}: {reason}; free the disk or name another folder "
            "(the same command goes on from here)"
        ) from error


def _in_processes(
    work: Callable[..., Any], jobs: Iterable[tuple], num: int, workers: int | None = None
) -> Iterator[Any]:
    """The results of `work` on each job, in order.

    Processes, since on arrays this small threads only wait for one another's interpreter lock;
    none where there is too little to do.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1 or num < _WORTH_PROCESSES:
        return (work(*job) for job in jobs)
    pool = Parallel(n_jobs=workers, return_as="generator")
    return iter(pool(delayed(work)(*job) for job in jobs))


# The set.


@dataclass(frozen=True)
class _Film:
    """One picture of the set, by patient, number from 1, class index and split."""

    patient: int
    number: int
    label: int
    split: str

    @property
    def path(self) -> str:
        return f"{self.split}/{CLASSES[self.label]}/phantom{self.patient:05d}_{self.number}.png"


def _films(num: int, seed: int) -> Iterator[_Film]:
    """The set's first `num` films; a longer set begins with the same ones."""
    left, patient = num, 0
    while left > 0:
        count = int(_stream(seed, patient, _COUNT).integers(1, 4))
        # Early in each ten, so that a set of a dozen films has all three splits.
        split = {1: "val", 2: "test"}.get(patient // len(CLASSES) % 10, "train")
        for number in range(1, min(count, left) + 1):
            yield _Film(patient, number, patient % len(CLASSES), split)
        left, patient = left - count, patient + 1


def _claim(out: Path, settings: dict[str, str | int]) -> None:
    """Make the folders and the note, unless the folder is somebody else's."""
    note = out / _NOTE
    if out.exists() and not out.is_dir():
        raise XrayganError(f"{out} is a file; name a folder for the phantom")
    # Listed before the note is looked for: another process may begin the same set just now.
    there = out.iterdir() if out.is_dir() else ()
    others = [path for path in there if _NOTE not in path.name and not is_litter(path)]
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != settings:
            raise XrayganError(
                f"{out} holds a phantom of other settings (see {_NOTE}); "
                "name another folder, or delete this one first"
            )
    elif others:
        raise XrayganError(
            f"{out} is not empty and holds no phantom; name a new or an empty folder"
        )
    else:  # before all else: by its note a folder is known that was cut short
        out.mkdir(parents=True, exist_ok=True)
        write_json(note, settings)
    for split in ("train", "val", "test"):
        for label in CLASSES:
            (out / split / label).mkdir(parents=True, exist_ok=True)


def _write_film(out: Path, film: _Film, resolution: int, seed: int) -> None:
    """Render and write one film, unless it is there; a power cut may have left it empty."""
    path = out / film.path
    if path.is_file() and path.stat().st_size:
        return
    image = render(film.patient, resolution, seed, film.label, film.number)
    text = PngInfo()
    text.add_text("Software", f"xraygan {__version__} phantom")
    text.add_text("Description", _DESCRIPTION.format(label=CLASSES[film.label]))
    partial = path.with_name(f".{path.name}.{os.getpid()}")  # another process may draw it too
    Image.fromarray(image).save(partial, format="PNG", pnginfo=text)
    partial.replace(path)


def _check(num: int, resolution: int, seed: int) -> None:
    """Refuse settings that cannot be used.

    Raises:
        XrayganError: says which, and what would do.
    """
    if num < 1:
        raise XrayganError(f"the phantom needs at least 1 image, not {num}; give a larger number")
    if resolution not in RESOLUTIONS:
        known = ", ".join(map(str, RESOLUTIONS))
        raise XrayganError(f"the phantom has no resolution {resolution}; choose one of {known}")
    if not 0 <= seed < 2**64:
        raise XrayganError(f"seed {seed} is out of range; choose one from 0 to 2**64 - 1")


def _stream(seed: int, patient: int, purpose: int, film: int = 0) -> np.random.Generator:
    """The random stream of one purpose: counter-based, so that no two share a number."""
    key = np.array([seed, patient], np.uint64)
    counter = np.array([0, 0, film, purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))

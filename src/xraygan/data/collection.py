"""Several folders read alike, as sets whose classes and patients can be compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraygan.config import PixelSettings
from xraygan.data.cache import read_all
from xraygan.data.dataset import Dataset, taken
from xraygan.data.dicom import is_dicom, read_dicom
from xraygan.data.duplicates import merge_patients
from xraygan.data.headers import Refusal, read_header
from xraygan.data.listing import AT_RANDOM, ImageFile
from xraygan.data.manifest import column
from xraygan.data.pseudonyms import is_of_unknown
from xraygan.data.sources import list_source
from xraygan.errors import XrayganError
from xraygan.sets import ImageSet

SYNTHETIC = "synthetic"
TRAIN = "train"
_SMALLEST, _LARGEST = 32, 512


@dataclass(frozen=True, eq=False)
class Collection:
    """Folders read alike.

    Attributes:
        sets: by role, with one list of classes.
        of_unknown_patients: how many images of each role tell no patient, and count as one each.
        files: the name of each image by role; they can tell patients.
        notes: plain sentences for the user, which may hold names of folders.
    """

    sets: Mapping[str, ImageSet]
    of_unknown_patients: Mapping[str, int]
    files: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]

    @classmethod
    def of_run(
        cls, dataset: Dataset, held_out: str, synthetic: ImageSet, notes: Sequence[str] = ()
    ) -> "Collection":
        """What a run was trained on as "train", what it held out, and "synthetic" images.

        Args:
            dataset: as the run split it.
            held_out: the role of its validation and test images.
            synthetic: may be of other classes.
            notes: for the user.
        """
        splits = {TRAIN: ("train",), held_out: ("val", "test")}
        sets = {role: dataset.image_set(*names) for role, names in splits.items()}
        sets[SYNTHETIC] = synthetic
        classes = tuple(sorted({name for part in sets.values() for name in part.classes}))
        return cls(
            {role: part.among(classes) for role, part in sets.items()},
            {role: sum(map(dataset.of_unknown_patients, names)) for role, names in splits.items()},
            {role: _files(dataset, names) for role, names in splits.items()},
            tuple(notes),
        )

    def unknown_said(self) -> list[str]:
        """A sentence for each role whose files do not tell the patients."""
        return [
            f"{count:,} of {len(self.sets[role]):,} {role} images do not tell their patient, and "
            "count as one each: films of one patient may be on both sides, and intervals are too "
            "narrow then."
            for role, count in self.of_unknown_patients.items()
            if count
        ]

    def with_unknown(self, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The facts of sets by role, and how many images of each tell no patient."""
        unknown = self.of_unknown_patients
        return {
            role: {**known} | ({"of_unknown_patients": unknown[role]} if role in unknown else {})
            for role, known in facts.items()
        }


def own_resolution(folder: Path) -> int:
    """The shorter side of a folder's first readable image, within 32 to 512 px.

    Raises:
        XrayganError: no such folder, or no readable image in it.
    """
    first = ""
    for file in list_source(folder, PixelSettings.model_validate({})).files:
        try:
            return int(np.clip(_shorter_side(file), _SMALLEST, _LARGEST))
        except Refusal as refusal:
            first = first or f" ({file.name}: {refusal})"
    raise XrayganError(
        f"no usable image in {folder}{first}; give the folder of the images, or --resolution"
    )


def _shorter_side(file: ImageFile) -> int:
    """In pixels.

    Raises:
        Refusal: no image that can be read.
    """
    data = file.place.read()
    if is_dicom(data):
        return min(read_dicom(data, salt=b"")[0].shape)
    header = read_header(data, file.name)
    return min(header.width, header.height)


def read_sets(
    folders: Mapping[str, Path],
    settings: PixelSettings,
    cache_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Collection:
    """Read folders by what they are for, all through the same path of pixels.

    A folder of real images that has `train/ val/ test/` gives `train/` where it is "train",
    and the others where it is anything else. Real patients who share a picture are one.

    Args:
        folders: by role: "synthetic", "train", and others ("real", "holdout").
        settings: resolution, fit, patients and strictness of all of them.
        cache_dir: as for `prepare`.
        progress: as for `prepare`, folder by folder.

    Raises:
        XrayganError: a folder that cannot be used, or that leaves nothing for its role.
    """
    read = {
        role: read_all(folder, settings, cache_dir, progress) for role, folder in folders.items()
    }
    rows = {role: _rows(role, dataset) for role, dataset in read.items()}
    classes = tuple(sorted({name for dataset in read.values() for name in dataset.classes}))
    patients = _patients(read)
    sets = {
        role: ImageSet(
            taken(dataset.images, rows[role]),
            np.array(
                [classes.index(label) for label in _values(dataset, "label", rows[role])], np.int32
            ),
            np.array([patients[role][row] for row in rows[role]], object),
            classes,
            _at_random(role, read, rows[role]),
        )
        for role, dataset in read.items()
    }
    unknown = {
        role: _of_unknown_patients(dataset, rows[role])
        for role, dataset in read.items()
        if role != SYNTHETIC
    }
    files = {role: _values(dataset, "name", rows[role]) for role, dataset in read.items()}
    return Collection(sets, unknown, files, tuple(_notes(read, rows)))


def _rows(role: str, dataset: Dataset) -> np.ndarray:
    """Which images a role takes, in their order."""
    training = np.array([split == "train" for split in column(dataset.manifest, "split")], bool)
    if role == SYNTHETIC or training.all() or not training.any():
        return np.arange(len(training))
    return np.flatnonzero(training if role == TRAIN else ~training)


def _values(dataset: Dataset, name: str, rows: np.ndarray) -> list[str]:
    values = column(dataset.manifest, name)
    return [values[row] for row in rows]


def _at_random(
    role: str, read: Mapping[str, Dataset], rows: np.ndarray
) -> NDArray[np.bool_] | None:
    """Whose patients were drawn from those of `--train`; known where one prepared set is both."""
    dataset, train = read[role], read.get(TRAIN)
    if train is None or not dataset.final or dataset.fingerprint != train.fingerprint:
        return None
    return np.array([told == AT_RANDOM for told in _values(dataset, "held_back", rows)], bool)


def _files(dataset: Dataset, splits: Sequence[str]) -> list[str]:
    """The names of a data set's images of some splits, in its order."""
    names, split = (column(dataset.manifest, key) for key in ("name", "split"))
    return [name for name, of in zip(names, split, strict=True) if of in splits]


def _of_unknown_patients(dataset: Dataset, rows: np.ndarray) -> int:
    """How many of these images tell no patient: their own pixels, or a key, stand for one then."""
    pixels, patients = (_values(dataset, name, rows) for name in ("pixel_sha256", "patient"))
    pairs = zip(pixels, patients, strict=True)
    return sum(own == patient or is_of_unknown(patient) for own, patient in pairs)


def _patients(read: Mapping[str, Dataset]) -> dict[str, list[str]]:
    """One key an image, the same wherever a real patient is; synthetic images are nobody's."""
    real = [role for role in read if role != SYNTHETIC]
    keys = merge_patients(
        [patient for role in real for patient in column(read[role].manifest, "patient")],
        [pixels for role in real for pixels in column(read[role].manifest, "pixel_sha256")],
    )
    patients, start = {}, 0
    for role in real:
        end = start + len(read[role].manifest)
        patients[role], start = keys[start:end], end
    if SYNTHETIC in read:
        patients[SYNTHETIC] = [f"synthetic {n}" for n in range(len(read[SYNTHETIC].manifest))]
    return patients


def _notes(read: Mapping[str, Dataset], rows: Mapping[str, np.ndarray]) -> list[str]:
    notes = []
    for role, dataset in read.items():
        if len(rows[role]) < len(dataset.images):
            which = "training" if role == TRAIN else "validation and test"
            notes.append(
                f"{role}: the folder holds splits; its {len(rows[role]):,} {which} images are used."
            )
        told = [n for n in dataset.notes if role != SYNTHETIC or "tell the patient" not in n]
        notes += [f"{role}: {note}" for note in told]
    return notes

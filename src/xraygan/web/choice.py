"""Which images a reader study shows: as many real as synthetic ones, class by class."""

import secrets

import numpy as np

from xraygan.data.dataset import Dataset
from xraygan.errors import XrayganError
from xraygan.report.wording import clean
from xraygan.web.catalogue import Missing, Run
from xraygan.web.painter import Asked, Painter
from xraygan.web.studies import Case, Study, new_study

LEAST_CASES, MOST_CASES = 10, 400


def choose(
    painter: Painter, run: Run, dataset: Dataset | None, name: str, cases: int
) -> tuple[Study, np.ndarray]:
    """A new study of a model: half of it films that the model was not trained on.

    Each real film, no two of one patient and none of a patient in the training set, is joined by a
    synthetic image of its class, so that the class says nothing. All images have the same size and
    way through the program.

    Args:
        painter: draws the synthetic images.
        run: the model.
        dataset: what it was trained on, for the validation and test films.
        name: of the study.
        cases: how many images, even.

    Returns:
        The study and its images, uint8 [cases, R, R].

    Raises:
        Missing: the data are not on this machine.
        XrayganError: an odd or impossible number, too few films, or classes of another model.
    """
    if not LEAST_CASES <= cases <= MOST_CASES or cases % 2:
        raise XrayganError(f"choose an even number of {LEAST_CASES} to {MOST_CASES} images")
    if dataset is None:
        raise Missing("the films of this run are not on this machine: prepare its data here first")
    held_out, train = dataset.image_set("val", "test"), dataset.image_set("train")
    rng = np.random.default_rng(secrets.randbits(128))
    known = set(train.patients.tolist())  # with --keep-splits they may be on both sides
    fit = np.array([patient not in known for patient in held_out.patients.tolist()], bool)
    fit &= np.isin(held_out.labels, train.labels)
    rows = np.flatnonzero(fit)[_one_a_patient(held_out.patients[fit], rng)]
    if len(rows) < cases // 2:
        raise XrayganError(
            f"{cases} images need {cases // 2} patients that the model was not trained on; "
            f"there are {len(rows)}: ask for at most {len(rows) * 2}"
        )
    rows = rows[: cases // 2]
    seed = secrets.randbelow(2**31)
    chosen, images, sha256 = [], [], ""
    for place, row in enumerate(rows):
        class_name = dataset.classes[held_out.labels[row]]
        label = run.config.data.classes.index(class_name)
        asked = Asked.parse({"label": label, "seed": seed, "index": place}, run.name)
        made = painter.picture(run.path, asked)
        if sha256 not in ("", made.model_sha256):
            raise XrayganError("the model changed meanwhile: it is training; try again")
        sha256 = made.model_sha256
        chosen += [
            Case(truth="real", class_name=class_name),
            Case(truth="synthetic", class_name=class_name, index=place),
        ]
        images += [held_out.images[row], made.pixels]
    return new_study(name, clean(run.name), sha256, seed, chosen), np.stack(images)


def _one_a_patient(patients: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One image of each patient, in random order."""
    order = rng.permutation(len(patients))
    _, first = np.unique(patients[order].astype(str), return_index=True)
    return order[np.sort(first)]

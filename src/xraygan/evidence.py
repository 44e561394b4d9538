"""The evidence on a synthetic data set, from sets of images to JSON; composition only."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from xraygan.config import AUDIT_SPACES, EVALUATION_SPACES, Extent, Settings
from xraygan.data.cache import default_cache_dir
from xraygan.data.listing import SINGLE_CLASS
from xraygan.errors import XrayganError
from xraygan.evaluation.comparison import comparable_sides
from xraygan.evaluation.feature_cache import FeatureSpace, content_hash, features
from xraygan.evaluation.fidelity import measure_fidelity
from xraygan.evaluation.spaces import BY_TENSORFLOW, CHEST_NET, OWN_SPACES, make_space
from xraygan.models.memory import WITHOUT_DEVICE, refusing_memory_faults
from xraygan.pictures import save_grid
from xraygan.privacy.audit import Audit, audit
from xraygan.privacy.correlation import aligned
from xraygan.progress import Reporter
from xraygan.runs import (
    AUDIT,
    CLOSEST_PAIRS,
    EVALUATION,
    IMITATED_FILMS,
    INTERNAL,
    MOST_IMITATED,
    private_folder,
    read_json,
    refusing_disk_faults,
    write_json,
    write_whole,
)
from xraygan.sets import ImageSet
from xraygan.version import __version__

NO_TRAINING_IMAGES = (
    "Utility was not measured: it compares with a network that is trained on real images; give "
    "them with --train, or --model and --data."
)
TAUGHT_REFERENCE = (
    f"{CHEST_NET} was taught the real images themselves, since no training images were given: its "
    "figures may be a little worse than a perfect generator's would be."
)
BY_CLASS = ", and there are no figures by class and none of utility"
"""What is missing where images lie in no class folders."""
UTILITY_PLOT = "utility.png"
GALLERY_COLUMNS = 10
LESS_MEMORY = f"{WITHOUT_DEVICE}, or measure fewer images, or smaller ones (--resolution)"
# Part of the key of stored evaluations: raise it when equal images give other figures.
_FORMAT = 12


class Measures(Settings):
    """What is to be measured, and where."""

    spaces: tuple[str, ...] = Field(
        EVALUATION_SPACES,
        min_length=1,
        description="Names of feature spaces, the main one first.",
    )
    utility: Literal["none", "basic", "full"] = Field(
        "basic", description="Which regimes of training are compared."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of every random choice.")

    def of_audit(self) -> "Measures":
        """The same, in the audit's own spaces."""
        return self.model_copy(update={"spaces": AUDIT_SPACES})


def of_run(extent: Extent, seed: int) -> Measures | None:
    """What a run of `--evidence basic` or `full` measures; None for "none"."""
    if extent == "none":
        return None
    if extent == "basic":
        return Measures.model_validate(
            {"spaces": EVALUATION_SPACES[:1], "utility": "none", "seed": seed}
        )
    return Measures.model_validate({"seed": seed})


@refusing_memory_faults("comparing images", LESS_MEMORY)
def evaluate(
    real: ImageSet,
    synthetic: ImageSet,
    train: ImageSet | None,
    measures: Measures,
    reporter: Reporter,
) -> dict[str, Any]:
    """Fidelity and, where the training images are given, utility.

    Where the images of some set lie in no class folders, all are compared with all.

    Args:
        real: images of patients whom the generator was not trained on.
        synthetic: what it made.
        train: what it was trained on: sets the scale of features and the floors.
        measures: which.
        reporter: where progress goes.

    Returns:
        What evaluation.json holds; where utility cannot be measured, its notes say why.

    Raises:
        XrayganError: too few images, an unknown space, or not enough memory.
    """
    sets = {"real": real, "synthetic": synthetic} | ({"train": train} if train else {})
    # Networks of others come first: the key has to know their weights.
    borrowed = [name for name in measures.spaces if name not in OWN_SPACES]
    spaces = _spaces(train or real, borrowed, measures.seed, reporter)
    weights = [space.fingerprint for space in spaces.values()]
    kept = _cache() / f"evaluation-{_key(sets, measures, weights)}.json"
    with suppress(XrayganError):  # a damaged file is measured again
        if (stored := read_json(kept)) is not None:
            return stored
    compared, notes = _on_equal_terms(sets, BY_CLASS)
    of_all = compared["real"], compared["synthetic"], compared.get("train")
    comparable_sides(*of_all, seed=measures.seed)  # or no network is trained
    own = [name for name in measures.spaces if name in OWN_SPACES]
    spaces |= _spaces(train or real, own, measures.seed, reporter)
    spaces = {name: spaces[name] for name in measures.spaces}
    with reporter.bar("comparing with real images", 1, "steps") as bar:
        figures = measure_fidelity(
            *of_all, spaces, cache=_cache(), seed=measures.seed, progress=bar.count
        )
    if train is None and CHEST_NET in measures.spaces:
        notes = [*notes, TAUGHT_REFERENCE]
    evaluation = {
        **figures,
        "notes": [*notes, *figures["notes"]],
        "utility": _utility(*of_all, measures, reporter),
        "sets": {name: _facts(name, images) for name, images in sets.items()},
    }
    private_folder(kept.parent)
    write_json(kept, evaluation)
    return evaluation


@refusing_memory_faults("auditing images", LESS_MEMORY)
def look_for_leaks(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    measures: Measures,
    reporter: Reporter,
    run: Path | None = None,
) -> Audit:
    """The privacy audit.

    Where the training or the held-out images lie in no class folders and the others do, members
    of all classes are told from others of all classes.

    Args:
        train: what the generator was trained on.
        holdout: images of other patients of the same source.
        synthetic: what it made.
        measures: its spaces and seed.
        reporter: where progress goes.
        run: the run whose discriminator is asked as well.

    Raises:
        XrayganError: as `evaluate`.
    """
    scores = None
    if run is not None:
        _tensorflow_in_silence()
        from xraygan.training.scores import discriminator_scores

        train_scores, holdout_scores = discriminator_scores(run, train, holdout)
        scores = train_scores, holdout_scores
    sides, notes = _on_equal_terms({"train": train, "holdout": holdout})
    train, holdout = sides["train"], sides["holdout"]
    tables = {}
    # A network taught the training films alone would tell them from others by itself.
    reference = train.joined(holdout) if CHEST_NET in measures.spaces else train
    for name, space in _spaces(reference, measures.spaces, measures.seed, reporter).items():
        described = (features(space, part.images, cache=_cache()) for part in (train, holdout))
        tables[name] = (*described, features(space, synthetic.images, cache=_cache()))
    with _Steps(reporter) as steps:
        found = audit(train, holdout, synthetic, tables, scores, seed=measures.seed, progress=steps)
    return replace(found, notes=(*notes, *found.notes))


def write_evaluation(folder: Path, evaluation: Mapping[str, Any]) -> None:
    """Write evaluation.json and a plot of the utility: figures alone, which may be shared."""
    from xraygan.evaluation.utility_plot import plot_utility

    with refusing_disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / EVALUATION, evaluation)
    utility = evaluation["utility"]
    (folder / UTILITY_PLOT).unlink(missing_ok=True)  # an earlier evaluation's
    if utility and utility.get("tstr"):
        write_whole(folder / UTILITY_PLOT, plot_utility(utility))


def write_audit(
    folder: Path,
    found: Audit,
    train: ImageSet,
    synthetic: ImageSet,
    files: Sequence[str],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write audit.json with further facts, and who is meant into `internal/`.

    That is for the house: the closest pairs with their differences; a film of each of the most
    imitated patients, most imitated first; and a table of these patients and their films.

    Args:
        folder: made where it does not exist.
        found: the audit.
        train: what was trained on, as it was audited.
        synthetic: likewise.
        files: the name of each image of `train`.
        facts: whose images these are.
    """
    with refusing_disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / AUDIT, {**found.as_dict(), **(facts or {})})
    internal = private_folder(folder / INTERNAL)
    imitated = [one["train"] for one in found.copies.most_imitated]
    for name in (MOST_IMITATED, IMITATED_FILMS):  # an earlier audit's
        (internal / name).unlink(missing_ok=True)
    if imitated:
        save_grid(internal / MOST_IMITATED, [train.images[np.array(imitated)]])
        write_whole(internal / IMITATED_FILMS, _films_of(train.patients[imitated], train, files))
    pairs = found.copies.closest_pairs
    made = synthetic.images[np.array([pair["synthetic"] for pair in pairs])]
    films = train.images[np.array([pair["train"] for pair in pairs])]
    similarity = np.array([pair["similarity"] for pair in pairs], np.float32)
    difference = np.stack([_difference(*pair) for pair in zip(made, films, strict=True)])
    buffer = BytesIO()
    np.savez_compressed(
        buffer,
        synthetic=made,
        train=films,
        difference=difference,
        similarity=similarity,
        synthetic_row=np.array([pair["synthetic"] for pair in pairs], np.int64),
        train_row=np.array([pair["train"] for pair in pairs], np.int64),
    )
    write_whole(internal / CLOSEST_PAIRS, buffer.getvalue())
    rows = []
    for start in range(0, len(pairs), GALLERY_COLUMNS):
        part = slice(start, start + GALLERY_COLUMNS)
        rows += [made[part], films[part], difference[part]]
    save_grid(internal / "closest-pairs.png", rows)


def _films_of(patients: Iterable[str], train: ImageSet, files: Sequence[str]) -> bytes:
    """A table of patients, as they are ranked, with a row for each of their films."""
    text = StringIO()
    table = csv.writer(text)
    table.writerow(("rank", "patient", "file"))
    for rank, patient in enumerate(patients, 1):
        films = np.flatnonzero(train.patients == patient).tolist()
        table.writerows((rank, patient, files[film]) for film in films)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _difference(made: np.ndarray, film: np.ndarray) -> np.ndarray:
    """The made image, laid upon the film, minus it, uint8: grey where they agree."""
    half = (aligned(made, film).astype(np.int16) - film) // 2
    return np.clip(half + 128, 0, 255).astype(np.uint8)


def _on_equal_terms(
    sets: Mapping[str, ImageSet], missing: str = ""
) -> tuple[Mapping[str, ImageSet], list[str]]:
    """The sets as they are; or all in one class, with a note, where only some tell classes.

    Args:
        sets: by role, with one list of classes.
        missing: what cannot be measured then, to be put behind the note.
    """
    flat = [
        role
        for role, part in sets.items()
        if {part.classes[label] for label in set(part.labels.tolist())} == {SINGLE_CLASS}
    ]
    if len(flat) in (0, len(sets)):
        return sets, []
    note = (
        f"The {' and the '.join(flat)} images lie in no class folders: all were compared with "
        f"all, so that the balance of classes counts as well{missing}."
    )
    return {role: part.in_one_class(SINGLE_CLASS) for role, part in sets.items()}, [note]


def _utility(
    real: ImageSet,
    synthetic: ImageSet,
    train: ImageSet | None,
    measures: Measures,
    reporter: Reporter,
) -> dict[str, Any] | None:
    if measures.utility == "none":
        return None
    if train is None:
        return {"trtr": None, "tstr": None, "trts": None, "notes": [NO_TRAINING_IMAGES]}
    _tensorflow_in_silence()
    from xraygan.evaluation.utility import measure_utility

    with reporter.bar("training on real and on synthetic images", 1, "trainings") as bar:
        return measure_utility(
            train,
            real,
            synthetic,
            extent=measures.utility,
            seeds=tuple(range(measures.seed, measures.seed + 3)),
            progress=bar.count,
        )


def _spaces(
    reference: ImageSet, names: Iterable[str], seed: int, reporter: Reporter
) -> dict[str, FeatureSpace]:
    made = {}
    for name in names:
        reporter.line(f"feature space {name} …")
        if name in BY_TENSORFLOW:
            _tensorflow_in_silence()
        made[name] = make_space(name, reference, cache=_cache(), seed=seed, phantoms=_phantoms)
    return made


def _tensorflow_in_silence() -> None:
    """Import it without its chatter, on the device that it runs on already, or a GPU."""
    from xraygan.training.device import use_device

    use_device("auto")


def _key(sets: Mapping[str, ImageSet], measures: Measures, weights: Sequence[str]) -> str:
    """Of all that decides an evaluation: equal inputs are not measured twice."""
    parts = [__version__, str(_FORMAT), measures.model_dump_json(), *weights]
    for name, images in sets.items():
        patients = "\0".join(map(str, images.patients))
        parts += [name, *images.classes, patients]
    arrays = [part for images in sets.values() for part in (images.images, images.labels)]
    return content_hash(*parts, *arrays)[:40]


def _phantoms(count: int, side: int) -> np.ndarray:
    from xraygan.data.phantom import phantom_images

    return phantom_images(count, side, seed=0)[0]


def _cache() -> Path:
    return default_cache_dir() / "features"


def _facts(name: str, images: ImageSet) -> dict[str, Any]:
    patients = None if name == "synthetic" else len(set(images.patients.tolist()))
    return {"n": len(images), "patients": patients, "sha256": content_hash(images.images)}


class _Steps(ExitStack):
    """One bar after the other, by the name of the step."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter
        self._name, self._bar = "", None

    def __call__(self, name: str, done: int, total: int) -> None:
        if name != self._name or self._bar is None:
            self.close()
            self._name = name
            self._bar = self.enter_context(self._reporter.bar(name, total, "steps"))
        self._bar.count(done, total)

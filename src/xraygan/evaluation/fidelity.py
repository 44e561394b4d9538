"""Every measure of fidelity and diversity, each with its interval, its count and its floor."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate
from xraygan.evaluation.classifier import told_apart
from xraygan.evaluation.comparison import Chosen, Rows, Sides, comparable_sides, everything
from xraygan.evaluation.feature_cache import FeatureSpace, feature_tables, features
from xraygan.evaluation.frechet import (
    UNBIASED_FROM,
    Cloud,
    figures_of_moments,
    frechet_figures,
    grouped_moments,
)
from xraygan.evaluation.intervals import (
    case_numbers,
    deletion_groups,
    deletions,
    mean_with_interval,
)
from xraygan.evaluation.kernel import Kernel
from xraygan.evaluation.neighbours import Neighbourhood, RealBalls
from xraygan.evaluation.pyramid import sliced_wasserstein_figures
from xraygan.evaluation.similarity import similarity_within
from xraygan.evaluation.spectrum import radial_spectra, spectrum_distance
from xraygan.sets import ImageSet

NEIGHBOURS = 5

Figures = dict[str, Estimate]


def measure_fidelity(
    real: ImageSet,
    synthetic: ImageSet,
    train: ImageSet | None,
    spaces: Mapping[str, FeatureSpace],
    *,
    cache: Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare synthetic images with real ones of patients the generator was not trained on.

    Overall, made images are drawn to the real class shares; then each class of several by itself.
    The floor beside a figure is the same measure of as many real images of other patients in the
    same class shares. Where intervals come from:

    | measure | interval |
    |---|---|
    | kid | spread over halves of each side, by patient (of fewer than four, by image) |
    | fid, fid_ratio, fid_all, swd, spectrum | delete-a-group jackknife by patient |
    | precision, density | bootstrap over made images, the real balls as they are |
    | recall, coverage | bootstrap by patient over real images, the made ones as they are |
    | classifier_auc | bootstrap by patient of the scores out of fold |
    | ms_ssim | bootstrap by patient |

    Args:
        real: real images; at most 10,000 are used, all of them in `fid_all`.
        synthetic: made images, each its own patient; as many as of real ones are used, and in
            `fid_all` as many as the real class shares and the control's number allow.
        train: real images the generator was trained on: where floors come from. None: from
            one half of the real patients against the other.
        spaces: where distances are measured, the main one first.
        cache: folder for features; None: nothing is kept.
        seed: equal seeds give equal figures.
        progress: called with (steps done, steps in all).

    Returns:
        Ready for JSON: a figure {"value", "low", "high", "n", "floor", "floor_low",
        "floor_high", "feature_space"} for each of kid, fid, fid_ratio, precision, recall,
        density, coverage and classifier_auc in the main space, and fid_all where there are more
        than 10,000 real and made images, the same as "kid@name" in others,
        ms_ssim, swd, swd_level_0 (the finest) and on, spectrum; "per_class": the same by class
        name, nothing where there is but one; "notes": sentences. A figure that cannot be measured
        is not there.

    Raises:
        XrayganError: under ten real or synthetic images of common classes, or the cache cannot
            be written.
        ValueError: no space, or sets of different classes or image sizes.
    """
    if not spaces:
        raise ValueError("no feature space to measure in")
    sides, notes = comparable_sides(real, synthetic, train, seed=seed)
    scopes: dict[str | None, Rows] = {None: sides.overall()}
    for label, name in enumerate(real.classes):
        rows = sides.of_class(label)
        if rows is not None and len(real.classes) > 1:  # or it would be all of it again
            scopes[name] = rows
    whole = everything(real, synthetic, train, seed=seed)
    sets = 3 if sides.control is not None else 2
    of_whole = len(whole) * len(spaces) if whole else 0
    of_scopes = len(scopes) * (len(spaces) * 4 + 3)
    steps = _Steps(sets * (len(spaces) + 1) + of_scopes + of_whole, progress)
    tables = _Tables.of(sides, spaces, cache, steps)
    found = {name: _figures(tables, rows, seed, steps) for name, rows in scopes.items()}
    notes += _reading_notes(scopes.values()) + _note_on_repeats(sides.synthetic)
    overall = found.pop(None)
    notes += _note_on_floor(overall["kid"])
    if whole:
        overall |= _of_everything(whole, spaces, seed, steps)
        notes.append(_note_on_everything(whole))
    per_class = {str(name): _as_json(figures) for name, figures in found.items()}
    return {**_as_json(overall), "per_class": per_class, "notes": notes}


@dataclass
class _Steps:
    total: int
    report: Callable[[int, int], None] | None
    done: int = 0

    def step(self) -> None:
        self.done += 1
        if self.report is not None:
            self.report(self.done, self.total)


@dataclass(frozen=True, eq=False)
class _Tables:
    """What is computed once for every image: by set, features of each space and spectra."""

    sides: Sides
    features: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    spectra: list[NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        sides: Sides,
        spaces: Mapping[str, FeatureSpace],
        cache: Path | None,
        steps: _Steps,
    ) -> "_Tables":
        tables = cls(sides)
        for part in tables.sets():
            images = part.images
            for name, space in spaces.items():
                table = features(space, images, cache=cache)
                tables.features.setdefault(name, []).append(table)
                steps.step()
            tables.spectra.append(radial_spectra(images))
            steps.step()
        return tables

    def sets(self) -> list[Chosen]:
        """Reference, synthetic and, where there is one, control."""
        sides = self.sides
        return [
            part for part in (sides.reference, sides.synthetic, sides.control) if part is not None
        ]


def _figures(tables: _Tables, rows: Rows, seed: int, steps: _Steps) -> Figures:
    """Everything for one choice of images."""
    chosen = [
        index for index in (rows.reference, rows.synthetic, rows.control) if index is not None
    ]
    patients = [part.patients[i] for part, i in zip(tables.sets(), chosen, strict=False)]
    by_space = {}
    for name, parts in tables.features.items():
        clouds = [
            Cloud(np.asarray(table[i]), who)
            for table, i, who in zip(parts, chosen, patients, strict=False)
        ]
        by_space[name] = _in_space(clouds, seed, steps)
    return _named(by_space) | _of_pixels(tables, chosen, patients, seed, steps)


def _of_everything(
    whole: list[Chosen], spaces: Mapping[str, FeatureSpace], seed: int, steps: _Steps
) -> Figures:
    """FID of all images that `everything` chose, whose features are not kept."""
    count = deletions(*(chosen.patients for chosen in whole))
    groups = [deletion_groups(chosen.patients, count, seed=seed) for chosen in whole]
    by_space = {}
    for name, space in spaces.items():
        moments = []
        for chosen, group in zip(whole, groups, strict=True):
            tables = feature_tables(space, chosen.part.images, chosen.index)
            moments.append(grouped_moments(tables, group, count))
            steps.step()
        by_space[name] = {"fid_all": figures_of_moments(moments).fid}
    return _named(by_space)


def _note_on_everything(whole: list[Chosen]) -> str:
    real, *others = (f"{len(chosen):,}" for chosen in whole)
    note = f"fid_all is of all {real} real images and of {others[0]} synthetic ones, "
    if len(others) > 1:
        note += f"its floor of {others[1]} training images of other patients, "
    return note + "in the real class shares."


def _named(by_space: Mapping[str, Figures]) -> Figures:
    """Figures of the main space by their own names, of others with the space's behind."""
    figures: Figures = {}
    for number, (name, found) in enumerate(by_space.items()):
        suffix = f"@{name}" if number else ""
        for measure, figure in found.items():
            figures[measure + suffix] = replace(figure, feature_space=name)
    return figures


def _in_space(clouds: list[Cloud], seed: int, steps: _Steps) -> Figures:
    reference, others = clouds[0], clouds[1:]
    kernel = Kernel(reference.features, reference.patients, seed=seed)
    kid = [kernel.distance(other.features, other.patients) for other in others]
    figures = {"kid": _beside(kid)}
    steps.step()
    frechet = frechet_figures(reference, *others, seed=seed)
    figures["fid"] = frechet.fid
    if frechet.ratio is not None:
        figures["fid_ratio"] = frechet.ratio
    steps.step()
    k = min(NEIGHBOURS, *(len(cloud.features) - 1 for cloud in clouds))
    balls = RealBalls(reference.features, k)
    covers = [_cover_figures(balls, reference, other, seed) for other in others]
    figures |= {name: _beside([cover[name] for cover in covers]) for name in covers[0]}
    steps.step()
    if min(_patients(cloud) for cloud in clouds) > 1:
        told = [
            told_apart(
                reference.features, other.features, reference.patients, other.patients, seed=seed
            )
            for other in others
        ]
        figures["classifier_auc"] = _beside(told)
    steps.step()
    return figures


def _cover_figures(balls: RealBalls, reference: Cloud, other: Cloud, seed: int) -> Figures:
    found = balls.around(other.features)
    return {
        "precision": mean_with_interval(found.balls > 0, other.patients, seed=seed),
        "recall": mean_with_interval(found.recalled, reference.patients, seed=seed),
        "density": _density(found, other.patients, seed),
        "coverage": mean_with_interval(found.covered, reference.patients, seed=seed),
    }


def _density(found: Neighbourhood, patients: NDArray[np.object_], seed: int) -> Estimate:
    """Where no image is in any ball, as many as precision's interval allows may be real ones."""
    density = mean_with_interval(found.balls / found.k, patients, seed=seed)
    if density.high > 0:
        return density
    inside = mean_with_interval(found.balls > 0, patients, seed=seed)
    return replace(density, high=inside.high)  # density is about 1 for real images


def _of_pixels(
    tables: _Tables,
    chosen: list[NDArray[np.intp]],
    patients: list[NDArray[np.object_]],
    seed: int,
    steps: _Steps,
) -> Figures:
    parts = [part.image_set(i) for part, i in zip(tables.sets(), chosen, strict=False)]
    spectra = [table[i] for table, i in zip(tables.spectra, chosen, strict=False)]
    figures = _alikeness(parts, seed)
    steps.step()
    textures = [
        sliced_wasserstein_figures(
            parts[0].images, part.images, parts[0].patients, part.patients, seed=seed
        )
        for part in parts[1:]
    ]
    figures["swd"] = _beside([mean for mean, _ in textures])
    for level in range(len(textures[0][1])):
        figures[f"swd_level_{level}"] = _beside([levels[level] for _, levels in textures])
    steps.step()
    distances = [
        spectrum_distance(spectra[0], other, patients[0], who, seed=seed)
        for other, who in zip(spectra[1:], patients[1:], strict=True)
    ]
    figures["spectrum"] = _beside(distances)
    steps.step()
    return figures


def _alikeness(parts: list[ImageSet], seed: int) -> Figures:
    """Of made images within a class; the floor is that of the control, or else the reference."""
    made, real = (
        similarity_within(part.images, part.labels, part.patients, seed=seed)
        for part in (parts[1], parts[2] if len(parts) > 2 else parts[0])
    )
    if made is None:
        return {}
    return {"ms_ssim": made if real is None else made.beside(real)}


def _beside(found: list[Estimate]) -> Estimate:
    """The figure of the made images, with that of the control where there is one."""
    return found[0] if len(found) == 1 else found[0].beside(found[1])


def _patients(cloud: Cloud) -> int:
    return int(case_numbers(cloud.patients).max()) + 1


def _as_json(figures: Figures) -> dict[str, dict[str, Any]]:
    return {name: figure.as_dict() for name, figure in figures.items()}


def _note_on_repeats(synthetic: Chosen) -> list[str]:
    """A sentence on images that are there more than once."""
    different = len({sha256(image.tobytes()).digest() for image in synthetic.each()})
    if different == len(synthetic):
        return []
    return [
        f"Of {len(synthetic):,} synthetic images {len(synthetic) - different:,} are exact repeats "
        "of others: figures rest on fewer images than they say, and intervals are too narrow."
    ]


def _note_on_floor(kid: Estimate) -> list[str]:
    """A sentence where the real images that give the floor are not alike."""
    if kid.floor_low is None or kid.floor_low <= 0:
        return []
    return [
        f"The real images of the floor differ from the others by themselves: their KID is "
        f"{kid.floor:.2g} ({kid.floor_low:.2g} to {kid.floor_high:.2g}) and not 0. Figures cannot "
        "be expected to come below it."
    ]


def _reading_notes(scopes: Iterable[Rows]) -> list[str]:
    n = min(len(part) for rows in scopes for part in (rows.reference, rows.synthetic))
    notes = [
        "Precision, recall, density and coverage depend on how many images are compared: read "
        "them beside their floors."
    ]
    if n < UNBIASED_FROM:
        notes.append(
            f"FID is biased upwards below {UNBIASED_FROM:,} images a side ({n:,} here, in the "
            "smallest comparison): read it beside its floor, not beside published figures. KID has "
            "no such bias."
        )
    return notes

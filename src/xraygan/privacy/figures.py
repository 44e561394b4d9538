"""The copy check in figures, pairs and counts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, bootstrap, proportion
from xraygan.evaluation.intervals import mean_with_interval
from xraygan.privacy.classic import authenticity, data_copying
from xraygan.privacy.correlation import best_correlation
from xraygan.privacy.examination import PIXELS, Examination, Patients
from xraygan.privacy.ratios import Nearest
from xraygan.sets import ImageSet

CLOSEST_PAIRS = 20
MOST_IMITATED = 10


def copied_share(seen: Examination, holdout_patients: NDArray[np.intp]) -> Estimate:
    """The share of synthetic images that are nearer to a patient than chance explains.

    (share beyond the level - chance) / (1 - chance), at least 0. Where the level lies among real
    images is itself known within limits: the lower end takes off the most that chance may be, the
    upper end nothing. The floor is the same of held-out images.
    """
    from scipy.stats import beta

    level, real = seen.excesses[-1], len(seen.null.lead)
    rank = round(level.chance * real)
    most = float(beta.ppf(0.975, rank, real - rank + 1))
    control = seen.holdout.lead > level.level / seen.style
    passed = proportion(int(seen.close.sum()), len(seen.close))
    honest = mean_with_interval(control, holdout_patients.astype(object))
    return _spaced(_above_chance(passed, level.chance, most), seen).beside(
        _above_chance(honest, level.chance, most)
    )


def imitated_share(seen: Examination) -> Estimate:
    """The same with each imitated patient counted once: what the excess rule goes by."""
    level = seen.excesses[-1]
    return _above_chance(proportion(level.found, level.n), level.chance, level.chance)


def view_figures(seen: Examination, holdout_patients: NDArray[np.intp]) -> dict[str, Estimate]:
    """Every figure of one view, the headline first; other views than pixels go by "@name"."""
    figures = {
        "copied_share": copied_share(seen, holdout_patients),
        "certain_copies": proportion(int(seen.certain.sum()), len(seen.certain)).beside(
            mean_with_interval(seen.holdout.log_ratio > seen.bound, holdout_patients.astype(object))
        ),
        "nearest_is_training": _share(_nearer(seen.synthetic, seen.synthetic_unseen)).beside(
            _share(_nearer(seen.null, seen.null_unseen))
        ),
        "calibrated_ratio": _median(seen.synthetic.ratio).beside(
            _median(seen.holdout.ratio, holdout_patients)
        ),
        "calibrated_ratio_to_holdout": _median(seen.synthetic_unseen.ratio).beside(
            _median(seen.null_unseen.ratio)
        ),
    }
    at = "" if seen.name == PIXELS else f"@{seen.name}"
    figures = {f"{key}{at}": _spaced(figure, seen) for key, figure in figures.items()}
    if seen.repeated is not None:
        figures["repeated_copies"] = proportion(*seen.repeated)
    for kind, (recognised, n) in seen.planted.items():
        figures[f"planted_{kind}"] = proportion(recognised, n)
    return figures


def correlation_figures(
    train: ImageSet,
    holdout: ImageSet,
    synthetic: ImageSet,
    seen: Examination,
    patient: NDArray[np.intp],
) -> tuple[dict[str, Estimate], NDArray[np.float32], NDArray[np.intp]]:
    """Correlation of pixels with the nearest training image, shifts and flips allowed.

    Looked for among the candidates of the pixel view.

    Args:
        train: the references.
        holdout: the control.
        synthetic: the queries.
        seen: the pixel view's examination.
        patient: of each training image, numbers [N].

    Returns:
        The figure beside the control; and, of the patient whom the view finds nearest to each
        synthetic image, the training image that correlates best: its correlation [S] and
        index, int [S].
    """
    made, real = (
        best_correlation(images.images, train.images, nearest.candidates)
        for images, nearest in ((synthetic, seen.synthetic), (holdout, seen.holdout))
    )
    control = _median(real.max(axis=1), holdout.patients)
    figure = _median(made.max(axis=1)).beside(control)
    theirs = patient[seen.synthetic.candidates] == seen.synthetic.patient[:, None]
    best = np.where(theirs, made, -np.inf).argmax(axis=1)[:, None]
    correlation = np.take_along_axis(made, best, axis=1)[:, 0]
    index = np.take_along_axis(seen.synthetic.candidates, best, axis=1)[:, 0]
    return {"nearest_correlation": figure}, correlation, index


def classic_figures(
    name: str, tables: tuple[NDArray, NDArray, NDArray], holdout: ImageSet, seed: int
) -> dict[str, Estimate]:
    """AuthPct and C_T in a feature space, each beside what real images would show."""
    train, held_out, synthetic = tables
    figures = {
        "auth_pct": authenticity(train, synthetic).beside(
            authenticity(train, held_out, holdout.patients)
        ),
        "c_t": data_copying(train, held_out, synthetic, holdout.patients, seed=seed),
    }
    return {f"{key}@{name}": _spaced(figure, name) for key, figure in figures.items()}


def closest_pairs(
    seen: Examination, correlation: NDArray[np.float32], index: NDArray[np.intp]
) -> tuple[dict[str, float | int], ...]:
    """The most suspicious pairs, smallest calibrated ratio first."""
    worst = np.lexsort((-correlation, -seen.synthetic.log_ratio))[:CLOSEST_PAIRS]
    return tuple(
        {
            "synthetic": int(row),
            "train": int(index[row]),
            "similarity": float(correlation[row]),
            "ratio": float(seen.synthetic.ratio[row]),
        }
        for row in worst
    )


def most_imitated(
    examinations: Sequence[Examination], patients: Patients
) -> tuple[dict[str, int], ...]:
    """How many synthetic images are closer than chance to one patient, highest counts first.

    An image counts once for a patient, whichever views say so. "train" is the row of the first of
    the patient's films, which says who it is to whoever has the training set.
    """
    pairs = [
        np.stack([rows, seen.synthetic.patient[rows]])
        for seen in examinations
        for rows in [np.flatnonzero(seen.close | seen.certain)]
    ]
    imitated = np.unique(np.concatenate(pairs, axis=1), axis=1)[1]
    close = np.bincount(imitated, minlength=patients.number.max() + 1)
    ranked = np.argsort(-close, kind="stable")[:MOST_IMITATED]
    return tuple(
        {
            "images": int(close[patient]),
            "train": int(np.argmax(patients.number == patient)),
        }
        for patient in ranked
        if close[patient]
    )


def _above_chance(share: Estimate, chance: float, most: float) -> Estimate:
    """What is left of a share when chance is taken off; from its lower end, the most it may be.

    The upper end takes nothing off: chance may have let fewer pass than it does among real
    images, and then all that passed may be copies.
    """
    value, low = (
        max((end - taken) / (1 - taken), 0.0)
        for end, taken in ((share.value, chance), (share.low, most))
    )
    return Estimate(value, low, share.high, share.n)


def _nearer(training: Nearest, unseen: Nearest) -> NDArray[np.bool_]:
    return training.similarity > unseen.similarity


def _share(mask: NDArray[np.bool_]) -> Estimate:
    return proportion(int(mask.sum()), len(mask))


def _median(values: NDArray[np.floating], patients: NDArray | None = None) -> Estimate:
    """With an interval over patients; None: every value is of its own."""
    groups = np.arange(len(values)) if patients is None else patients
    return bootstrap(lambda rows: float(np.median(values[rows])), groups.astype(object))


def _spaced(figure: Estimate, where: Examination | str) -> Estimate:
    name = where if isinstance(where, str) else where.name
    return replace(figure, feature_space=None if name == PIXELS else name)

"""How good a classifier's probabilities are, from arrays, for many resamples at once.

Every score takes weights [..., N] and gives one figure for each leading index. A bootstrap
resample is a row of how often each record was drawn: a thousand of them cost about as much as
ten separate ones would.
"""

import numpy as np
from numpy.typing import NDArray

BINS = 15
_ENTRIES_AT_ONCE = 1 << 22


def auc(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    weights: NDArray[np.number] | None = None,
) -> NDArray[np.float64]:
    """Area under the ROC curve; for more than two classes the mean of one against the rest.

    Args:
        labels: [N] in [0, C); every class must occur.
        probabilities: [N, C], or any scores that rise with the class's probability.
        weights: [..., N], at least 0; None: all equal.

    Returns:
        [...] in [0, 1]; ties count half; NaN where a resample holds one class alone.

    Raises:
        ValueError: shapes that do not fit, fewer than two classes, or a class without a record.

    Source: Mann and Whitney 1947; the mean over classes as in Provost and Domingos 2000, with
    equal class weights.
    """
    weights = _checked(labels, probabilities, weights)
    classes = probabilities.shape[1]
    chosen = range(classes) if classes > 2 else (1,)
    return np.mean([_binary_auc(labels == k, probabilities[:, k], weights) for k in chosen], axis=0)


def sensitivity(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    finding: int | None,
    weights: NDArray[np.number] | None = None,
) -> NDArray[np.float64]:
    """The share of a class's records that are given to it: its most probable class decides.

    Args:
        labels: as for `auc`.
        probabilities: as for `auc`.
        finding: the class that counts as ill; None: the mean over all classes.
        weights: as for `auc`.

    Returns:
        [...] in [0, 1]; NaN where a resample lacks a class.

    Raises:
        ValueError: as for `auc`.
    """
    weights = _checked(labels, probabilities, weights)
    given = probabilities.argmax(axis=1)
    chosen = range(probabilities.shape[1]) if finding is None else (finding,)
    return np.mean([_share(given == k, labels == k, weights) for k in chosen], axis=0)


def specificity(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    finding: int | None,
    weights: NDArray[np.number] | None = None,
) -> NDArray[np.float64]:
    """The share of records of other classes that are not given to a class.

    Arguments, result and errors as for `sensitivity`.
    """
    weights = _checked(labels, probabilities, weights)
    given = probabilities.argmax(axis=1)
    chosen = range(probabilities.shape[1]) if finding is None else (finding,)
    return np.mean([_share(given != k, labels != k, weights) for k in chosen], axis=0)


def calibration_error(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    weights: NDArray[np.number] | None = None,
    *,
    bins: int = BINS,
) -> NDArray[np.float64]:
    """Expected calibration error (ECE): how far stated confidence lies from what came true.

    Records are sorted by the probability of their most probable class into bins ((b - 1) / B,
    b / B]; ECE is the mean over records of |accuracy - mean confidence| of their bin. Chance
    alone keeps it above zero, the more so the fewer the records: compare equal counts.

    Args:
        labels: as for `auc`.
        probabilities: [N, C], rows sum to 1.
        weights: as for `auc`.
        bins: B, of equal width.

    Returns:
        [...] in [0, 1].

    Raises:
        ValueError: as for `auc`.

    Source: Guo et al. 2017, arXiv 1706.04599, equation 3.
    """
    weights = _checked(labels, probabilities, weights)
    confidence = probabilities.max(axis=1)
    excess = (probabilities.argmax(axis=1) == labels) - confidence
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    in_bin = np.zeros((len(labels), bins))
    in_bin[np.arange(len(labels)), bin_of] = excess
    return np.abs(weights @ in_bin).sum(axis=-1) / weights.sum(axis=-1)


def equal_classes(
    labels: NDArray[np.integer], weights: NDArray[np.number] | None = None
) -> NDArray[np.float64]:
    """Weights under which all classes are equally frequent.

    Args:
        labels: [N] in [0, C); every class must occur.
        weights: [..., N] to begin from; None: all equal.

    Returns:
        [..., N]; each class's weights sum to 1.

    Raises:
        ValueError: a class without weight.
    """
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    indicator = labels[:, None] == np.arange(labels.max() + 1)
    totals = weights @ indicator
    if not totals.all():
        raise ValueError("a class has no weight in a resample: draw patients class by class")
    return weights / totals[..., labels]


def _binary_auc(
    positive: NDArray[np.bool_], scores: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    hit = positive[order]
    shape = weights.shape[:-1]
    result = np.empty(int(np.prod(shape)))
    rows = weights.reshape(len(result), -1)
    step = max(1, _ENTRIES_AT_ONCE // len(order))
    for start in range(0, len(rows), step):
        part = rows[start : start + step][:, order]
        ill = np.add.reduceat(part * hit, ties, axis=1)
        well = np.add.reduceat(part * ~hit, ties, axis=1)
        below = np.cumsum(well, axis=1) - well / 2
        with np.errstate(invalid="ignore"):
            won = (ill * below).sum(axis=1) / (ill.sum(axis=1) * well.sum(axis=1))
        result[start : start + step] = won
    return result.reshape(shape)


def _share(
    counted: NDArray[np.bool_], among: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return (weights @ (counted & among)) / (weights @ among)


def _checked(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    weights: NDArray[np.number] | None,
) -> NDArray[np.float64]:
    """The weights, float64 [..., N]."""
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    if probabilities.ndim != 2 or not len(labels) == len(probabilities) == weights.shape[-1]:
        raise ValueError(
            f"labels {labels.shape}, probabilities {probabilities.shape} and weights "
            f"{weights.shape}: expected [N], [N, C] and [..., N]"
        )
    found = np.unique(labels)
    if len(found) < 2 or not np.array_equal(found, np.arange(probabilities.shape[1])):
        raise ValueError(f"classes {found} occur of {probabilities.shape[1]}: every one must, >= 2")
    return weights

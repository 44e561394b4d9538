"""Can a linear classifier tell made images from real ones by their features?"""

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, uncertain
from xraygan.evaluation.intervals import deletion_groups, percentile_interval, resampled_weights

FOLDS = 5
PENALTY = 0.01
"""C of the logistic regression: strong enough for more features than images."""


def told_apart(
    real: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    real_patients: NDArray[np.object_],
    synthetic_patients: NDArray[np.object_],
    *,
    seed: int = 0,
) -> Estimate:
    """AUC of telling synthetic from real, on images and patients the classifier did not see.

    Images with equal features count as of one patient, so that a repeated image is not in the
    training and in the test.

    0.5 is a perfect generator, 1 is always told. Five folds of whole patients; the images'
    scores are pooled. The interval is a bootstrap by patient of the pooled scores: it does not
    train again, so it is for other test images, not for other training images. Where nothing
    can be told the figure may lie a little below 0.5.

    Args:
        real: [N, D] features.
        synthetic: [M, D] features.
        real_patients: [N].
        synthetic_patients: [M].
        seed: of folds and bootstrap.

    Returns:
        The AUC; n is min(N, M).

    Raises:
        ValueError: fewer than 2 patients on a side.

    Source: Lopez-Paz and Oquab 2017, arXiv 1610.06545 (classifier two-sample test).
    """
    patients = _of_one(real, real_patients), _of_one(synthetic, synthetic_patients)
    folds = min(FOLDS, *(len(set(side.tolist())) for side in patients))
    if folds < 2:
        raise ValueError("one patient on a side: nothing to test on")
    table = np.concatenate([real, synthetic]).astype(np.float32)
    is_synthetic = np.repeat([False, True], [len(real), len(synthetic)])
    fold = np.concatenate([deletion_groups(side, folds, seed=seed) for side in patients])
    scores = _scores_out_of_fold(table, is_synthetic, fold)
    weights = [resampled_weights(side, seed=seed + i) for i, side in enumerate(patients)]
    rank = np.unique(scores, return_inverse=True)[1]
    ones = np.ones((1, len(scores)))
    drawn = _weighted_auc(rank, is_synthetic, np.concatenate(weights, axis=1))
    value = float(_weighted_auc(rank, is_synthetic, ones)[0])
    found = percentile_interval(value, drawn, min(len(real), len(synthetic)))
    return uncertain(found, min(len(set(side.tolist())) for side in patients))


def _of_one(features: NDArray[np.floating], patients: NDArray[np.object_]) -> NDArray[np.object_]:
    """Whose each image is, [N]: of equal images that of the first, unless all are equal."""
    _, first, which = np.unique(features, axis=0, return_index=True, return_inverse=True)
    return patients[first[which.reshape(-1)]] if len(first) > 1 else patients


def _scores_out_of_fold(
    table: NDArray[np.float32], is_synthetic: NDArray[np.bool_], fold: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Log odds of being synthetic, each from the classifier that was not shown its fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.empty(len(table))
    for left_out in range(fold.max() + 1):
        test = fold == left_out
        model = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=PENALTY, class_weight="balanced", solver="newton-cholesky"),
        )
        model.fit(table[~test], is_synthetic[~test])
        scores[test] = model.decision_function(table[test])
    return scores


def _weighted_auc(
    rank: NDArray[np.intp], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """AUC for each row of weights [B, N]; ties count one half."""
    count = int(rank.max()) + 1
    found = np.empty(len(weights))
    for row, weight in enumerate(weights):
        of_positive = np.bincount(rank, weight * positive, count)
        of_negative = np.bincount(rank, weight * ~positive, count)
        below = np.cumsum(of_negative) - of_negative / 2
        found[row] = (of_positive @ below) / (of_positive.sum() * of_negative.sum())
    return found

"""The blind control: can members be told from others with no synthetic image at all?"""

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.roc import Suspects

FOLDS = 5


def blind_scores(
    suspects: Suspects, described: NDArray[np.floating], *, seed: int = 0
) -> NDArray[np.float64]:
    """Scores of a linear classifier of members, each by one that never saw the patient.

    Patients are dealt into five folds; a logistic regression, strongly regularised, is fitted on
    four and scores the fifth.

    Args:
        suspects: members and others.
        described: [N, K], anything that describes the images alone.
        seed: of the folds.

    Returns:
        [N], higher for what looks like a member; log odds, so that folds can be compared.

    Source: a classifier two-sample test, Lopez-Paz and Oquab 2017, arXiv 1610.06545; as a control
    of membership attacks, Das et al. 2024, arXiv 2406.16201.
    """
    from sklearn.linear_model import LogisticRegression

    _, patients = np.unique(suspects.patients.astype(str), return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(patients.max() + 1) % FOLDS)[patients]
    table = np.asarray(described, np.float64)
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    # Divided so that the penalty does not depend on how many columns there are.
    table /= np.sqrt(table.shape[1])
    scores = np.zeros(len(table))
    for number in range(FOLDS):
        test = fold == number
        if not test.any() or len(np.unique(suspects.member[~test])) < 2:
            continue
        model = LogisticRegression(class_weight="balanced", max_iter=500)
        model.fit(table[~test], suspects.member[~test])
        scores[test] = model.decision_function(table[test])
    return scores

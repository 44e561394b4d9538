"""What readers of a visual Turing test tell us: how well they do, and whether they agree."""

import numpy as np
from numpy.typing import NDArray

from xraygan.estimates import Estimate, bootstrap, proportion, unseen, widened


def reading_figures(
    synthetic: NDArray[np.bool_], said_synthetic: NDArray[np.bool_]
) -> dict[str, Estimate]:
    """How well one reader tells synthetic images from real ones.

    Args:
        synthetic: [N], the truth.
        said_synthetic: [N], the answers.

    Returns:
        `accuracy`; `sensitivity`, the share of synthetic images that were called so;
        `specificity`, the share of real images that were called real. Each with its exact
        95 % interval; a share of no image is left out.

    Raises:
        ValueError: no answer, or counts that differ.
    """
    if not len(synthetic) or synthetic.shape != said_synthetic.shape:
        raise ValueError(f"{synthetic.shape} truths and {said_synthetic.shape} answers")
    right = synthetic == said_synthetic
    parts = {
        "accuracy": right,
        "sensitivity": right[synthetic],
        "specificity": right[~synthetic],
    }
    return {name: proportion(int(p.sum()), len(p)) for name, p in parts.items() if len(p)}


def fleiss_kappa(counts: NDArray[np.integer]) -> float:
    """Agreement beyond chance of several readers: 1 all agree, 0 as chance would have it.

    With n readers, p_j the share of all answers that are j, and n_ij of the readers who gave
    image i the answer j: κ = (P - P_e) / (1 - P_e), P = mean of (Σ_j n_ij² - n) / (n (n - 1)),
    P_e = Σ_j p_j².

    Args:
        counts: [images, answers], how many readers gave each answer; equal sums over answers.

    Returns:
        κ; not a number where every answer of every reader is the same one.

    Raises:
        ValueError: fewer than two readers, no image, or different numbers of readers.

    Source: Fleiss 1971, Psychological Bulletin 76, doi 10.1037/h0031619, equations 1 to 7.
    """
    if counts.ndim != 2 or not len(counts):
        raise ValueError(f"counts of shape {counts.shape}: expected [images, answers]")
    readers = int(counts[0].sum())
    if readers < 2 or (counts.sum(axis=1) != readers).any():
        raise ValueError("expected the same two or more readers for every image")
    observed = ((counts**2).sum(axis=1) - readers).mean() / (readers * (readers - 1))
    expected = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")


def agreement(answers: NDArray[np.bool_]) -> Estimate | None:
    """Fleiss' kappa of several readers with a bootstrap interval over images.

    Args:
        answers: [readers, images], whether each called each image synthetic.

    Returns:
        The figure; None for fewer than two readers or images, or where it has no value. Where no
        resample differs the interval allows for as many images otherwise as may go unseen (Clopper
        and Pearson).
    """
    if len(answers) < 2 or answers.shape[1] < 2:
        return None
    said = answers.sum(axis=0)
    counts = np.stack([said, len(answers) - said], axis=1)
    whole = fleiss_kappa(counts)
    if np.isnan(whole):
        return None

    def of_rows(rows: NDArray[np.intp]) -> float:
        value = fleiss_kappa(counts[rows])
        return 1.0 if np.isnan(value) else value  # all readers, all alike in this draw

    images = np.arange(len(counts)).astype(object)
    found = bootstrap(of_rows, images, resamples=1000)
    expected = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return widened(found, unseen(len(counts)) / (1 - expected), least=-1.0)

"""Features whose correlations are evened out, so that no single axis outweighs the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class Decorrelation:
    """A linear map fitted on real features.

    Attributes:
        mean: float64 [D].
        matrix: float64 [D, D].
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Decorrelate.

        Args:
            features: [N, D].

        Returns:
            float64 [N, D].

        Raises:
            ValueError: another number of features than in the reference.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(
                f"features of shape {features.shape}: the reference had {len(self.mean)} a row; "
                "are the images of another size?"
            )
        return (features - self.mean) @ self.matrix


def decorrelate(reference: NDArray[np.floating]) -> Decorrelation:
    """Fit on real images.

    Features are divided by their standard deviations, then multiplied by (C + I)^(-1/2), C being
    their correlations: an axis of more than average variance is evened out, one of less is left
    nearly as it is, so that a small reference decides little.

    Args:
        reference: [N, D] features of real images, N at least 2.

    Returns:
        The map.

    Raises:
        ValueError: fewer than two rows.

    Source: Kessy et al. 2018, arXiv 1512.00809, ZCA-cor whitening; adding the identity is ours.
    """
    if reference.ndim != 2 or len(reference) < 2:
        raise ValueError(f"reference of shape {reference.shape}: expected [N >= 2, D]")
    mean = reference.mean(axis=0, dtype=np.float64)
    spread = np.maximum(reference.std(axis=0, dtype=np.float64), _LEAST_SPREAD)
    normal = (reference - mean) / spread
    variances, axes = np.linalg.eigh(normal.T @ normal / len(normal))
    evened = (axes / np.sqrt(np.maximum(variances, 0) + 1)) @ axes.T
    return Decorrelation(mean, evened / spread[:, None])

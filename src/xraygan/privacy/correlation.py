"""Plain correlation of pixels between images that may be shifted or mirrored copies."""

import numpy as np
from numpy.typing import NDArray

from xraygan.privacy.views import margin_of, shrunk, standardised


def best_correlation(
    queries: NDArray[np.uint8], references: NDArray[np.uint8], candidates: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Pearson's correlation with some references, the best over small shifts and a flip.

    A window of the query, moved by up to a sixteenth of the side each way, is compared with the
    middle of the reference: what a shift brings in from outside is never looked at.

    Args:
        queries: uint8 [Q, H, W].
        references: uint8 [M, H, W]; sides over 64 px are area-averaged to 64 in both.
        candidates: int [Q, C], which references each query is compared with.

    Returns:
        float32 [Q, C] in [-1, 1]; 0 with a flat window.

    Raises:
        TypeError: not uint8.
        ValueError: images of different sizes, or sides under 16 px.
    """
    if queries.shape[1:] != references.shape[1:]:
        raise ValueError(
            f"images of shapes {queries.shape} and {references.shape}: expected one size"
        )
    used, place = np.unique(candidates, return_inverse=True)
    place = place.reshape(candidates.shape)
    others = shrunk(references, used)
    margin = margin_of(others)
    size = (others.shape[1] - 2 * margin, others.shape[2] - 2 * margin)
    result = np.empty(candidates.shape, np.float32)
    for row in range(len(queries)):
        image = shrunk(queries[row : row + 1])[0]
        both = np.stack([image, image[:, ::-1]])
        windows = np.lib.stride_tricks.sliding_window_view(both, size, (1, 2))
        middles = others[place[row], margin : margin + size[0], margin : margin + size[1]]
        result[row] = (_standard(windows.reshape(-1, *size)) @ _standard(middles).T).max(axis=0)
    return np.clip(result, -1, 1)


def aligned(query: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The query as it lies best upon the reference: moved, and mirrored if that is nearer.

    Args:
        query: uint8 [H, W].
        reference: uint8 [H, W].

    Returns:
        uint8 [H, W]; what a shift brings in repeats the edge.
    """
    small, other = shrunk(np.stack([query, reference]))
    margin = margin_of(small[None])
    size = (small.shape[0] - 2 * margin, small.shape[1] - 2 * margin)
    both = np.stack([small, small[:, ::-1]])
    windows = np.lib.stride_tricks.sliding_window_view(both, size, (1, 2))
    middle = other[None, margin : margin + size[0], margin : margin + size[1]]
    found = (_standard(windows.reshape(-1, *size)) @ _standard(middle).T).reshape(windows.shape[:3])
    mirrored, *corner = np.unravel_index(int(found.argmax()), found.shape)
    scale = len(query) / len(small)
    pad = round(margin * scale)
    padded = np.pad(query[:, ::-1] if mirrored else query, pad, "edge")
    top, left = (pad + round((int(place) - margin) * scale) for place in corner)
    return padded[top : top + query.shape[0], left : left + query.shape[1]]


def _standard(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rows [N, P] with mean 0 and length 1; flat ones are zero."""
    return standardised(images.reshape(len(images), -1).astype(np.float32))[0]

"""The order in which images are shown: a pure function of the seed and the images seen."""

import numpy as np


class BatchOrder:
    """Endless shuffled passes over N images; batch position is a pure function of images seen.

    Training that stops and resumes at any image count, with any batch size, sees the very
    images that an uninterrupted run sees.

    Args:
        num_images: images in the data set, at least 1; may be fewer than a batch.
        seed: seed of the shuffling, 0 or more, below 2**64.

    Raises:
        ValueError: no images, or a seed out of range.
    """

    def __init__(self, num_images: int, seed: int) -> None:
        if num_images < 1:
            raise ValueError(f"num_images must be at least 1, not {num_images}")
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed must be in [0, 2**64), not {seed}")
        self._num_images = num_images
        self._seed = seed
        self._permutations: dict[int, np.ndarray] = {}

    def indices(self, images_seen: int, count: int) -> np.ndarray:
        """The images that follow the first `images_seen` ones.

        Args:
            images_seen: images shown before, 0 or more.
            count: how many indices, 0 or more; may cross any number of epoch borders.

        Returns:
            int32 [count], each in [0, num_images).

        Raises:
            ValueError: a negative argument.
        """
        if images_seen < 0 or count < 0:
            raise ValueError(f"negative images_seen ({images_seen}) or count ({count})")
        result = np.empty(count, np.int32)
        filled = 0
        while filled < count:
            epoch, start = divmod(images_seen + filled, self._num_images)
            part = self._permutation(epoch)[start : start + count - filled]
            result[filled : filled + len(part)] = part
            filled += len(part)
        return result

    def epoch(self, images_seen: int) -> float:
        """Passes over the data set done after `images_seen` images, a fraction included."""
        return images_seen / self._num_images

    def _permutation(self, epoch: int) -> np.ndarray:
        """Permutation of one epoch, int32 [num_images]; the newest two are remembered."""
        if epoch not in self._permutations:
            # Philox is counter-based: key (seed, epoch) gives unrelated streams for each pair.
            key = np.array([self._seed, epoch], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            order = generator.permutation(self._num_images).astype(np.int32)
            while len(self._permutations) >= 2:
                del self._permutations[next(iter(self._permutations))]
            self._permutations[epoch] = order
        return self._permutations[epoch]

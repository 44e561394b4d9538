"""Labelled images in memory: what every measure takes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


def some_rows(count: int, most: int, seed: int) -> NDArray[np.intp]:
    """All rows of `count`, or `most` of them by chance; ascending."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their classes and patients.

    Attributes:
        images: uint8 [N, H, W]; may be a memory map.
        labels: int32 [N], index into `classes`.
        patients: object [N], keys that are equal where the patient is; nothing else about
            them may be shown. Synthetic images each have their own.
        classes: names, sorted.
        at_random: bool [N], whether the patient was drawn at random from those to train on; None:
            it is not known of any.

    Raises:
        TypeError: images that are not uint8.
        ValueError: counts that differ, images that are not [N, H, W], or a label without a class.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    patients: NDArray[np.object_]
    classes: tuple[str, ...]
    at_random: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8:
            raise TypeError(f"images are {self.images.dtype}: expected uint8")
        if self.images.ndim != 3:
            raise ValueError(f"images of shape {self.images.shape}: expected [N, H, W]")
        counts = {len(self.images), len(self.labels), len(self.patients)}
        if self.at_random is not None:
            counts.add(len(self.at_random))
        if len(counts) > 1:
            raise ValueError(f"images, labels and patients differ in number: {sorted(counts)}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ValueError(f"labels outside 0 to {len(self.classes) - 1}")

    @classmethod
    def of_nobody(
        cls,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        classes: tuple[str, ...],
        name: str = "synthetic",
    ) -> "ImageSet":
        """Synthetic images: each has a patient of its own, called by `name` and its number."""
        patients = np.array([f"{name} {number}" for number in range(len(images))], object)
        return cls(images, labels, patients, classes)

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "ImageSet":
        """The images at these positions, in this order."""
        at_random = None if self.at_random is None else self.at_random[index]
        return replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            patients=self.patients[index],
            at_random=at_random,
        )

    def joined(self, other: "ImageSet") -> "ImageSet":
        """These images, then the other set's.

        Raises:
            ValueError: images of another size, or other classes.
        """
        if self.classes != other.classes:
            raise ValueError(f"sets of different classes: {self.classes} and {other.classes}")
        at_random = [
            np.zeros(len(part), bool) if part.at_random is None else part.at_random
            for part in (self, other)
        ]
        return ImageSet(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.patients, other.patients]),
            self.classes,
            np.concatenate(at_random),
        )

    def among(self, classes: tuple[str, ...]) -> "ImageSet":
        """The same images with a list of classes that holds these, in any order.

        Raises:
            ValueError: a class of the images is not in the list.
        """
        number = np.array([classes.index(name) for name in self.classes], np.int32)
        return replace(self, labels=number[self.labels], classes=classes)

    def in_one_class(self, name: str) -> "ImageSet":
        """The same images, all of one class."""
        return replace(self, labels=np.zeros(len(self), np.int32), classes=(name,))

    def of_class(self, label: int) -> "ImageSet":
        """The images of one class."""
        return self.rows(np.flatnonzero(self.labels == label))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Each class's share of the images, [C]; zeros in an empty set."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return counts / max(len(self), 1)

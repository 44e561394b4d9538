"""What can be asked of a generator, checked before anything heavy is imported."""

from dataclasses import dataclass

from xraygan.errors import XrayganError

MAX_IMAGES = 10**9


@dataclass(frozen=True)
class Request:
    """Which images to make.

    Attributes:
        num: how many.
        seed: of the latents.
        class_name: all of this class; None for all classes.
        like_train: with all classes, in the training data's proportions, not balanced.
        first: index of the first image.
    """

    num: int
    seed: int = 0
    class_name: str | None = None
    like_train: bool = False
    first: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.num <= MAX_IMAGES:
            raise XrayganError(f"--num {self.num}: choose 1 to {MAX_IMAGES:,} images")
        if not 0 <= self.seed < 2**31:
            raise XrayganError(f"--seed {self.seed}: choose 0 to {2**31 - 1}")
        if not 0 <= self.first <= 2**62:
            raise XrayganError(f"--first {self.first}: choose 0 or more")
        if self.class_name is not None and self.like_train:
            raise XrayganError("--class and --like-train exclude each other: leave one")

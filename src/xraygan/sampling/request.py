"""What can be asked of a generator, checked before anything heavy is imported, and the answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xraygan.errors import XrayganError

MAX_IMAGES = 10**9
MAX_SHARDS = 100_000
Format = Literal["png", "npz", "webdataset", "dicom"]
# Images computed together (`xraygan.models.sample.CHUNK`): work is cut between chunks.
_STEP = 32


def check_psi(psi: float) -> None:
    """Refuse a truncation that is no number from 0 to 2.

    Raises:
        XrayganError: it is none.
    """
    if not 0 <= psi <= 2:
        raise XrayganError(f"--psi {psi}: choose 0 (the mean image) to 2; 1 is plain")


def as_text(psi: float) -> str:
    """The shortest number that is this psi: "1", "0.7"."""
    short = f"{psi:g}"
    return short if float(short) == psi else repr(psi)


@dataclass(frozen=True)
class Request:
    """Which images to make.

    Attributes:
        num: how many.
        seed: of the latents.
        class_name: all of this class; None for all classes.
        like_train: with all classes, in the training data's proportions, not balanced.
        first: index of the first image.
        psi: truncation: latents are drawn towards the class's mean by this factor.
        bits: of a grey level, 8 or 16.
    """

    num: int
    seed: int = 0
    class_name: str | None = None
    like_train: bool = False
    first: int = 0
    psi: float = 1.0
    bits: Literal[8, 16] = 8

    def __post_init__(self) -> None:
        if not 1 <= self.num <= MAX_IMAGES:
            raise XrayganError(f"--num {self.num}: choose 1 to {MAX_IMAGES:,} images")
        if not 0 <= self.seed < 2**31:
            raise XrayganError(f"--seed {self.seed}: choose 0 to {2**31 - 1}")
        if not 0 <= self.first <= 2**62:
            raise XrayganError(f"--first {self.first}: choose 0 or more")
        if self.class_name is not None and self.like_train:
            raise XrayganError("--class and --like-train exclude each other: leave one")
        check_psi(self.psi)
        if self.bits not in (8, 16):
            raise XrayganError(f"--bits {self.bits}: choose 8 or 16")

    @property
    def stem(self) -> str:
        """Beginning of a file's name, equal for images of one seed and psi."""
        # A dot in a name would end it for what splits samples at dots.
        psi = "" if self.psi == 1 else f"_psi{as_text(self.psi)}".replace(".", "-")
        return f"seed{self.seed:010d}{psi}"

    @property
    def family(self) -> str:
        """`stem` with the classes: images of one family and index are the same image."""
        return self.family_of(self.class_name, self.like_train)

    def family_of(self, class_name: str | None, like_train: bool = False) -> str:
        """The family of the same seed and psi with other classes."""
        classes = "like-train" if like_train else class_name or "all"
        if class_name in ("like-train", "all"):
            classes = f"class-{classes}"
        return f"{self.stem}_{classes}"


@dataclass(frozen=True)
class Shard:
    """One worker's share of a request: shard `number`, from 1, of `count`."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MAX_SHARDS:
            raise XrayganError(
                f"--shard {self.number}/{self.count}: choose 1/N to N/N, with N at most "
                f"{MAX_SHARDS:,}"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From "3/16".

        Raises:
            XrayganError: not of this form.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not match:
            raise XrayganError(f"--shard {text}: expected a form like 3/16")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Written:
    """What came of a request for files.

    Attributes:
        manifest: path of the table of all images in the folder.
        written: images of this request, or of this shard of it, that are in the folder.
        left_out: images of it that are not, because they came too near to a patient.
        audit: path of the audit of filtered images; None where there is none.
        verdict: of that audit.
    """

    manifest: Path
    written: int
    left_out: int
    audit: Path | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Part:
    """Indices `first` to `first + num - 1` of a request: made, written and checked as one."""

    first: int
    num: int

    @property
    def indices(self) -> range:
        """Which images."""
        return range(self.first, self.first + self.num)


def share(request: Request, shard: Shard) -> range:
    """The indices of the images that a shard has to make.

    Cuts lie between chunks of images that are computed together, so that no image is computed
    by two workers.
    """
    end = request.first + request.num
    start_chunk, end_chunk = request.first // _STEP, -(-end // _STEP)
    total = end_chunk - start_chunk
    lower = start_chunk + total * (shard.number - 1) // shard.count
    upper = start_chunk + total * shard.number // shard.count
    first = max(request.first, lower * _STEP)
    return range(first, max(first, min(end, upper * _STEP)))


def parts(indices: range, most: int) -> Iterator[Part]:
    """These images in parts of at most about `most`, cut between chunks too."""
    step = max(1, most // _STEP) * _STEP
    first = indices.start
    while first < indices.stop:
        last = min(indices.stop, first // _STEP * _STEP + step)
        yield Part(first, last - first)
        first = last

"""What a report says, before it is a page: frozen values, nothing that can be followed to a file.

Everything outside `House` may leave the house; `for_sharing` takes `House` away, so that no
template can show what it was never given.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xraygan.caveats import DATA_BEFORE
from xraygan.estimates import Estimate
from xraygan.privacy.audit import COPYING
from xraygan.report.measured import Audit, Evaluation, Figure

PICTURES_LEFT_OUT = (
    "The audit found copies of training films: this edition shows no synthetic picture, since some "
    "may show a patient."
)
PICTURES_OF_MEMBERS = (
    "The audit found that the images tell who was trained on: this edition shows no synthetic "
    "picture."
)
PICTURES_OF_OTHERS = (
    "The audit is not known to be of these images: this edition shows no synthetic picture."
)
PICTURES_NOT_AUDITED = (
    "No audit has looked at the synthetic images: this edition shows no picture of them."
)
MANIFEST_HASH = "manifest of the synthetic images"
"""What the hash of a set goes by, among the hashes of a report."""


@dataclass(frozen=True)
class Picture:
    """One embedded picture.

    Attributes:
        png: the file's bytes; pixels alone, no text chunks.
        alt: what it shows, for those who cannot see it.
        width: pixels.
        height: pixels.
    """

    png: bytes
    alt: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """For the `src` of an image."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True)
class ClassFacts:
    """One class in numbers.

    Attributes:
        name: as its folder is called.
        real: images by split ("train", "val", "test").
        synthetic: images in the synthetic set.
    """

    name: str
    real: Mapping[str, int]
    synthetic: int


@dataclass(frozen=True)
class Course:
    """Training as it went: values against images seen, all of one length a curve.

    Attributes:
        images: images seen at each tick.
        losses: by name ("discriminator", "generator").
        kid_images: images seen at each measured snapshot.
        kid: KID at each, with interval and floor.
        moments: pictures of the same noise at some snapshots: (thousand images seen, picture).
    """

    images: tuple[float, ...]
    losses: Mapping[str, tuple[float, ...]]
    kid_images: tuple[float, ...]
    kid: tuple[Estimate, ...]
    moments: tuple[tuple[float, Picture], ...]


@dataclass(frozen=True)
class Pair:
    """A synthetic image, the training image nearest to it, and their difference."""

    synthetic: Picture
    train: Picture
    difference: Picture
    similarity: float


@dataclass(frozen=True)
class House:
    """What stays in the house: it shows patients or says where the data lies.

    Attributes:
        source: the data's name.
        patient_pattern: the regular expression that finds patients in file names.
        notes: what was noticed while reading the data and measuring.
        reals: real training images by class.
        pairs: the closest pairs that the audit found.
        imitated: a film of each of the most imitated patients, most imitated first.
    """

    source: str
    patient_pattern: str | None
    notes: tuple[str, ...]
    reals: Mapping[str, tuple[Picture, ...]]
    pairs: tuple[Pair, ...]
    imitated: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """Everything a report says.

    Attributes:
        resolution: side of the images.
        phantom: the data bears the embedded phantom's name.
        classes: in the order of class numbers.
        patients: by split; films of unknown patients count as one each.
        of_unknown_patients: films, by split, that tell no patient.
        in_several_splits: patients with films in more than one split; None where nobody counted.
        films_before: training films of other data that --force let the run leave behind.
        refused: files that were not used.
        images_seen: what the published generator has seen, with repetition.
        simulated_films: from which its first weights were learnt; None where they were random.
        begun: the day training began, or None.
        device: "cpu", "gpu" or None.
        examples: synthetic pictures by class.
        course: of training.
        evaluation: None before `xraygan evaluate`.
        audit: None before `xraygan audit`.
        settings: by group and name.
        versions: of the libraries.
        hashes: SHA-256 by what was hashed.
        warnings: what is wrong with this run folder.
        licence: of the training data, as its user states it.
        attribution: of the training data, as its user states it.
        house: what stays in the house; None in what is shared.
    """

    resolution: int
    phantom: bool
    classes: tuple[ClassFacts, ...]
    patients: Mapping[str, int]
    refused: int
    images_seen: int | None
    simulated_films: int | None
    begun: str | None
    device: str | None
    examples: Mapping[str, tuple[Picture, ...]]
    course: Course
    evaluation: Evaluation | None
    audit: Audit | None
    settings: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    hashes: Mapping[str, str]
    of_unknown_patients: Mapping[str, int] = field(default_factory=dict)
    in_several_splits: int | None = None
    films_before: int = 0
    warnings: tuple[str, ...] = ()
    licence: str | None = None
    attribution: str | None = None
    house: House | None = field(default=None)

    def under(self, licence: str | None, attribution: str | None) -> "ReportData":
        """The same with the training data's terms, where they are stated anew."""
        return dataclasses.replace(
            self,
            licence=licence or self.licence,
            attribution=attribution or self.attribution,
        )

    def for_sharing(self) -> "ReportData":
        """The same without what stays in the house, or pictures that give patients away."""
        why = self._why_no_pictures()
        if why is None or why in self.warnings:
            return dataclasses.replace(self, house=None)
        return dataclasses.replace(
            self,
            house=None,
            examples=dict.fromkeys(self.examples, ()),
            course=dataclasses.replace(self.course, moments=()),
            warnings=(*self.warnings, why),
        )

    def _why_no_pictures(self) -> str | None:
        """Why the audit, or that there is none, keeps synthetic pictures from being shared."""
        if self.audit is None:
            shown = any(self.examples.values()) or self.course.moments
            return PICTURES_NOT_AUDITED if shown else None
        if self.audit.verdict == COPYING:
            return PICTURES_LEFT_OUT
        if self.audit.told_by_images:
            return PICTURES_OF_MEMBERS
        return PICTURES_OF_OTHERS if self.of_others(self.audit) else None

    def of_others(self, measured: Evaluation | Audit | None) -> bool:
        """Whether something was measured on other images than this set, or does not say on which.

        Where there is no set, there is nothing that it could be taken for.
        """
        own = self.hashes.get(MANIFEST_HASH)
        return own is not None and measured is not None and measured.manifest_sha256 != own

    @property
    def synthetic_images(self) -> int:
        """In the synthetic set."""
        return sum(c.synthetic for c in self.classes)

    def real_images(self, split: str) -> int:
        """Real images of one split."""
        return sum(c.real.get(split, 0) for c in self.classes)

    def whose(self, split: str) -> str:
        """Whose the films of one split are, to be put behind their number."""
        patients, unknown = self.patients.get(split), self.of_unknown_patients.get(split, 0)
        if not patients:
            return ""
        if unknown and unknown >= self.real_images(split):
            return " of patients who are not told apart"
        said = f" of {patients:,} patients"
        if unknown:
            said += f" ({unknown:,} of the films tell no patient and count as one each)"
        return said

    @property
    def trained_on(self) -> str:
        """What the generator was trained on: films, their patients, and other films before."""
        said = f"{self.real_images('train'):,} films{self.whose('train')}"
        if self.films_before:
            said += f", and before them on {self.films_before:,} films of other data"
        return said

    @property
    def said_of_before(self) -> str:
        """What other films before mean; "" without them."""
        return DATA_BEFORE.format(films=self.films_before) if self.films_before else ""

    @property
    def splits_share_patients(self) -> bool:
        """Whether patients are in several splits, or may be where nobody counted them."""
        if self.in_several_splits is None:
            return bool(self.settings.get("data", {}).get("keep_splits"))
        return self.in_several_splits > 0

    @property
    def said_of_splits(self) -> str:
        """What it means that `splits_share_patients`, where they do."""
        count = self.in_several_splits
        found = "a patient may be"
        if count:
            found = "1 patient is" if count == 1 else f"{count:,} patients are"
        return (
            f"The splits were left as they were given (keep_splits): {found} in several, and "
            "figures measured on such splits are too good."
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Pictures appear by what they show and the hash of their file."""
        return _plain(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Picture):
        digest = hashlib.sha256(value.png).hexdigest()
        return {
            "alt": value.alt,
            "width": value.width,
            "height": value.height,
            "png_sha256": digest,
        }
    if isinstance(value, Figure):
        reading = value.reading
        return {
            "key": value.key,
            "title": reading.title,
            "reading": reading.sentence,
            **value.estimate.as_dict(),
        }
    if isinstance(value, Estimate):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value

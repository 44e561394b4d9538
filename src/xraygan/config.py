"""Every setting, validated where it is made; flags and YAML keys come from these fields."""

import difflib
import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from xraygan.errors import XrayganError
from xraygan.names import ClassName


class Settings(BaseModel):
    """A frozen group of settings: an unknown key fails and names the nearest known one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )

    @classmethod
    def parse(cls, values: dict[str, Any], origin: str) -> Self:
        """Validate `values`, turning the first complaint into one clear line.

        Args:
            values: settings by name, nested as the fields are.
            origin: where they came from, for the message ("config.yaml", "the command line").

        Raises:
            XrayganError: an unknown name (with the nearest known one) or a bad value.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise XrayganError(f"{origin}: {_explain(cls, error)}") from None


RESOLUTIONS = (32, 64, 128, 256, 512)
"""Sides of square images, in pixels, that networks can be built for."""


def _trainable(side: int) -> int:
    if side not in RESOLUTIONS:
        *most, last = map(str, RESOLUTIONS)
        raise ValueError(f"choose {', '.join(most)} or {last}")
    return side


TrainableSide = Annotated[int, AfterValidator(_trainable)]


SourceFormat = Literal[
    "auto",
    "folders",
    "csv",
    "imagefolder",
    "stylegan",
    "medmnist",
    "dicom",
    "nih",
    "chexpert",
    "mimic",
    "padchest",
    "rsna",
    "vindr",
    "tuberculosis",
]
"""Kinds of source that can be named."""


class PixelSettings(Settings):
    """What makes the pixels of a folder that is read as it is."""

    resolution: int = Field(64, ge=32, le=512, description="Side of the square images, in pixels.")
    fit: Literal["crop", "pad-edge", "squash"] = Field(
        "squash",
        description="How a film that is not square becomes square: crop the centre, "
        "repeat the edge, or squash (keeps all anatomy).",
    )
    patient_pattern: str | None = Field(
        None,
        description="Regular expression with one group (or several, joined) that finds the "
        "patient in a file name; the default knows the Kermany (Kaggle pneumonia) names.",
    )
    strict: bool = Field(False, description="Stop at the first refused file.")
    format: SourceFormat = Field(
        "auto", description="What the source is; auto recognises it by its tables and names."
    )
    column: str | None = Field(
        None,
        description="Names of a table's columns, such as 'path=File,label=Finding'; known are "
        "path, label, patient_id, view, split, age and sex.",
    )
    labels: str | None = Field(
        None,
        description="Findings that become classes, separated by commas; all of them by default. "
        "A film with several is left out, unless --multi-label is given.",
    )
    multi_label: bool = Field(
        False,
        description="Keep the films with several labels: a class is then a set of labels, such as "
        "Effusion+Pneumonia, and the networks are told each label of a film.",
    )
    negative: ClassName = Field(
        "No Finding",
        max_length=100,
        description="Class of the films that a table says are without findings.",
    )
    find_text: bool = Field(
        False,
        description="Mark films that seem to have text burned in: slower, and a hint only. DICOM "
        "is always looked at.",
    )
    views: str | None = Field(
        None,
        description="Views to take, such as PA,AP, or all; without it, every view that is not "
        "known to be another than frontal.",
    )
    where: str | None = Field(
        None,
        description="Films to take, by a question to the table: 'view == \"PA\" and age >= 18'.",
    )


class DataSettings(PixelSettings):
    """What makes the pixels and the splits; each field is part of the cache's key."""

    resolution: TrainableSide = Field(64, description="Side of the square images, in pixels.")
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share of the training patients held back to measure on.",
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="Seed of the patient-disjoint split.")
    keep_splits: bool = Field(
        False,
        description="Leave given splits as they are; patients in several are reported only.",
    )
    near_duplicates: Literal["join", "drop", "ignore"] = Field(
        "join",
        description="Films that are nearly the same picture: count them as one patient's, keep "
        "one of them, or do not look for them.",
    )


EVALUATION_SPACES = ("filter-bank-1", "chest-net-1")
"""Feature spaces that an evaluation measures in unless told, the main one first."""
AUDIT_SPACES = ("filter-bank-1",)
"""What an audit looks at besides pixels unless told: what it was tried in (docs/validation.md)."""
LENGTHS = frozenset({"epochs", "kimg", "minutes"})
"""Ways to say how long to train: one at most."""


class TrainingSettings(Settings):
    """The adversarial game's numbers; every schedule runs from the first image to the last."""

    epochs: float | None = Field(None, gt=0, le=1e6, description="Train for N passes.")
    kimg: float | None = Field(None, gt=0, le=1e8, description="Train for K thousand images.")
    minutes: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Train for about M minutes: turned into a number of images after the "
        "first steps. Without --epochs, --kimg or --minutes: 30 minutes, or 50 views of each "
        "film, whichever is less.",
    )
    batch: int = Field(8, ge=2, le=4096, description="Images a step.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of weights, order and noise.")
    preset: Literal["small", "base", "large"] = Field("base", description="Widths of the networks.")
    start: Literal["auto", "phantom", "random"] = Field(
        "auto",
        description="Weights that training begins with: learnt on simulated films, or random; "
        "auto takes the learnt ones where there are any for the resolution and preset.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Type that the networks compute in; auto takes bfloat16 where the "
        "hardware has it.",
    )
    gamma: float = Field(
        1.0,
        gt=0,
        le=1e4,
        description="Weight of R1 + R2, alike at every resolution; up to 64 pixels it falls to a "
        "tenth of it at the end.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Adam's rate at the start; by default 0.001, and less in runs of more than "
        "30,000 images, by the square root.",
    )
    final_rate: float = Field(0.15, gt=0, le=1, description="Share of it left at the end.")
    beta_2: float = Field(0.95, ge=0, lt=1, description="Adam's second-moment decay.")
    augmentation: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Probability of each augmentation at the end; by default 0.3 where each "
        "image is seen up to 30 times, rising to 0.8 where it is seen 120 times.",
    )
    ema_half_life: float = Field(
        20_000,
        gt=0,
        description="Half-life of the generator's moving average, in images; at most a tenth of "
        "those seen so far.",
    )

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        given = [name for name in sorted(LENGTHS) if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both given: leave one")
        return self


Extent = Literal["none", "basic", "full"]
"""How much evidence a run gathers at its end."""


class OutputSettings(Settings):
    """What a run writes and how often; may differ when a run is resumed."""

    snapshot_kimg: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="Thousands of images between two sample grids; by default about a twentieth of "
        "the run, one thousand at least.",
    )
    checkpoint_seconds: float = Field(
        60, ge=0, description="Seconds between two checkpoints, besides those at snapshots."
    )
    num: int = Field(
        1000, ge=1, le=10**9, description="Synthetic images that `run` writes at its end."
    )
    evidence: Extent = Field(
        "full",
        description="What `run` measures at its end: basic takes fidelity and the audit in one "
        "feature space; full adds a second space and utility, some minutes more.",
    )


AFTER_TRAINING = frozenset({"num", "evidence"})
"""Settings of what `run` does once there is a model: `train` has no use for them."""


class RunSettings(Settings):
    """Everything a user can set about a run."""

    data: DataSettings = DataSettings.model_validate({})
    training: TrainingSettings = TrainingSettings.model_validate({})
    output: OutputSettings = OutputSettings.model_validate({})


GROUPS: dict[str, type[Settings]] = {
    "data": DataSettings,
    "training": TrainingSettings,
    "output": OutputSettings,
}
"""The groups of `RunSettings` by name."""

NOT_SHOWN = "set (not shown)"
"""In the place of a setting that may name somebody."""


def shareable(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """What may be told of a group of settings outside the house.

    Args:
        kind: of the group.
        values: its settings by name; names that are no settings are left out.

    Returns:
        Numbers, switches, named choices and defaults; of other text only that there is some.
    """
    return {
        name: values[name] if _names_nobody(values[name], field) else NOT_SHOWN
        for name, field in kind.model_fields.items()
        if name in values
    }


def _names_nobody(value: Any, field: FieldInfo) -> bool:
    if value is None or isinstance(value, bool | int | float):
        return True
    return value in (field.default, *get_args(field.annotation))


Width = Annotated[int, Field(ge=8, le=1024)]
MAX_CLASSES, MAX_LABELS = 4096, 256
LabelNumber = Annotated[int, Field(ge=0, lt=MAX_LABELS)]


class ModelSettings(Settings):
    """The shape of a generator and its discriminator: derived by rules, not set by hand.

    The bounds matter: a model file from anywhere is built from these numbers, and a
    hostile one must not be able to ask for more memory than there is.

    Attributes:
        label_sets: the numbers of the labels that each class stands for; empty where every
            class is a label of its own.
    """

    resolution: TrainableSide
    num_classes: int = Field(ge=1, le=MAX_CLASSES)
    label_sets: tuple[tuple[LabelNumber, ...], ...] = ()
    latent: int = Field(ge=1, le=512)
    generator_widths: tuple[Width, Width, Width, Width]
    discriminator_widths: tuple[Width, ...] = Field(min_length=1, max_length=8)
    noise_scale: float = Field(0.1, ge=0, le=1)
    compute_dtype: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        if self.label_sets and len(self.label_sets) != self.num_classes:
            raise ValueError("label_sets: expected one set of labels a class")
        if not all(self.label_sets):
            raise ValueError("label_sets: a class without a label")
        if self.num_labels > MAX_LABELS:
            raise ValueError(f"num_classes: more than {MAX_LABELS} labels")
        return self

    @property
    def num_labels(self) -> int:
        """Length of the networks' condition: labels where classes are sets of them, or classes."""
        if not self.label_sets:
            return self.num_classes
        return 1 + max(number for numbers in self.label_sets for number in numbers)

    @property
    def base_resolution(self) -> int:
        """Side of the base: the image's own up to 64, and 64 above."""
        return min(self.resolution, 64)

    @property
    def num_bands(self) -> int:
        """Octaves of detail whose strength a film has of its own: down to 16 pixels."""
        return int(math.log2(self.resolution)) - 3

    @property
    def stem(self) -> int:
        """Space-to-depth factor at the discriminator's input."""
        return self.resolution // (4 * 2 ** (len(self.discriminator_widths) - 1))


def load_yaml(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, as nested dictionaries, not yet validated.

    Raises:
        XrayganError: the file cannot be read, is not YAML or is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise XrayganError(f"config file {path}: cannot be read ({error})") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # PyYAML lets out what its constructors meet: a date of 2020-99-99 is a ValueError.
        line = " ".join(str(error).split())
        raise XrayganError(f"config file {path}: not valid YAML ({line})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise XrayganError(f"config file {path}: expected 'data:', 'training:', … at its top")
    return values


def _explain(cls: type[BaseModel], error: ValidationError) -> str:
    """The first complaint of a validation error as one line with a remedy."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])[:200]
    if first["type"] == "extra_forbidden":
        known = _field_names(cls)
        nearest = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
        return f"unknown setting '{where}'; did you mean '{nearest[0]}'?"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict) and first["type"] == "value_error":
        return message  # about several settings at once, which it names itself
    given = reprlib.repr(first["input"])  # a hostile file's value may be a megabyte
    return f"setting '{where}' = {given}: {message}" if where else message


def _field_names(cls: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in cls.model_fields.items():
        names.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _field_names(field.annotation)
    return names

"""Every setting, validated where it is made; flags and YAML keys come from these fields."""

import difflib
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xraygan.errors import XrayganError

RESOLUTIONS = (32, 64, 128, 256, 512)


class Settings(BaseModel):
    """A frozen group of settings: an unknown key fails and names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

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


class DataSettings(Settings):
    """What makes the pixels and the splits; each field is part of the cache's key."""

    resolution: Literal[32, 64, 128, 256, 512] = Field(
        64, description="Side of the square images, in pixels."
    )
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
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share of the training patients held back to measure on.",
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="Seed of the patient-disjoint split.")
    strict: bool = Field(False, description="Stop at the first refused file.")


def _explain(cls: type[BaseModel], error: ValidationError) -> str:
    """The first complaint of a validation error as one line with a remedy."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _field_names(cls)
        nearest = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
        return f"unknown setting '{where}'; did you mean '{nearest[0]}'?"
    message = first["msg"].removeprefix("Value error, ")
    return f"setting '{where}' = {first['input']!r}: {message}" if where else message


def _field_names(cls: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in cls.model_fields.items():
        names.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _field_names(field.annotation)
    return names

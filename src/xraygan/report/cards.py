"""Model card and data card: Markdown with the front matter that model hubs read."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from xraygan.report import wording
from xraygan.report.content import ReportData
from xraygan.report.readings import reading_of
from xraygan.report.titles import attack_title, regime_title
from xraygan.report.verdicts import AUDIT, EVALUATE, STATEMENTS, limits, verdicts
from xraygan.version import __version__

MODEL_CARD, DATA_CARD = "model-card.md", "data-card.md"
COMMANDS = {"evaluate": EVALUATE, "audit": AUDIT}
FILES = (
    "One folder a class with PNG files, and `manifest.csv` with file, class, seed, index and the "
    "hash of the model. Every PNG says in its metadata that it is synthetic, and by which model, "
    "seed and index."
)
"""What `xraygan generate` writes."""
MODEL_FILES = ("generator.safetensors",)
_SPECIAL = re.compile(r"([\\`*_\[\]|~$]|^[#+=-])")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?!\d)")  # the start of a list, not 0.117
# Identifiers of the Hugging Face Hub: hub-docs, "Licenses".
_HUB_LICENCES = {
    "apache-2.0",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "mit",
    "odbl",
    "odc-by",
    "pddl",
}
_TAGS = ("synthetic", "chest-x-ray", "medical-imaging", "gan")
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
    (10**10, "1B<n<10B"),
)


def cards(
    data: ReportData,
    licence: str | None = None,
    files: str = FILES,
    model_files: Sequence[str] = MODEL_FILES,
    commands: Mapping[str, str] = COMMANDS,
) -> dict[str, str]:
    """Both cards by file name; nothing in them comes from `data.house`.

    Args:
        data: what is known of the run.
        licence: of the model or the data set that the card goes with, as its owner gives it:
            not that of the training data, which `data` has.
        files: of the data set, in Markdown.
        model_files: the forms of the model that are there.
        commands: that make an evaluation and an audit, by verb.
    """
    data = data.for_sharing()
    matters = {
        MODEL_CARD: model_front_matter(licence),
        DATA_CARD: data_front_matter(data, licence),
    }
    return {
        name: _render(name, matter, data, licence, files, model_files, commands)
        for name, matter in matters.items()
    }


def model_front_matter(licence: str | None = None) -> dict[str, Any]:
    """The model card's metadata."""
    return {
        **licence_fields(licence),
        "library_name": "keras",
        "pipeline_tag": "unconditional-image-generation",
        "tags": [*_TAGS, "xraygan"],
    }


def data_front_matter(data: ReportData, licence: str | None = None) -> dict[str, Any]:
    """The data card's metadata."""
    size = next((name for most, name in _SIZES if data.synthetic_images < most), "n>1T")
    return {
        "pretty_name": "Synthetic chest X-rays",
        **licence_fields(licence),
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "annotations_creators": ["machine-generated"],
        "tags": [*_TAGS],
    }


def licence_fields(licence: str | None) -> dict[str, str]:
    """A licence as a model hub names it: "CC BY 4.0" is `license: cc-by-4.0`."""
    if licence is None:
        return {}
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    if name in _HUB_LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", name).strip("-")}


def escape_markdown(value: object) -> object:
    """Text in which Markdown and HTML find nothing to act on; what is safe already stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    safe = _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", value))
    return safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _render(
    name: str,
    front_matter: dict[str, Any],
    data: ReportData,
    licence: str | None,
    files: str,
    model_files: Sequence[str],
    commands: Mapping[str, str],
) -> str:
    matter = yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)
    return (
        _environment()
        .get_template(f"{name}.j2")
        .render(
            front_matter=Markup(matter),  # noqa: S704  (YAML, not Markdown)
            data=data,
            licence=licence,
            files=Markup(files),  # noqa: S704  (a constant)
            model_files=tuple(model_files),
            verdicts=verdicts(data),
            statements=STATEMENTS,
            limits=limits(data),
            commands=commands,
            version=__version__,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701  (Markdown: `finalize` escapes every value)
        loader=PackageLoader("xraygan.report"),
        finalize=escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "value_of": wording.value_of,
        "interval_of": wording.interval_of,
        "floor_of": wording.floor_of,
        "number": wording.number,
        "count": wording.count,
        "attack_title": attack_title,
        "regime_title": regime_title,
    }
    environment.globals["reading_of"] = reading_of
    return environment

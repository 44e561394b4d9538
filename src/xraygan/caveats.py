"""What is to be said beside a run's figures, for what happened in its course."""

from collections.abc import Mapping
from typing import Any

DATA_BEFORE = (
    "Before these data the generator was trained on others ({films:,} training films), until "
    "--force let these follow: nothing here says whether their patients are given away."
)
"""Of a run with `films_before`."""
CHOSEN_BEFORE_EVALUATION = (
    "The generator is an earlier snapshot, chosen by its KID on the validation images, which are "
    "among the real images here: figures may be a little too good; measure on films of yet other "
    "patients before you quote them."
)
CHOSEN_BEFORE_AUDIT = (
    "The generator is an earlier snapshot, chosen by its KID on the validation images, which are "
    "among the held-out images here: its images may be a little nearer to these than chance would "
    "have it, which hides leaks; audit beside films of yet other patients where it matters."
)


def films_before(config: Mapping[str, Any]) -> int:
    """How many training films of other data a run saw before --force let those of now follow."""
    counts = [data["counts"] for data in config.get("data_before", [])]
    return sum(n for count in counts for name, n in count.items() if name.startswith("train/"))


def of_data(config: Mapping[str, Any]) -> list[str]:
    """Sentences on what a run was trained on."""
    films = films_before(config)
    return [DATA_BEFORE.format(films=films)] if films else []


def of_evaluation(config: Mapping[str, Any]) -> list[str]:
    """Sentences on the fidelity and utility of a run with this config.json."""
    return of_data(config) + ([CHOSEN_BEFORE_EVALUATION] if _is_chosen(config) else [])


def of_audit(config: Mapping[str, Any]) -> list[str]:
    """Sentences on the audit of a run with this config.json."""
    return of_data(config) + ([CHOSEN_BEFORE_AUDIT] if _is_chosen(config) else [])


def _is_chosen(config: Mapping[str, Any]) -> bool:
    """Whether a run's published model is not its last one, but one that validation films chose."""
    published, total = config.get("published"), config.get("total_images")
    return bool(published and total and published < total)

"""evaluation.json and audit.json as a report needs them: checked, and free of names."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xraygan.errors import XrayganError
from xraygan.estimates import Estimate
from xraygan.report.measured import Audit, Evaluation, Figure, SetFacts
from xraygan.report.readings import Topic, is_known
from xraygan.report.wording import Censor, clean
from xraygan.runs import AUDIT, EVALUATION, read_json

DIFFERENCE = "auc_difference"
MANIFEST_SHA256 = "manifest_sha256"
_NOT_FIGURES = {"per_class", "utility", "sets", "notes"}
_HEX = re.compile(r"[0-9a-f]{8,128}")
_OPTIONAL = ("floor", "floor_low", "floor_high")


def read_evaluation(run: Path, classes: tuple[str, ...], censor: Censor) -> Evaluation | None:
    """What `xraygan evaluate` found, or None before it ran.

    Args:
        run: the run folder.
        classes: figures of other classes are not shown.
        censor: for every text in the file.

    Raises:
        XrayganError: the file is damaged.
    """
    reader = _Reader(run / EVALUATION, censor)
    values = reader.whole()
    if values is None:
        return None
    overall = {key: item for key, item in values.items() if key not in _NOT_FIGURES}
    per_class = reader.mapping(values, "per_class")
    utility = reader.mapping(values, "utility")
    found = {
        key: reader.one_or_more(item, "utility", f"utility.{key}")
        for key, item in utility.items()
        if _holds_figures(item)
    }
    return Evaluation(
        figures=reader.figures(overall, "fidelity", ""),
        per_class={
            clean(name): reader.figures(per_class[name], "fidelity", f"per_class.{name}")
            for name in classes
            if name in per_class
        },
        utility={
            reader.key(key): figures
            for key, figures in found.items()
            if not any(f.key == DIFFERENCE for f in figures)
        },
        differences={
            reader.key(key): figure
            for key, figures in found.items()
            for figure in figures
            if figure.key == DIFFERENCE
        },
        trained_on={
            reader.key(key): _counts(utility[key].get("trained_on"), ("real", "synthetic"))
            for key in found
        },
        utility_notes=reader.sentences(utility, "notes"),
        sets=reader.sets(values),
        notes=reader.sentences(values, "notes"),
        manifest_sha256=digest(values, MANIFEST_SHA256),
    )


def read_audit(run: Path, censor: Censor) -> Audit | None:
    """What `xraygan audit` found, or None before it ran.

    Args:
        run: the run folder.
        censor: for every text in the file.

    Raises:
        XrayganError: the file is damaged.
    """
    reader = _Reader(run / AUDIT, censor)
    values = reader.whole()
    if values is None:
        return None
    membership = reader.mapping(values, "membership")
    tests = reader.mapping(values, "membership_tests")
    patients = reader.mapping(values, "patients").get("most_imitated")
    if patients is not None and not isinstance(patients, list):
        reader.fail("patients.most_imitated", "a list")
    return Audit(
        verdict=reader.sentence(values, "verdict") or reader.fail("verdict", "a sentence"),
        explanation=reader.sentence(values, "explanation"),
        tested=reader.sentences(values, "tested"),
        not_tested=reader.sentences(values, "not_tested"),
        does_not_prove=reader.sentence(values, "does_not_prove"),
        copies=reader.figures(reader.mapping(values, "copies"), "copies", "copies"),
        membership={
            reader.key(key): _with_control(
                reader.one_or_more(item, "membership", f"membership.{key}")
            )
            for key, item in membership.items()
            if _holds_figures(item)
        },
        leaking=tuple(reader.key(key) for key in tests if _is_so(tests[key], "leak")),
        by_hits=tuple(reader.key(key) for key in tests if _is_so(tests[key], "by_hits")),
        similarities=_similarities(values.get("closest_pairs")),
        imitated=tuple(_counts(item, ("images",)) for item in patients or ()),
        sets=reader.sets(values),
        notes=reader.sentences(values, "notes"),
        manifest_sha256=digest(values, MANIFEST_SHA256),
    )


class _Reader:
    """Reads one file's parts, and says which part is damaged."""

    def __init__(self, file: Path, censor: Censor) -> None:
        self._file, self._censor = file, censor

    def whole(self) -> Mapping[str, Any] | None:
        try:
            values = read_json(self._file)
        except XrayganError as error:
            raise XrayganError(f"{error}; {self._remedy}") from None
        if values is not None and not isinstance(values, dict):
            self.fail("it", "an object")
        return values

    def fail(self, where: str, expected: str) -> Any:
        raise XrayganError(
            f"{self._file}: {where.removeprefix('.')} is not {expected}; {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        return f"run xraygan {self._file.stem.replace('ation', 'ate')} again, or delete the file"

    def mapping(self, values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = values.get(key)
        if found is not None and not isinstance(found, dict):
            self.fail(key, "an object")
        return found or {}

    def key(self, key: str) -> str:
        """What a figure, regime, attack or set goes by: one of ours stays, even in part."""
        name, at, space = key.partition("@")
        return name + at + self._censor(space) if is_known(name) else self._censor(key)

    def figures(self, values: Any, topic: Topic, where: str) -> tuple[Figure, ...]:
        """Every figure in an object; other facts in it are not shown."""
        if not isinstance(values, dict):
            self.fail(where, "an object")
        return tuple(
            Figure(self.key(key), self._estimate(item, f"{where}.{key}"), topic)
            for key, item in values.items()
            if _is_figure(item)
        )

    def one_or_more(self, values: Any, topic: Topic, where: str) -> tuple[Figure, ...]:
        """An object of figures, or a single one, which is then an AUC."""
        return self.figures({"auc": values} if _is_figure(values) else values, topic, where)

    def sentence(self, values: Mapping[str, Any], key: str) -> str:
        found = values.get(key) or ""
        return self._censor(found) if isinstance(found, str) else self.fail(key, "a sentence")

    def sentences(self, values: Mapping[str, Any], key: str) -> tuple[str, ...]:
        found = values.get(key) or []
        if not isinstance(found, list):
            self.fail(key, "a list of sentences")
        return tuple(self._censor(item) for item in found if isinstance(item, str))

    def sets(self, values: Mapping[str, Any]) -> tuple[SetFacts, ...]:
        found = self.mapping(values, "sets")
        return tuple(
            SetFacts(
                self.key(name),
                _count(item.get("n")),
                _count(item.get("patients")),
                digest(item),
            )
            for name, item in found.items()
            if isinstance(item, dict)
        )

    def _estimate(self, item: Mapping[str, Any], where: str) -> Estimate:
        numbers = {key: item.get(key) for key in ("value", "low", "high", *_OPTIONAL)}
        for key, value in numbers.items():
            if value is not None and not _is_number(value):
                self.fail(f"{where}.{key}", "a number")
        space = item.get("feature_space")
        return Estimate(
            _float(numbers["value"]),
            _float(numbers["low"]),
            _float(numbers["high"]),
            n=_count(item.get("n")) or 0,
            **{key: numbers[key] for key in _OPTIONAL},
            feature_space=self._censor(space) if isinstance(space, str) else None,
        )


def digest(item: Mapping[str, Any], key: str = "sha256") -> str | None:
    """A hexadecimal hash in an object, or None for anything else under its name."""
    found = item.get(key)
    return found if isinstance(found, str) and _HEX.fullmatch(found) else None


def _with_control(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
    """An attack's figures, with the control as the floor of its AUC."""
    control = next((f.estimate for f in figures if f.key == "control_auc"), None)
    return tuple(
        replace(f, estimate=f.estimate.beside(control)) if control and f.key == "auc" else f
        for f in figures
        if f.key != "control_auc"
    )


def _is_so(test: Any, key: str) -> bool:
    return isinstance(test, dict) and test.get(key) is True


def _is_figure(item: Any) -> bool:
    return isinstance(item, dict) and "value" in item


def _holds_figures(item: Any) -> bool:
    return _is_figure(item) or (isinstance(item, dict) and any(map(_is_figure, item.values())))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _counts(item: Any, names: tuple[str, ...]) -> dict[str, int]:
    """The counts of these names in a record; whatever else is in it may be an identity."""
    values = item if isinstance(item, dict) else {}
    return {name: n for name in names if (n := _count(values.get(name))) is not None}


def _similarities(found: Any) -> tuple[float, ...]:
    values = [item.get("similarity") for item in found or [] if isinstance(item, dict)]
    return tuple(sorted((_float(v) for v in values if _is_number(v)), reverse=True))

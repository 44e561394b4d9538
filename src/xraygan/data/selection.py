"""Which films are wanted, and which class each of them is in: `--labels`, `--views`, `--where`."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xraygan.config import PixelSettings
from xraygan.data.entries import printable
from xraygan.data.listing import LABEL_JOIN, Facts, left_out
from xraygan.data.query import as_name, compile_where
from xraygan.data.tables import nearest
from xraygan.data.views import VIEWS, known_view, parse_view
from xraygan.errors import XrayganError
from xraygan.names import is_folder_name

NAMES = ("label", "labels", "split", "view", "age", "sex")
"""What `--where` may ask of any source, besides the table's columns."""

_ALL_VIEWS = frozenset({"ALL"})
# What FRONTAL is one of, unknown which.
_EITHER = frozenset({"PA", "AP"})
# Left out where the user does not say: all that is known not to be from the front.
_NOT_FRONTAL = VIEWS - _EITHER - {"FRONTAL"} | {"EXCLUDE"}


@dataclass(frozen=True)
class Stated:
    """What a source says a film shows.

    Attributes:
        findings: what is there.
        uncertain: what may be there.
        negative: the source says that there is no finding.
        beside: findings that make no class unless `--labels` names them (support devices).
        every: all findings, where the table has more of them than the classes it names.
    """

    findings: frozenset[str]
    uncertain: frozenset[str] = frozenset()
    negative: bool = False
    beside: frozenset[str] = frozenset()
    every: frozenset[str] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """All findings that are there, sorted."""
        return tuple(sorted(self.findings | self.every))


class Selection:
    """The user's wishes about films.

    Args:
        settings: `labels`, `negative`, `views` and `where` count.
        columns: of the source's table.
        multi_label: a class is a set of labels.

    Raises:
        XrayganError: a bad question.
    """

    def __init__(
        self, settings: PixelSettings, columns: Iterable[str] = (), multi_label: bool = False
    ) -> None:
        self.vocabulary = split_list(settings.labels)
        self.negative = settings.negative
        self.multi_label = multi_label
        self._views = frozenset(map(parse_view, split_list(settings.views)))
        if self._views >= _EITHER or "FRONTAL" in self._views:
            self._views |= {*_EITHER, "FRONTAL"}
        self._all_views = self._views >= _ALL_VIEWS
        self._where: Callable[[Mapping[str, Any]], bool] | None = None
        if settings.where is not None:
            names = {as_name(column) for column in columns} | set(NAMES)
            self._where = compile_where(settings.where, names)

    @property
    def asks_columns(self) -> bool:
        """Whether a row of the table is needed to answer."""
        return self._where is not None

    def class_of(self, stated: Stated) -> tuple[str, str]:
        """A film's class and "", or "" and why it is left out.

        Raises:
            XrayganError: a class that can be no folder's name.
        """
        wanted = frozenset(self.vocabulary)
        found = stated.findings & wanted if wanted else stated.findings - stated.beside
        unsure = stated.uncertain & wanted if wanted else stated.uncertain - stated.beside
        if len(found) > 1 and not self.multi_label:
            return "", left_out(f"it has {len(found)} of the labels, and a class is one")
        if unsure:
            return "", left_out("a label of it is uncertain")
        if found:
            name = LABEL_JOIN.join(sorted(found))
            check_class_name(name, "label", "rename it in the table")
            return name, ""
        if stated.negative or self.negative in stated.findings:
            return self.negative, ""
        if stated.findings or stated.uncertain:
            return "", left_out("it has none of the labels asked for")
        return "", left_out("the table gives it no label")

    def why_not(
        self,
        facts: Facts,
        split: str | None,
        label: str,
        labels: tuple[str, ...],
        columns: Mapping[str, Any],
    ) -> str:
        """Why a film is not wanted; "" if it is.

        Args:
            facts: of the film.
            split: "train", "val", "test" or None.
            label: its class.
            labels: all its findings.
            columns: its row of the table, by `as_name`.
        """
        if not self._all_views:
            if self._views and facts.view not in self._views:
                return left_out(f"its view is {_as_told(facts.view)}")
            if not self._views and facts.view in _NOT_FRONTAL:
                return left_out(f"its view is {facts.view}: not from the front")
        if self._where is None:
            return ""
        known = {"label": label, "labels": labels, "split": split}
        known |= {"view": facts.view, "age": facts.age, "sex": facts.sex}
        return "" if self._where({**columns, **known}) else left_out("--where does not take it")

    def check_labels(self, stated: Collection[str]) -> None:
        """Find labels that were asked for and are nowhere in the source.

        Raises:
            XrayganError: one is not among `stated`; the nearest is named. Or one cannot be
                joined with others.
        """
        for label in sorted(stated) if self.multi_label else ():
            if LABEL_JOIN in label:
                raise XrayganError(
                    f"--multi-label: the label '{label}' has a {LABEL_JOIN}, which joins labels; "
                    "rename it in the table"
                )
        for label in self.vocabulary:
            if label not in stated and label != self.negative:
                raise XrayganError(
                    f"--labels: no film is labelled '{label}'{nearest(label, stated)}"
                )


def check_class_name(name: str, what: str, remedy: str) -> None:
    """See that a class can be called so: data sets and models make a folder of it.

    Args:
        name: of the class.
        what: has this name, for the message.
        remedy: of a name that will not do.

    Raises:
        XrayganError: it can be no folder's name.
    """
    if not is_folder_name(name):
        raise XrayganError(
            f"{what} '{printable(name)}': a class is called so, and no folder can be (it is not "
            f'UTF-8, too long, or has one of / \\ : * ? " < > |); {remedy}'
        )


def split_list(text: str | None) -> tuple[str, ...]:
    """The parts of "a, b,c", each once, in order."""
    parts = (part.strip() for part in (text or "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def several_note(reasons: Counter[str]) -> list[str]:
    """A sentence on films that have several labels, if there are any."""
    several = sum(count for reason, count in reasons.items() if "and a class is one" in reason)
    if not several:
        return []
    return [
        f"{several:,} films have several of the labels and are left out: a film is in one class. "
        "--multi-label keeps them, --labels chooses fewer labels; the data set's column 'labels' "
        "keeps all of each film's."
    ]


def _as_told(view: str | None) -> str:
    """A view for a reason that is published: a table's own words may name somebody."""
    if view is None:
        return "not known"
    return known_view(view) or "none of those asked for"

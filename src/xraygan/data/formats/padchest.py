"""PadChest: labels as the text of a Python list, 16-bit PNG in numbered folders."""

import ast

from xraygan.config import PixelSettings
from xraygan.data.entries import Tree
from xraygan.data.formats.base import Row, Table, find_tables
from xraygan.data.listing import Facts
from xraygan.data.selection import Stated
from xraygan.data.tables import parse_age, parse_sex, read_columns, read_table, values
from xraygan.data.views import parse_view

_NEEDED = {"ImageID", "ImageDir", "Labels", "PatientID", "Projection"}
_NORMAL = "normal"
# What the readers said about the picture or about an earlier one, not about the chest.
_NO_FINDINGS = frozenset({"unchanged", ""})
_UNUSABLE = frozenset({"exclude", "suboptimal study"})
_LONGEST = 10_000


def table(tree: Tree, _settings: PixelSettings) -> Table | None:
    """`PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv`, plain or gzipped.

    Some rows have no labels, or blanks among them; "unchanged" is no finding, and a study that is
    marked "exclude" or "suboptimal study" states nothing. The age is the study's year less the
    year of birth. `AP_horizontal` (lying) counts as AP; the column Projection keeps the word.

    Source: Bustos et al. 2020, arXiv 1901.07441, section 3.
    """
    found = next(
        (e for e in find_tables(tree, r".*\.csv(\.gz)?") if set(read_columns(e)) >= _NEEDED), None
    )
    if found is None:
        return None
    frame = read_table(found)
    columns = zip(
        values(frame, "ImageDir"),
        values(frame, "ImageID"),
        values(frame, "Labels"),
        values(frame, "PatientID"),
        values(frame, "Projection"),
        values(frame, "PatientBirth"),
        values(frame, "StudyDate_DICOM"),
        values(frame, "PatientSex_DICOM"),
        strict=True,
    )
    known = {entry.name for entry in tree.files}
    rows = []
    for line, (folder, image, labels, patient, view, born, studied, sex) in enumerate(columns):
        facts = Facts(patient or None, parse_view(view), _age(born, studied), parse_sex(sex))
        path = f"{folder}/{image}"
        rows.append(Row(path if path in known else image, _stated(labels), facts, None, line))
    return Table("padchest", rows, frame)


def _stated(text: str) -> Stated:
    """What a text such as "['pneumonia ', 'pleural effusion']" states; nothing if it is none."""
    try:  # literals alone: no name is looked up and nothing is called
        parsed = ast.literal_eval(text.strip()) if len(text) < _LONGEST else []
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return Stated(frozenset())
    words = parsed if isinstance(parsed, list) else []
    found = frozenset(word.strip() for word in words if isinstance(word, str)) - _NO_FINDINGS
    if found & _UNUSABLE:
        return Stated(frozenset())
    return Stated(found - {_NORMAL}, negative=found == {_NORMAL})


def _age(born: str, studied: str) -> float | None:
    """Years between a year such as "1950.0" and a day such as "20140915"."""
    birth, year = born.partition(".")[0], studied[:4]
    if not (birth.isdecimal() and year.isdecimal()):
        return None
    years = int(year) - int(birth)
    return parse_age(str(years))

"""Tables beside images: read as text, whatever program wrote them, and the facts in them."""

import csv
import difflib
import functools
import gzip
import io
import json
import math
import re
import warnings
import zlib
from collections.abc import Iterable

import pandas as pd

from xraygan.data.entries import Entry
from xraygan.data.headers import MAX_FILE_BYTES, MOST_MEMBERS, Refusal
from xraygan.errors import XrayganError

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl")
# Nobody has been older; NIH's first release says up to 414 years where months were meant.
_OLDEST_YEARS = 120
_OLDEST_TOLD = 90.0
_AGE = re.compile(r"\s*0*(\d{1,3})(?:\.(\d+))?\s*([YMWD]?)\s*", re.IGNORECASE)
_UNITS_A_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52.1775, "D": 365.2425}
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}


def is_table(name: str) -> bool:
    """Whether a file is a table by the ending of its name."""
    return name.lower().endswith(TABLE_SUFFIXES)


def read_table(entry: Entry) -> pd.DataFrame:
    """All rows of a CSV, TSV or JSON-lines file, every value as str, "" where there is none.

    Blanks round the columns' names do not count.

    Raises:
        XrayganError: it is not such a file, a line of it has more cells than there are columns, or
            the names of two columns differ in blanks alone.
    """
    text = read_text(entry)
    lines = entry.name.lower().endswith(".jsonl")
    table = _json_lines(entry.name, text) if lines else _comma_separated(entry.name, text)
    table.columns = [str(name).strip() for name in table.columns]
    if not table.columns.is_unique:
        raise XrayganError(f"table {entry.name}: two columns have the same name; rename one")
    return table


def _comma_separated(name: str, text: str) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            # That cells were dropped beyond the last column.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return _parsed(text)
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:
        fault = " ".join(str(error).split())[:200]
    try:
        return _parsed(text, range(_columns_without_surplus(name, text)))
    except (ValueError, csv.Error):
        raise XrayganError(f"table {name}: cannot be read as CSV ({fault})") from None


def _parsed(text: str, columns: range | None = None) -> pd.DataFrame:
    return pd.read_csv(
        io.StringIO(text),
        sep=_separator(text),
        usecols=columns,
        dtype=str,
        keep_default_na=False,
        index_col=False,
        skipinitialspace=True,
    )


def _columns_without_surplus(name: str, text: str) -> int:
    """How many columns a table has, whose lines may go on with empty cells.

    Raises:
        XrayganError: a line has a value beyond the last column, which would be lost.
    """
    separator = _separator(text)
    rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    width = len(next((row for row in rows if any(row)), []))
    for row in rows:
        if any(cell.strip() for cell in row[width:]):
            raise XrayganError(
                f"table {name}: line {rows.line_num} has {len(row)} cells, and the header "
                f"{width}: put a text with {_SEPARATORS[separator]} in quotes, or several findings "
                "as A|B"
            )
    return width


@functools.lru_cache(maxsize=32)
def read_columns(entry: Entry) -> tuple[str, ...]:
    """The names of a table's columns; none where it is no table after all."""
    try:
        text = read_text(entry)
        if entry.name.lower().endswith(".jsonl"):
            first = json.loads(text.partition("\n")[0])
            header = list(first) if isinstance(first, dict) else []
        else:
            lines = csv.reader(io.StringIO(text[:100_000]), delimiter=_separator(text))
            header = next(lines, [])
    except (XrayganError, ValueError, RecursionError, csv.Error):
        return ()
    return tuple(name.strip() for name in header)


def read_text(entry: Entry) -> str:
    """A table as it is written, unpacked.

    Raises:
        XrayganError: it cannot be read, is larger than 512 MiB, or no UTF-8.
    """
    try:
        data = entry.place.read()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise Refusal(f"unpacked it is larger than {MAX_FILE_BYTES // 2**20} MiB")
        if data.count(b"\n") > MOST_MEMBERS:
            raise Refusal(f"more than {MOST_MEMBERS:,} lines; split it")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise XrayganError(f"table {entry.name}: is not UTF-8; save it as UTF-8 first") from None
    except (Refusal, OSError, EOFError, zlib.error) as error:
        raise XrayganError(f"table {entry.name}: {error}") from None


def _separator(text: str) -> str:
    """The one of comma, semicolon and tab that the first line has most of."""
    header = text.partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _json_lines(name: str, text: str) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append({_cell(key): _cell(value) for key, value in json.loads(line).items()})
        except (ValueError, AttributeError, RecursionError):
            raise XrayganError(f"table {name}: line {number} is not a JSON object") from None
    return pd.DataFrame(rows, dtype=object).fillna("")


def _cell(value: object) -> str:
    """As text.

    Raises:
        UnicodeEncodeError: half a character, which JSON can hold and no file.
    """
    if value is None:
        return ""
    text = "|".join(map(_cell, value)) if isinstance(value, list) else str(value)
    text.encode("utf-8", "surrogateescape")
    return text


def values(table: pd.DataFrame, name: str) -> list[str]:
    """One column as text, stripped; as many "" where there is no such column."""
    if name not in table.columns:
        return [""] * len(table)
    return [value.strip() for value in table[name].to_list()]


def first_present(names: Iterable[str], columns: Iterable[str]) -> str | None:
    """The first of `names` among `columns`, compared without case; as the table writes it."""
    known = {column.strip().lower(): column for column in reversed(list(columns))}
    return next((known[name.lower()] for name in names if name.lower() in known), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the most similar known name, to end a message; "" where there is none."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)
    return f"; did you mean '{found[0]}'?" if found else ""


def parse_age(text: str) -> float | None:
    """Years from "45", "45.0", "058Y", "009M", "012D"; None where that is no person's age.

    Ages above 89 identify, so 90 stands for all of them.

    Source: DICOM PS3.5, section 6.2, value representation AS; 45 CFR 164.514(b)(2)(i)(C).
    """
    match = _AGE.fullmatch(text)
    if not match:
        return None
    years = float(f"{match[1]}.{match[2] or 0}") / _UNITS_A_YEAR[match[3].upper()]
    return min(round(years, 3), _OLDEST_TOLD) if years <= _OLDEST_YEARS else None


def parse_sex(text: str) -> str | None:
    """One of "F", "M", "O", or None."""
    return _SEXES.get(text.strip().lower())


def parse_flag(text: str) -> float | None:
    """A number such as 1, 1.0, 0, -1.0; None for a blank or a word."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

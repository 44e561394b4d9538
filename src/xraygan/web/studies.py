"""Reader studies on disk: images, readers and their answers, whole after every answer.

A study's folder shows real films, and its owner alone can enter it. What is written there
names no file and no patient: a real image is known by its class, a synthetic one by its seed.
"""

import contextlib
import re
import secrets
import threading
import time
import tokenize
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from xraygan.config import Settings
from xraygan.errors import XrayganError
from xraygan.runs import private_folder, read_json, write_json, write_whole
from xraygan.web.catalogue import Missing

FOLDER = "reader-studies"
STUDY, IMAGES, READERS = "study.json", "images.npy", "readers"
MOST_STUDIES, MOST_READERS = 200, 100
MOST_MILLISECONDS = 3_600_000
_KEY = re.compile(r"[0-9a-f]{12}")
_OF_A_HEADER = (TypeError, OverflowError, SyntaxError, tokenize.TokenError)
"""What NumPy lets out besides, of a header that is damaged."""

Truth = Literal["real", "synthetic"]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
MOST_LETTERS = 40
_NAME = re.compile(r"\w[\w .,:;'’()&+/-]*")


def _name(text: str) -> str:
    if not (_NAME.fullmatch(text) and len(text) <= MOST_LETTERS):
        raise ValueError(
            f"a name has at most {MOST_LETTERS} characters and begins with a letter or digit; "
            "letters, digits, blanks and . , : ; ' ( ) & + / - may follow"
        )
    return text


Name = Annotated[str, AfterValidator(_name)]
"""Of a study or a reader: begins with a letter or digit, so that no spreadsheet runs it."""


class Case(Settings):
    """One image of a study: its truth and class; the seed's index of a synthetic one."""

    truth: Truth
    class_name: str
    index: int | None = None


class Study(Settings):
    """What a study asks.

    Attributes:
        key: what addresses call it.
        name: for people.
        model: name of the run.
        model_sha256: of its weights.
        seed: of the synthetic images.
        cases: what is shown, in the order of `images.npy`.
        begun: day.
        closed: whether its owner has ended the reading.
    """

    key: Key
    name: Name
    model: str
    model_sha256: str
    seed: int
    cases: tuple[Case, ...] = Field(min_length=2, max_length=1000)
    begun: str
    closed: bool = False

    @property
    def synthetic(self) -> np.ndarray:
        """The truth, bool [N]."""
        return np.array([case.truth == "synthetic" for case in self.cases])


class Answer(Settings):
    """What a reader said of a case, and how long it was looked at."""

    case: int = Field(ge=0)
    said: Truth
    milliseconds: int = Field(ge=0, le=MOST_MILLISECONDS)


class Reader(Settings):
    """One reader's way through a study.

    Attributes:
        key: what addresses call the reader.
        name: as given.
        order: case numbers in this reader's own order.
        tokens: what addresses call the image at each place: random, and no other reader's.
        answers: so far, one for each place from the first.
    """

    key: Key
    name: Name
    order: tuple[int, ...]
    tokens: tuple[str, ...]
    answers: tuple[Answer, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every case was answered."""
        return len(self.answers) == len(self.order)

    @property
    def token(self) -> str | None:
        """The image that is to be read now."""
        return None if self.finished else self.tokens[len(self.answers)]

    def said_synthetic(self, cases: int) -> np.ndarray:
        """The answers in the study's order, bool [cases]; False where there is none."""
        said = np.zeros(cases, bool)
        for answer in self.answers:
            said[answer.case] = answer.said == "synthetic"
        return said


class Studies:
    """The studies of one studio.

    Args:
        folder: the studio's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._lock = threading.Lock()

    def all(self) -> tuple[list[tuple[Study, list[Reader]]], int]:
        """Every study that can be read, with its readers, newest first; and how many cannot."""
        files = self._folder.glob(f"*/{STUDY}")
        keys = {path.parent.name: path.stat().st_mtime_ns for path in files}
        known = [key for key in keys if _KEY.fullmatch(key)]
        found = []
        for key in sorted(known, key=lambda k: keys[k], reverse=True):
            with contextlib.suppress(XrayganError):
                study = self.study(key)
                found.append((study, self.readers(study)))
        return found, len(known) - len(found)

    def study(self, key: str) -> Study:
        """One study.

        Raises:
            Missing: there is none of this key.
            XrayganError: it is damaged.
        """
        values = read_json(self._path(key) / STUDY)
        if values is None:
            raise Missing("there is no such study here")
        return Study.parse(values, "the study")

    def readers(self, study: Study) -> list[Reader]:
        """Everybody who reads or has read, in the order of their names."""
        files = sorted((self._path(study.key) / READERS).glob("*.json"))
        found = [self.reader(study, file.stem) for file in files if _KEY.fullmatch(file.stem)]
        return sorted(found, key=lambda reader: (reader.name, reader.key))

    def reader(self, study: Study, key: str) -> Reader:
        """One reader.

        Raises:
            Missing: there is none of this key.
            XrayganError: the file is damaged.
        """
        values = read_json(self._reader_file(study, key))
        if values is None:
            raise Missing("there is no such reader in this study")
        return Reader.parse(values, "the reader's answers")

    def image(self, study: Study, reader: Reader, token: str) -> np.ndarray:
        """The image that a reader has to read now, or has just read: uint8 [R, R].

        Raises:
            Missing: not one of this reader's, or one that is still to come.
            XrayganError: the images are gone or damaged.
        """
        places = [n for n, known in enumerate(reader.tokens) if known == token]
        if not places or places[0] > len(reader.answers):
            raise Missing("there is no such image to be read now")
        file = self._path(study.key) / IMAGES
        try:
            images = np.lib.format.open_memmap(file, mode="r")
            if images.ndim != 3 or images.dtype != np.uint8 or len(images) != len(study.cases):
                raise ValueError(f"{images.dtype} {images.shape}")
        except (OSError, ValueError, *_OF_A_HEADER) as error:
            raise XrayganError(f"{file}: the study's images cannot be read ({error})") from None
        return np.asarray(images[reader.order[places[0]]])

    def create(self, study: Study, images: np.ndarray) -> None:
        """Write a new study.

        Args:
            study: its cases.
            images: uint8 [N, R, R], one a case.

        Raises:
            XrayganError: too many studies, or a disk that refuses.
        """
        with self._lock:
            if len(list(self._folder.glob(f"*/{STUDY}"))) >= MOST_STUDIES:
                raise XrayganError(f"there are {MOST_STUDIES} studies here: delete an old one")
            private_folder(self._folder)
            write_whole(self._folder / ".gitignore", b"*\n")  # real films, in a repository perhaps
            folder = private_folder(self._path(study.key))
            private_folder(folder / READERS)
            buffer = BytesIO()
            np.save(buffer, images, allow_pickle=False)
            write_whole(folder / IMAGES, buffer.getvalue())
            write_json(folder / STUDY, study.model_dump(mode="json"))

    def join(self, study: Study, name: str) -> Reader:
        """A new reader, with an order of cases of their own.

        Raises:
            XrayganError: a name that cannot be used or is taken, too many readers, or closed.
        """
        count = len(study.cases)
        order = list(range(count))
        secrets.SystemRandom().shuffle(order)
        values = {
            "key": secrets.token_hex(6),
            "name": name.strip(),
            "order": order,
            "tokens": [secrets.token_hex(8) for _ in range(count)],
        }
        reader = Reader.parse(values, "your name")
        with self._lock:
            self._check_open(study)
            known = self.readers(study)
            if len(known) >= MOST_READERS:
                raise XrayganError(f"this study has {MOST_READERS} readers: begin another")
            if any(other.name.casefold() == reader.name.casefold() for other in known):
                raise XrayganError(f"{reader.name} reads already: open that name in the list")
            self._write(study, reader)
        return reader

    def answer(
        self, study: Study, reader_key: str, token: str, said: str, milliseconds: int
    ) -> Reader:
        """Write down what a reader said of the image shown now.

        The same answer sent twice counts once: the first stands.

        Raises:
            XrayganError: it is not that image's turn, or the study is closed.
        """
        with self._lock:
            self._check_open(study)
            reader = self.reader(study, reader_key)
            place = len(reader.answers)
            if token in reader.tokens[:place]:
                return reader
            if token != reader.token:
                raise XrayganError("this image is not to be read now: load the page again")
            given = {"case": reader.order[place], "said": said, "milliseconds": milliseconds}
            answers = (*reader.answers, Answer.parse(given, "the answer"))
            reader = reader.model_copy(update={"answers": answers})
            self._write(study, reader)
        return reader

    def close(self, study: Study) -> None:
        """End the reading: nobody begins or goes on, and the results open."""
        with self._lock:
            closed = study.model_copy(update={"closed": True})
            write_json(self._path(study.key) / STUDY, closed.model_dump(mode="json"))

    def _check_open(self, study: Study) -> None:
        if self.study(study.key).closed:
            raise XrayganError("this study is closed: nobody reads in it any more")

    def _write(self, study: Study, reader: Reader) -> None:
        write_json(self._reader_file(study, reader.key), reader.model_dump(mode="json"))

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise Missing("there is no such study here")
        return self._folder / key

    def _reader_file(self, study: Study, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise Missing("there is no such reader in this study")
        return self._path(study.key) / READERS / f"{key}.json"


def new_study(name: str, model: str, model_sha256: str, seed: int, cases: Sequence[Case]) -> Study:
    """A study with a key of its own.

    Raises:
        XrayganError: a name that cannot be used.
    """
    values = {
        "key": secrets.token_hex(6),
        "name": name.strip(),
        "model": model,
        "model_sha256": model_sha256,
        "seed": seed,
        "cases": list(cases),
        "begun": time.strftime("%Y-%m-%d"),
    }
    return Study.parse(values, "the study")

"""What a reader study has found: figures of each reader, of all, and a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xraygan.estimates import Estimate, bootstrap, uncertain, unseen, widened
from xraygan.evaluation.readers import agreement, reading_figures
from xraygan.web.studies import Reader, Study

COLUMNS = (
    *("reader", "case", "truth", "class", "said", "right", "seconds", "place"),
    *("seed", "index", "model_sha256"),
)


@dataclass(frozen=True)
class ReaderResult:
    """One reader: name, answers given, median seconds an image, and figures by name."""

    name: str
    answered: int
    seconds: float
    figures: dict[str, Estimate]


@dataclass(frozen=True)
class Results:
    """A study's findings.

    Attributes:
        readers: those who have answered anything.
        finished: how many have answered everything.
        together: accuracy, sensitivity and specificity of all who have finished, their intervals
            from drawing images again; empty with fewer than two.
        seconds: median of an image, of all who have finished.
        kappa: Fleiss' kappa of all who have finished; None where it cannot be said.
    """

    readers: list[ReaderResult]
    finished: int
    together: dict[str, Estimate]
    seconds: float
    kappa: Estimate | None


def are_open(study: Study, readers: Sequence[Reader]) -> bool:
    """Whether results may be seen: whoever still reads could be told by them what is synthetic."""
    return study.closed or all(reader.finished for reader in readers)


def results_of(study: Study, readers: Sequence[Reader]) -> Results:
    """The figures of a study so far."""
    done = [reader for reader in readers if reader.finished]
    truth = study.synthetic
    said = np.array([reader.said_synthetic(len(truth)) for reader in done]).reshape(-1, len(truth))
    together = {}
    if len(done) > 1:
        right = (said == truth).mean(axis=0)
        parts = {"accuracy": right, "sensitivity": right[truth], "specificity": right[~truth]}
        together = {name: _of_all(part) for name, part in parts.items()}
    times = [answer.milliseconds / 1000 for reader in done for answer in reader.answers]
    return Results(
        [_of_reader(study, reader) for reader in readers if reader.answers],
        len(done),
        together,
        float(np.median(times)) if times else 0.0,
        agreement(said),
    )


def _of_all(share: np.ndarray) -> Estimate:
    """The mean of the share of readers who were right, image by image."""
    images = np.arange(len(share)).astype(object)
    found = bootstrap(lambda rows: float(share[rows].mean()), images, resamples=1000)
    # Readers may differ alike on every image as well.
    return widened(uncertain(found, len(share)), unseen(len(share)))


def _of_reader(study: Study, reader: Reader) -> ReaderResult:
    truth = study.synthetic[[answer.case for answer in reader.answers]]
    said = np.array([answer.said == "synthetic" for answer in reader.answers])
    seconds = float(np.median([answer.milliseconds for answer in reader.answers]) / 1000)
    return ReaderResult(reader.name, len(reader.answers), seconds, reading_figures(truth, said))


def as_csv(study: Study, readers: Sequence[Reader]) -> str:
    """One row an answer: cases are numbered from 1 in the study's order, places in the reader's.

    Seed, index and model say which synthetic image it was, to be made again; of a film they are "".
    """
    buffer = io.StringIO()
    table = csv.writer(buffer)
    table.writerow(COLUMNS)
    for reader in readers:
        for place, answer in enumerate(reader.answers, 1):
            case = study.cases[answer.case]
            right = int(case.truth == answer.said)
            seconds = f"{answer.milliseconds / 1000:.3f}"
            truth = (case.truth, _cell(case.class_name))
            made = ("", "", "")
            if case.index is not None:
                made = (study.seed, case.index, study.model_sha256)
            told = (reader.name, answer.case + 1, *truth, answer.said, right, seconds, place)
            table.writerow((*told, *made))
    return buffer.getvalue()


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula. Source: OWASP, "CSV Injection"."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text

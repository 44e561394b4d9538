"""`generate --filter copies`: what comes too near to a training patient is left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from xraygan import caveats, evidence
from xraygan.api.making import images_audited
from xraygan.api.preparing import training_data
from xraygan.data.collection import Collection
from xraygan.privacy.audit import check_patients
from xraygan.privacy.release import fit_bound
from xraygan.privacy.words import in_one_line
from xraygan.progress import Reporter
from xraygan.runs import read_config, write_json
from xraygan.sampling.records import audit_name, listed_in, origin
from xraygan.sampling.request import Shard, Written
from xraygan.sets import ImageSet

AUDITED = 5000
"""Images, the first ones, on which the audit of the rest is made."""
SAME_MEASURE = (
    "These images are those that a filter let through, and it measures likeness as this audit does "
    "by pixels: that no copy is found by pixels is nearly assured, and is no evidence."
)
"""What an audit of filtered images has to say of itself."""


class CopyFilter:
    """Says which images are left out, and remembers the others for the audit.

    Args:
        run: the run folder, which remembers how its data were read and split.
        data: the folder that it was trained on.
        out: where the images are written, if anywhere.
        reporter: where progress and counts go.

    Raises:
        XrayganError: no run folder, other data, or too few patients.
    """

    def __init__(
        self, run: Path, data: str | Path, out: str | Path | None, reporter: Reporter
    ) -> None:
        self._dataset = training_data(run, data, reporter, Path(out) if out else None)
        self._config = read_config(run) or {}
        self._reporter = reporter
        train, holdout = self._dataset.image_set("train"), self._dataset.image_set("val", "test")
        check_patients(train, holdout)
        self._bound = fit_bound(train, holdout)
        self._left_out = self._seen = 0
        self._kept: list[np.ndarray] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Which images are nearer to a training patient than the bound: bool [n]."""
        if images.dtype == np.uint16:
            images = np.rint(images / 257).astype(np.uint8)
        copies = self._bound.is_copy(images)
        self._left_out += int(copies.sum())
        self._seen += len(images)
        room = images_audited(AUDITED, images.shape[1]) - sum(map(len, self._kept))
        if room > 0:
            self._kept.append(images[~copies][:room])
        return copies

    def say_how_many(self) -> None:
        """How many images were left out, of how many."""
        self._reporter.note(
            f"{self._left_out:,} of {self._seen:,} images came nearer to a training patient "
            f"than {100 * self._bound.chance:.2g} % of honest images do, and were left out; a "
            "filter is no guarantee"
        )

    def audit_the_rest(self, written: Written, out: Path, shard: Shard) -> Written:
        """Write the audit of the images that were kept into their folder, and say so in `written`.

        Each shard's has a name of its own. Where nothing was kept there is none, and one of other
        images that lie there is not written over.
        """
        kept = self._seen - self._left_out
        if not kept:
            self._reporter.note("no image is left to audit")
            return written
        images = np.concatenate(self._kept)
        labels = np.zeros(len(images), np.int32)
        rest = ImageSet.of_nobody(images, labels, self._dataset.classes)
        read = Collection.of_run(self._dataset, "holdout", rest)
        measures = evidence.Measures.model_validate({}).of_audit()
        found = evidence.look_for_leaks(
            read.sets["train"], read.sets["holdout"], rest, measures, self._reporter
        )
        which = _audited(len(images), kept, shard)
        # Of another call, or of another shard, which has an audit of its own.
        others = listed_in(out) - kept if shard.count == 1 else 0
        if others > 0:
            which += f" The {others:,} others in the folder were not looked at."
        notes = (*found.notes, *read.unknown_said(), which, *caveats.of_audit(self._config))
        found = replace(found, notes=notes, sets=read.with_unknown(found.sets))
        audit = found.as_dict()
        audit["explanation"] += f" {SAME_MEASURE}"
        path = out / audit_name(shard)
        # Without the pairs: this folder is made to be shared.
        if shard.count == 1:  # images may be added later, or lie there from other calls
            audit |= origin(out, kept)
        of_others = others > 0 and path.exists()
        where = str(path)
        if of_others:
            where = f"not written: {path} is of others; `xraygan audit --synth` looks at all"
        else:
            write_json(path, audit)
        self._reporter.note(
            f"audit of the rest: {in_one_line(audit)} ({where}). {which} {SAME_MEASURE}"
        )
        return replace(written, audit=None if of_others else path, verdict=found.verdict)


def _audited(images: int, kept: int, shard: Shard) -> str:
    """Which images an audit covers, in a sentence."""
    from xraygan.privacy.words import IN_PART

    which = (
        f"Audited: the {images:,}" if images == kept else f"{IN_PART} {images:,} of the {kept:,}"
    )
    part = f" of shard {shard.number} of {shard.count}" if shard.count > 1 else ""
    return f"{which} images{part} that the filter let through."

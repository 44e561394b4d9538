"""What a report says in words: whatever was measured, and of what was.

Three questions that a reader has first are answered with one number each; the words follow from
the figures by fixed rules, which the page states (`RULES`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from xraygan.estimates import Estimate
from xraygan.privacy.audit import COPYING
from xraygan.privacy.membership import NOT_TESTED
from xraygan.privacy.words import IN_PART
from xraygan.report.content import ReportData
from xraygan.report.measured import Audit, Evaluation, Figure
from xraygan.report.wording import floor_of, interval_of, number, value_of

MARK = "INTERNAL EDITION: shows films of real patients. Must not leave the house."
PROTECTION = (
    "Synthetic is not anonymous. The generator, its principal components included, is a function "
    "of the training images and can reproduce what is rare in them; patients have been "
    "re-identified from chest X-rays, and generators have been shown to copy some of their "
    "training images. An audit can find copying; it cannot prove that there is none. Leaving out "
    "the images that come nearest to training films (--filter copies) is no guarantee: what the "
    "generator has learnt stays as it is. No differential privacy was used. Share the images and "
    "the model only under the rules that your institution has for data derived from "
    "patients."
)
INTENDED = (
    "Research and teaching in image analysis.",
    "Developing and testing software that handles chest X-rays.",
    "Pre-training, or enlarging a training set, where the result is then tested on real patients.",
)
NOT_FOR = (
    "Diagnosis, treatment, triage or any other decision about a person.",
    "Sole evidence for how well a medical device works.",
    "Attempts to find out who was in the training data.",
)
STATEMENTS = {"protection": PROTECTION, "intended": INTENDED, "not_for": NOT_FOR}

OF_OTHERS = "As far as it says, this was not measured on these images."
HITS = "tpr_at_1_percent"
BLIND_AUC = "blind_auc"


def measuring(verb: str, synth: str = "RUN/synthetic", out: str = "RUN") -> str:
    """The command that measures images, "evaluate" or "audit", and puts it where cards find it."""
    return f"xraygan {verb} --model RUN --data DATA --synth {synth} --out {out}"


EVALUATE, AUDIT = measuring("evaluate"), measuring("audit")
NEAR, APART = 0.9, 0.5
LOSS = 0.05
"""Of AUC: a loss that may be as large is not denied."""
RULES = (
    "Likeness is judged in the first feature space. “No difference found”: the intervals of KID, "
    "the classifier's AUC, coverage and recall all reach those of the real films' own figures, and "
    f"coverage is surely {NEAR:.0%} of what real films reach; where it may be less, no difference "
    "is shown, and none is denied. Otherwise "
    f"coverage decides: at least {NEAR:.0%} of what real films reach is “near to real films”, at "
    f"least {APART:.0%} “clearly different”, less is “far from real films”. Without figures of the "
    "real films themselves there is no floor to compare with, and no difference is judged; nor is "
    "“no difference” said where a figure has no interval. Utility "
    "compares the interval of TSTR with 0.5, and that of its difference from TRTR with 0 (or, "
    f"without one, with the interval of TRTR); a loss of {LOSS} that cannot be excluded is not "
    "denied. The words on privacy are the audit's own."
)


Tone = Literal["calm", "mixed", "bad", "open", "none"]


@dataclass(frozen=True)
class Verdict:
    """One tile.

    Attributes:
        topic: "Fidelity", "Utility" or "Privacy".
        question: what it answers.
        tone: how it is coloured; the words say the same. "open" is for a question that stays
            open whatever was found.
        headline: the answer.
        value: the one number, or "".
        value_label: what that number is.
        sentence: how to take it.
        command: what to run where nothing was measured, or "".
    """

    topic: Literal["Fidelity", "Utility", "Privacy"]
    question: str
    tone: Tone
    headline: str
    value: str = ""
    value_label: str = ""
    sentence: str = ""
    command: str = ""


def verdicts(data: ReportData) -> tuple[Verdict, Verdict, Verdict]:
    """Fidelity, utility, privacy; each says so where it may be of other images."""
    evaluation, audit = data.evaluation, data.audit
    return (
        _said_of(fidelity(evaluation), data.of_others(evaluation)),
        _said_of(utility(evaluation), data.of_others(evaluation)),
        _said_of(privacy(audit), data.of_others(audit)),
    )


def _said_of(verdict: Verdict, others: bool) -> Verdict:
    if not others or verdict.tone == "none":
        return verdict
    return replace(verdict, sentence=f"{OF_OTHERS} {verdict.sentence}")


def fidelity(evaluation: Evaluation | None) -> Verdict:
    """How real the images are, from KID, coverage, recall and a classifier."""
    question = "Do the images look like real films?"
    kid = evaluation.figure("kid") if evaluation else None
    if evaluation is None or kid is None:
        return Verdict("Fidelity", question, "none", "Not measured yet", command=EVALUATE)
    tone, headline = _likeness(evaluation)
    beside = "too few to tell" if kid.floor is None else floor_of(kid)
    space = f"; in {kid.feature_space}" if kid.feature_space else ""
    return Verdict(
        "Fidelity",
        question,
        tone,
        headline,
        value_of(kid),
        f"kernel distance (KID) to real films of other patients, 0 is no difference{space}",
        f"95 % interval {interval_of(kid)}. Real films among themselves: {beside}.",
    )


def _likeness(evaluation: Evaluation) -> tuple[Tone, str]:
    """In words; a difference that one of four measures found is a difference.

    KID hardly sees that a part of the patients is missing: coverage and recall do. A classifier
    sees textures that none of them does.
    """
    found = {key: evaluation.figure(key) for key in ("kid", "classifier_auc", "coverage", "recall")}
    coverage = found["coverage"]
    if found["kid"] is None or found["kid"].floor is None:
        return "open", "No floor to compare with"
    if not any(_beyond_floor(figure, key) for key, figure in found.items()):
        if any(map(_without_interval, found.values())):
            return "open", "Too few patients to judge"
        if coverage is None or not math.isfinite(coverage.value):
            return "open", "No difference shown; coverage was not measured"
        if coverage.low >= NEAR * (coverage.floor or 1):
            return "calm", "No difference from real films found"
        return "open", "No difference shown, by too few images to deny one"
    if coverage is None or not coverage.value >= 0:
        return "mixed", "Different from real films"
    share = coverage.value / (coverage.floor or 1)
    if share >= NEAR:
        return "mixed", "Near to real films, yet different"
    if share >= APART:
        return "mixed", "Clearly different from real films"
    return "bad", "Far from real films"


def _without_interval(figure: Estimate | None) -> bool:
    """Whether a figure was measured and could be given no interval."""
    return figure is not None and math.isfinite(figure.value) and not math.isfinite(figure.high)


def _beyond_floor(figure: Estimate | None, key: str) -> bool:
    """Whether a figure is worse than real films among themselves, beyond both intervals."""
    if figure is None or figure.floor is None:
        return False
    if key in ("coverage", "recall"):
        return figure.high < (figure.floor if figure.floor_low is None else figure.floor_low)
    return figure.low > (figure.floor if figure.floor_high is None else figure.floor_high)


def utility(evaluation: Evaluation | None) -> Verdict:
    """What the images are good for, from TSTR beside TRTR."""
    question = "Do models trained on them work on real patients?"
    regimes = evaluation.utility if evaluation else {}
    synthetic, real = _auc(regimes.get("tstr")), _auc(regimes.get("trtr"))
    if evaluation is not None and synthetic is None and evaluation.utility_notes:
        why = evaluation.utility_notes[-1]
        return Verdict("Utility", question, "none", "Not measured", sentence=why)
    if evaluation is None or synthetic is None:
        return Verdict("Utility", question, "none", "Not measured yet", command=EVALUATE)
    beside = (
        f" The same network trained on real films: {value_of(real)} ({interval_of(real)})."
        if real
        else ""
    )
    return Verdict(
        "Utility",
        question,
        *_usefulness(synthetic, real, evaluation.differences.get("tstr_minus_trtr")),
        value_of(synthetic),
        "AUC on real films after training on synthetic images alone; 0.5 is guessing",
        f"95 % interval {interval_of(synthetic)}.{beside}",
    )


def _usefulness(
    synthetic: Estimate, real: Estimate | None, difference: Figure | None
) -> tuple[Tone, str]:
    if not synthetic.low > 0.5:
        return "bad", "No use shown"
    if difference is not None:
        less, most = not difference.estimate.high >= 0, -difference.estimate.low
    elif real is not None:
        less, most = not synthetic.high >= real.low, real.high - synthetic.low
    else:
        return "mixed", "Better than guessing"
    if less:
        return "mixed", "Useful, but less than real films"
    if most <= LOSS:
        return "calm", "No loss against real films found"
    return "open", f"No loss shown; one of {number(most, 2)} is not excluded"


def privacy(audit: Audit | None) -> Verdict:
    """What the audit found."""
    question = "Do they give patients away?"
    if audit is None:
        return Verdict("Privacy", question, "none", "Not measured yet", command=AUDIT)
    figure = headline_figure(audit)
    shown = (value_of(figure[1].estimate), figure[0]) if figure else ("", "")
    said = f"95 % interval {interval_of(figure[1].estimate)}. " if figure else ""
    blind = next((f.estimate for f in audit.blind if f.key == BLIND_AUC), None)
    if figure and figure[1].key == "auc" and blind:
        said += f"The films alone, without synthetic images: {value_of(blind)} "
        said += f"({interval_of(blind)}). "
    if not audit.membership:
        why = (note for note in audit.notes if note.startswith(NOT_TESTED))
        said += f"{next(why, f'{NOT_TESTED}.')} "
    said += "".join(f"{note} " for note in audit.notes if note.startswith(IN_PART))
    if audit.clear:
        after = "This does not prove that the images are anonymous."
        return Verdict("Privacy", question, "open", "Nothing found", *shown, said + after)
    headline = audit.verdict[:1].upper() + audit.verdict[1:]
    after = "Do not share anything before you have read what was found."
    return Verdict("Privacy", question, "bad", headline, *shown, said + after)


def headline_figure(audit: Audit) -> tuple[str, Figure] | None:
    """The one number on privacy with its label.

    Of copies where those were found, else of the attack that told most, among those that count as
    a leak where any does: its AUC, or the members it names where it is a leak by these alone.
    None without any.
    """
    if audit.verdict == COPYING and audit.copies:
        return audit.copies[0].reading.title, audit.copies[0]
    asked = audit.leaking or tuple(audit.membership)
    figures = {name: {f.key: f for f in audit.membership.get(name, ())} for name in asked}
    areas = {name: found["auc"] for name, found in figures.items() if "auc" in found}
    strongest = max(
        (name for name in areas if areas[name].estimate.value >= 0),
        key=lambda name: areas[name].estimate.value,
        default=None,
    )
    if strongest is None:
        return None
    which = f"strongest of {number(len(areas), 0)} membership attacks"
    if audit.leaking:
        counts = f"{number(len(areas), 0)} of {number(len(audit.membership), 0)}"
        which = f"strongest membership attack that succeeded ({counts} did)"
    if strongest in audit.by_hits and HITS in figures[strongest]:
        label = f"share of training films that the {which} names at 1 % false alarms"
        return f"{label}; 0.01 is guessing", figures[strongest][HITS]
    return f"AUC of the {which}; 0.5 is guessing, 1 is certainty", areas[strongest]


def _auc(figures: Iterable[Figure] | None) -> Estimate | None:
    return next((f.estimate for f in figures or () if f.key == "auc"), None)


def limits(data: ReportData) -> tuple[str, ...]:
    """What the figures do not say, and what was left unmeasured."""
    evaluation, audit = data.evaluation, data.audit
    unmeasured = [
        name
        for name, there in (
            ("fidelity", evaluation is not None and evaluation.figures),
            ("utility", evaluation is not None and evaluation.utility),
            ("privacy", audit),
        )
        if not there
    ]
    said = [
        f"Findings smaller than a pixel of {data.resolution} × {data.resolution} are not in these "
        "images; texture and fine lines are the first that a generator gets wrong.",
        "A class is what the generator was asked for. No radiologist has confirmed any image.",
        "The synthetic images have the age, sex, disease and equipment of the training data, its "
        "gaps and its biases, perhaps more of them; nothing is known about other hospitals.",
        "A figure says what its measure can see. Images may be wrong in ways that none of them "
        "sees.",
        "Intervals tell how much a figure would vary with other images of the same kind: "
        "most with other real films and other synthetic images, some with one of the two alone. "
        "They do not cover another training run or other data.",
    ]
    if unmeasured:
        said.append(f"Not measured in this report: {', '.join(unmeasured)}.")
    if data.phantom:
        said.append(
            "Drawn phantoms are much simpler than patients: figures on them say that the "
            "programs work, and nothing about real X-rays."
        )
    return tuple(said)

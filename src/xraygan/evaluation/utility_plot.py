"""The utility measures at a glance: AUC of every way to train, and the differences."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Literal

from xraygan.estimates import Estimate

_ROW_INCHES = 0.27
_WIDTH_INCHES = 8.5
_DOT = {"fmt": "o", "color": "#1f5fa8", "ecolor": "#1f5fa8", "markersize": 5, "capsize": 2}


def plot_utility(
    utility: Mapping[str, Any], *, kind: Literal["png", "svg"] = "png", dpi: int = 110
) -> bytes:
    """Draw what `measure_utility` found: a dot and its 95 % interval in a row each.

    Args:
        utility: from `measure_utility`, with at least one regime.
        kind: of the file.
        dpi: of a PNG.

    Returns:
        A file's bytes; equal figures give equal bytes.

    Raises:
        ValueError: no regime.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    aucs, differences = _found(utility, "auc"), _found(utility, "auc_difference")
    if not aucs:
        raise ValueError("no regime to draw: utility holds notes alone")
    counts = [len(aucs), len(differences)] if differences else [len(aucs)]
    figure = Figure(
        figsize=(_WIDTH_INCHES, 1.0 * len(counts) + _ROW_INCHES * sum(counts)),
        layout="constrained",
    )
    panels = figure.subplots(len(counts), 1, squeeze=False, height_ratios=counts)[:, 0]
    _panel(panels[0], aucs, "AUC", 0.5, "guessing")
    reference = aucs.get("trtr")
    if reference is not None:
        panels[0].axvspan(reference.low, reference.high, color="#1f5fa8", alpha=0.1, linewidth=0)
    if differences:
        _panel(panels[1], differences, "difference in AUC", 0.0, "no difference")
    buffer = BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "xraygan", "svg.fonttype": "none"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def _found(utility: Mapping[str, Any], measure: str) -> dict[str, Estimate]:
    return {
        name: Estimate(**item[measure])
        for name, item in utility.items()
        if isinstance(item, Mapping) and measure in item
    }


def _panel(axes: Any, found: Mapping[str, Estimate], label: str, level: float, name: str) -> None:
    rows = range(len(found))
    values = [estimate.value for estimate in found.values()]
    below = [max(e.value - e.low, 0) for e in found.values()]
    above = [max(e.high - e.value, 0) for e in found.values()]
    axes.axvline(level, color="grey", linestyle=":", linewidth=1, label=name)
    axes.errorbar(values, rows, xerr=[below, above], **_DOT)
    axes.set_yticks(rows, [title(key) for key in found], fontsize=9)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.25)
    axes.legend(frameon=False, loc="best", fontsize=8)


def title(key: str) -> str:
    """A regime's or a difference's key in words."""
    if "_minus_" in key:
        first, _, second = key.partition("_minus_")
        return f"{title(first)} − {title(second)}"
    known = {"trtr": "train real, test real", "tstr": "train synthetic, test real"}
    known["trts"] = "train real, test synthetic"
    ratio = key.removeprefix("real_plus_synthetic_")
    if ratio != key:
        return f"real + {ratio} × synthetic"
    return known.get(key) or key.removeprefix("low_").replace("_plus_", " + ").replace("_", " ")

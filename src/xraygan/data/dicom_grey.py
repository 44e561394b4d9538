"""From stored values of a DICOM film to grey: one table, computed in double precision.

Order of the steps: modality LUT, VOI LUT or window, polarity.
Source: DICOM PS3.3, C.11.1 (modality), C.11.2 (VOI), C.7.6.3.1.2 (photometric interpretation);
PS3.4, N.2 (the pipeline).
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xraygan.data.headers import Refusal

if TYPE_CHECKING:
    from pydicom import Dataset

GREY_TAGS = (
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
)
"""Keywords of the tags that say how stored values become grey."""

# Left out at each end where the file gives no window: markers of lead and dead pixels.
_TAIL = 0.005
_DEFECTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Stored(NamedTuple):
    """What the stored samples are.

    Attributes:
        bits: BitsStored, 1 to 16.
        signed: two's complement.
    """

    bits: int
    signed: bool

    def values(self) -> np.ndarray:
        """Every value that can be stored, in order: float64 [2 ** bits]."""
        lowest = -(2 ** (self.bits - 1)) if self.signed else 0
        return np.arange(lowest, lowest + 2**self.bits, dtype=np.float64)

    def places(self, samples: np.ndarray) -> np.ndarray:
        """Place in `values()` of samples of any integer type; bits above are cut off."""
        offset = 2 ** (self.bits - 1) if self.signed else 0
        return (samples.astype(np.uint16) + np.uint16(offset)) & np.uint16(2**self.bits - 1)


def grey_table(
    dataset: "Dataset", stored: Stored, counts: np.ndarray, inverted: bool
) -> np.ndarray:
    """Grey of every value that can be stored.

    Without any VOI transformation 8-bit films are taken as they are, as JPEG and PNG files
    are. Deeper ones are stretched between the 0.5 and 99.5 percentiles of the film: devices
    use a part of the range that BitsStored promises (a computed radiograph of 15 bits may end
    at 26,000, one of 12 bits at 1,500), so the whole range would give dark, flat pictures, and
    the extremes belong to lead markers and collimators.

    Args:
        dataset: with the `GREY_TAGS` it has.
        stored: kind of its samples.
        counts: [2 ** bits] how many pixels have each value.
        inverted: MONOCHROME1: the lowest value is white.

    Returns:
        float32 [2 ** bits] in [0, 255], bone white.

    Raises:
        Refusal: the transformation is damaged.
    """
    stored_values = stored.values()
    values = _modality(dataset, stored_values)
    grey = _voi(dataset, values)
    if grey is None:
        if stored.bits <= 8:
            low, high = values.min(), values.max()
        else:
            counts = np.where(_padding(dataset, stored), 0, counts)
            low, high = _percentiles(values, counts)
        grey = (values - low) / max(high - low, np.finfo(np.float64).tiny)
    grey = np.clip(grey, 0, 1)
    return ((1 - grey if inverted else grey) * 255).astype(np.float32)


def _modality(dataset: "Dataset", values: np.ndarray) -> np.ndarray:
    """Modality LUT, or rescale. Source: DICOM PS3.3, C.11.1.1."""
    table = _lookup_table(dataset, "ModalityLUTSequence", signed=values[0] < 0)
    if table is not None:
        return _look_up(*table[:2], values)
    slope = _number(dataset, "RescaleSlope")
    intercept = _number(dataset, "RescaleIntercept")
    if slope == 0:
        raise Refusal("damaged DICOM: its RescaleSlope is zero")
    result = values * (1.0 if slope is None else slope) + (intercept or 0.0)
    if not np.isfinite(result).all():
        raise Refusal("damaged DICOM: its rescaled values are not finite")
    return result


def _voi(dataset: "Dataset", values: np.ndarray) -> np.ndarray | None:
    """First VOI LUT, or first window, to [0, 1]; None where there is none that can be used.

    Source: DICOM PS3.3, C.11.2.1.1 (LUT), C.11.2.1.2 (LINEAR), C.11.2.1.3 (SIGMOID,
    LINEAR_EXACT).
    """
    table = _lookup_table(dataset, "VOILUTSequence", signed=bool(values.min() < 0))
    if table is not None:
        first, entries, bits = table
        return _look_up(first, entries, values) / _top(entries, bits)
    center, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    if center is None or width is None:
        return None
    function = str(_first(dataset, "VOILUTFunction") or "LINEAR").strip().upper()
    if function == "LINEAR":
        if width < 1:
            return None
        if width == 1:
            return (values > center - 0.5).astype(np.float64)
        return (values - (center - 0.5)) / (width - 1) + 0.5
    if width <= 0:
        return None
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if function == "SIGMOID":
        # Beyond 700 exp() overflows, long after the result is 0 or 1.
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    raise Refusal("its VOILUTFunction is none of LINEAR, LINEAR_EXACT and SIGMOID")


def _lookup_table(
    dataset: "Dataset", keyword: str, signed: bool
) -> tuple[int, np.ndarray, int] | None:
    """First value mapped, entries and bits an entry of a sequence's first table, if any."""
    item = _first(dataset, keyword)
    if item is None:
        return None
    try:
        size, first, bits = (int(value) & 0xFFFF for value in item["LUTDescriptor"].value)
        size = size or 2**16
        entries = _entries(item["LUTData"].value, size, bits, dataset.original_encoding[1])
    except _DEFECTS:
        raise Refusal(f"damaged DICOM: its {keyword} cannot be read") from None
    if not 8 <= bits <= 16 or len(entries) < size:
        raise Refusal(f"damaged DICOM: its {keyword} contradicts itself")
    if signed and first >= 2**15:
        first -= 2**16
    return first, entries[:size], bits


def _entries(data: Any, size: int, bits: int, little_endian: bool | None) -> np.ndarray:
    """LUT data, stored as numbers or as bytes (8-bit entries may stand alone or in words)."""
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if bits == 8 and len(data) in (size, size + size % 2):
        return np.frombuffer(data, np.uint8)
    words = np.dtype(">u2" if little_endian is False else "<u2")
    return np.frombuffer(data[: len(data) // 2 * 2], words)


def _look_up(first: int, entries: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Entries at values, the first and the last beyond the ends."""
    place = np.clip(np.rint(values) - first, 0, len(entries) - 1).astype(np.int64)
    return entries[place].astype(np.float64)


def _top(entries: np.ndarray, bits: int) -> float:
    """Which entry is white: the highest that its bits allow.

    Some devices write 16 bits for tables of 12, or the other way round: where the entries
    reach less than a quarter of the promised range, or more than it, they are believed.
    """
    needed = int(entries.max()).bit_length()
    believed = bits if bits - 2 < needed <= bits else max(needed, 1)
    return float(2**believed - 1)


def _padding(dataset: "Dataset", stored: Stored) -> np.ndarray:
    """Which stored values fill what is not picture. Source: DICOM PS3.3, C.7.5.1.1.2."""
    ends = [_number(dataset, tag) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    found = np.array([int(end) & 0xFFFF for end in ends if end is not None], np.uint16)
    padding = np.zeros(2**stored.bits, bool)
    if len(found):
        places = stored.places(found)
        padding[places.min() : int(places.max()) + 1] = True
    return padding


def _percentiles(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Values that leave a tail of the pixels below and above; the extremes if they are one."""
    used = np.flatnonzero(counts)
    if not len(used):
        raise Refusal("no contrast: it holds only padding")
    order = used[np.argsort(values[used], kind="stable")]
    share = np.cumsum(counts[order]) / counts.sum()
    low = values[order[np.searchsorted(share, _TAIL)]]
    high = values[order[np.searchsorted(share, 1 - _TAIL)]]
    if low < high:
        return float(low), float(high)
    return float(values[order[0]]), float(values[order[-1]])


def _first(dataset: "Dataset", keyword: str) -> Any:
    """A tag's first value or item; None where there is none."""
    try:
        value = dataset.get(keyword)
        if value is None or isinstance(value, str | bytes) or not hasattr(value, "__len__"):
            return None if value == "" else value
        return value[0] if len(value) else None
    except _DEFECTS:
        raise Refusal(f"damaged DICOM: its {keyword} cannot be read") from None


def _number(dataset: "Dataset", keyword: str) -> float | None:
    value = _first(dataset, keyword)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except _DEFECTS:
        raise Refusal(f"damaged DICOM: its {keyword} is no number") from None
    if not math.isfinite(number):
        raise Refusal(f"damaged DICOM: its {keyword} is no number")
    return number

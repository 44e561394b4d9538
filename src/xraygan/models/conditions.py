"""What the networks are told of an image: which labels it has."""

from typing import Any

import numpy as np
from keras import ops

from xraygan.config import ModelSettings


def class_conditions(settings: ModelSettings) -> np.ndarray:
    """The condition of each class, float32 [num_classes, num_labels].

    One-hot where every class is a label of its own, multi-hot where classes are sets of labels.
    """
    if not settings.label_sets:
        return np.eye(settings.num_classes, dtype=np.float32)
    rows = np.zeros((settings.num_classes, settings.num_labels), np.float32)
    for row, numbers in zip(rows, settings.label_sets, strict=True):
        row[list(numbers)] = 1
    return rows


def label_shares(conditions: Any) -> Any:
    """Conditions [B, K], an array or a tensor, as each label's share of a film: a tensor [B, K]."""
    return conditions / ops.sum(conditions, axis=1, keepdims=True)

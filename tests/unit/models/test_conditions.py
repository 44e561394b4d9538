"""What the networks are told of an image."""

import numpy as np
import pytest
from keras import ops

from xraygan.config import ModelSettings
from xraygan.errors import XrayganError
from xraygan.models.conditions import class_conditions, label_shares
from xraygan.models.generator import build_generator
from xraygan.models.sample import sample
from xraygan.presets import label_sets


def of(tiny: ModelSettings, **changes: object) -> ModelSettings:
    return ModelSettings.parse({**tiny.model_dump(), **changes}, "test")


def test_one_hot_where_classes_are_labels(tiny: ModelSettings) -> None:
    assert tiny.num_labels == 2
    assert np.array_equal(class_conditions(tiny), np.eye(2))


def test_multi_hot_where_classes_are_sets(tiny: ModelSettings) -> None:
    sets = label_sets([["Effusion"], ["Effusion", "Pneumonia"], ["Mass"], ["Pneumonia"]])
    settings = of(tiny, num_classes=4, label_sets=sets)
    assert settings.num_labels == 3
    expected = [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert np.array_equal(class_conditions(settings), expected)


def test_no_sets_where_every_class_is_one_label() -> None:
    assert label_sets([["A"], ["B"]]) == ()


@pytest.mark.parametrize(
    ("num_classes", "sets"),
    [(3, ((0,), (1,))), (2, ((0,), ())), (2, ((0,), (256,))), (2, ((0,), (-1,)))],
)
def test_sets_that_do_not_fit(tiny: ModelSettings, num_classes: int, sets: tuple) -> None:
    with pytest.raises(XrayganError, match="label_sets"):
        of(tiny, num_classes=num_classes, label_sets=sets)


def test_more_labels_than_there_is_memory_for(tiny: ModelSettings) -> None:
    with pytest.raises(XrayganError, match="256 labels"):
        of(tiny, num_classes=257)


def test_the_base_of_a_set_lies_between_those_of_its_labels(tiny: ModelSettings) -> None:
    settings = of(tiny, num_classes=3, label_sets=((0,), (0, 1), (1,)), noise_scale=0.0)
    generator = build_generator(settings)
    base = generator.get_layer("base")
    base.class_means.assign([[0.2] * 8, [-0.6] * 8])
    base.components.assign(np.full(base.components.shape, 0.1, np.float32))
    one, both, other = sample(generator, settings, 0, [0, 0, 0], [0, 1, 2], psi=0.0).astype(int)
    assert np.abs(both - (one + other) / 2).mean() < 3
    assert np.abs(one - other).mean() > 20


def test_labels_share_a_film_evenly_in_arrays_and_tensors_alike() -> None:
    conditions = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 1]], np.float32)
    expected = conditions / conditions.sum(axis=1, keepdims=True)
    for given in (conditions, ops.convert_to_tensor(conditions)):
        assert np.array_equal(np.asarray(label_shares(given)), expected)

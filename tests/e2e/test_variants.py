"""Each network, loss or schedule that lost can still be tried: its row can be made again."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TRY = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import variants
from xraygan.training.device import use_device
use_device("cpu")
variants.apply(sys.argv[2])
from xraygan.config import TrainingSettings
from xraygan.data.phantom import phantom_images
from xraygan.models.conditions import class_conditions
from xraygan.presets import model_settings
from xraygan.sets import ImageSet
from xraygan.training.base import fit_base
from xraygan.training.state import TrainState
from xraygan.training.trainer import Trainer, TrainingData
images, labels = phantom_images(24, 64, seed=0)[:2]
variants.films = ImageSet.of_nobody(images, labels, ("NORMAL", "PNEUMONIA"))
training = TrainingSettings(preset="small", start="random")
network = model_settings(training, 64, [["a"], ["b"]], 24, 24, "float32")
state = TrainState(variants.reshape(network), training)
data = TrainingData(images, labels, class_conditions(network))
state.set_base(fit_base(images, data.conditions, network))
metrics = Trainer(state, training, data).run(5, 4000)
assert all(np.isfinite(value) for value in metrics.values()), metrics
"""


def names() -> list[str]:
    tree = ast.parse((BENCHMARKS / "variants.py").read_text(encoding="utf-8"))
    return [
        node.name.replace("_", "-")
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_variant_trains(name: str) -> None:
    command = [sys.executable, "-c", TRY, str(BENCHMARKS), name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]

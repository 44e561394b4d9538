"""Where the time of a training step goes: operators, their number, and what is left.

    python benchmarks/step_profile.py --resolution 64
    python benchmarks/step_profile.py --resolution 128 --top 15

Operator times are TensorFlow's own trace of the compiled steps. They are summed over the
threads that run operators, so their sum may pass the elapsed time; what each share says is
where work goes. A step of the same size is timed without the trace for the rate.
"""

import argparse
import collections
import os
import re
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
STEPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--variant", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--top", type=int, default=15)
    arguments = parser.parse_args()
    trainer = made_trainer(arguments)
    trainer.compile()
    for _ in range(3):
        trainer.run(STEPS, 10**6)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        trainer.run(STEPS, 10**6)
        times.append((time.perf_counter() - start) / STEPS)
    step = sorted(times)[len(times) // 2]
    print(f"{arguments.resolution}×{arguments.resolution}, batch {trainer.batch}:", end=" ")
    print(f"{step * 1000:.0f} ms a step (median of 7), {trainer.batch / step:.1f} images/s")
    if arguments.top:
        print_operators(*traced(trainer), arguments.top)


def made_trainer(arguments):
    import numpy as np

    import variants
    from xraygan.config import TrainingSettings
    from xraygan.models.conditions import class_conditions
    from xraygan.presets import model_settings
    from xraygan.training.base import fit_base
    from xraygan.training.device import compute_dtype, use_device

    use_device("auto")
    for name in arguments.variant:
        variants.apply(name)
    from xraygan.training.state import TrainState
    from xraygan.training.trainer import Trainer, TrainingData

    values = dict(part.split("=", 1) for part in arguments.set)
    training = TrainingSettings.parse(values, "--set")
    side = arguments.resolution
    images = np.random.default_rng(0).integers(0, 256, (600, side, side), np.uint8)
    labels = np.arange(600, dtype=np.int32) % 2
    dtype = compute_dtype(training.precision, "cpu")
    network = variants.reshape(model_settings(training, side, [["A"], ["B"]], 10**5, 10**5, dtype))
    state = TrainState(network, training)
    data = TrainingData(images, labels, class_conditions(network))
    state.set_base(fit_base(images, data.conditions, network))
    return Trainer(state, training, data)


def traced(trainer) -> tuple[dict[str, list[float]], float]:
    """Seconds of each run of each operator type over STEPS steps, and the elapsed seconds."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2)
        tf.profiler.experimental.start(folder, options)
        start = time.perf_counter()
        trainer.run(STEPS, 10**6)
        elapsed = time.perf_counter() - start
        tf.profiler.experimental.stop()
        space = XSpace()
        space.ParseFromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    runs = collections.defaultdict(list)
    for plane in space.planes:
        if plane.name != "/host:CPU":
            continue
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                match = re.fullmatch(r"[^:]+:(\w+)", names[event.metadata_id])
                if match:
                    runs[match[1]].append(event.duration_ps / 1e12)
    return runs, elapsed


def print_operators(runs: dict[str, list[float]], elapsed: float, top: int) -> None:
    total = sum(map(sum, runs.values()))
    print(
        f"traced: {elapsed / STEPS * 1000:.0f} ms a step, operators {total / STEPS * 1000:.0f} ms"
    )
    print("\n| operator | runs a step | ms a step | share |\n|---|---|---|---|")
    ranked = sorted(runs.items(), key=lambda item: -sum(item[1]))
    for name, seconds in ranked[:top]:
        each = sum(seconds) / STEPS * 1000
        print(f"| {name} | {len(seconds) / STEPS:.0f} | {each:.1f} | {sum(seconds) / total:.1%} |")
    rest = ranked[top:]
    left = sum(sum(seconds) for _, seconds in rest)
    count = sum(len(seconds) for _, seconds in rest)
    each = left / STEPS * 1000
    print(f"| {len(rest)} others | {count / STEPS:.0f} | {each:.1f} | {left / total:.1%} |")


if __name__ == "__main__":
    main()

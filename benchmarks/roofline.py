"""How near the training step comes to what the processor can multiply.

    python benchmarks/roofline.py
    python benchmarks/roofline.py --resolution 128

Counts the floating-point operations of one step by operator type (TensorFlow's own statistics
of the traced graph), times each type in the running step, and times square matrix products of
the same type of number in the same process. Prints each type's rate and its share of that peak.
"""

import argparse
import collections
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import step_profile

SIDE = 3072
COUNTED = ("Conv2D", "Depthwise", "MatMul", "Einsum")
"""Beginnings of the operators' names that multiply."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    arguments.variant = []
    values = dict(part.split("=", 1) for part in arguments.set)
    trainer = step_profile.made_trainer(arguments)
    trainer.compile()
    for _ in range(3):
        trainer.run(step_profile.STEPS, 10**6)
    dtype = made_dtype(values)
    before = matmul_rate(dtype)
    runs, elapsed = step_profile.traced(trainer)
    peak = max(before, matmul_rate(dtype))
    operations = counted(trainer, values)
    step = elapsed / step_profile.STEPS
    print(f"{arguments.resolution}×{arguments.resolution}, batch {trainer.batch}, {dtype}")
    print(f"matrix products of {SIDE}³: {peak / 1e9:.0f} GFLOP/s (the better of two medians)")
    print(f"a step, traced: {step * 1000:.0f} ms, {sum(operations.values()) / 1e9:.1f} GFLOP\n")
    print("| operator | GFLOP a step | ms a step | GFLOP/s | of the peak |\n|---|---|---|---|---|")
    seconds = grouped({name: sum(times) / step_profile.STEPS for name, times in runs.items()})
    for name, flops in sorted(operations.items(), key=lambda item: -item[1]):
        if seconds.get(name):
            print(row(name, flops, seconds[name], peak))
    convolutions = [name for name in operations if name.startswith("Conv2D")]
    flops, took = (
        sum(part.get(name, 0) for name in convolutions) for part in (operations, seconds)
    )
    print(row("**convolutions together**", flops, took, peak))
    print(row("the whole step", sum(operations.values()), step, peak))


def row(name: str, flops: float, seconds: float, peak: float) -> str:
    rate = flops / seconds
    figures = f"{flops / 1e9:.2f} | {seconds * 1000:.1f} | {rate / 1e9:.0f} | {rate / peak:.0%}"
    return f"| {name} | {figures} |"


def grouped(by_operator: dict[str, float]) -> dict[str, float]:
    """Sums by the graph's name of an operator: a kernel made for a CPU has a prefix."""
    sums = collections.Counter()
    for name, value in by_operator.items():
        plain = name.removeprefix("_").removeprefix("MklNative").removeprefix("Fused")
        plain = plain.removesuffix("WithBias")
        if plain.startswith(COUNTED):
            sums[plain] += value
    return dict(sums)


def counted(trainer, values: dict[str, str]) -> dict[str, float]:
    """Floating-point operations of one step by operator type."""
    import tensorflow as tf

    from xraygan.config import TrainingSettings
    from xraygan.training.step import train_step

    settings = TrainingSettings.parse(values, "--set")
    side, batch = trainer.state.discriminator.inputs[0].shape[1], trainer.batch
    classes = trainer.state.discriminator.inputs[1].shape[1]
    step = tf.function(
        lambda reals, conditions: train_step(
            trainer.state, reals, conditions, tf.constant(1e6), tf.constant(0.3), settings
        )
    ).get_concrete_function(tf.TensorSpec([batch, side, side, 1]), tf.TensorSpec([batch, classes]))
    return dict(operations_in(step.graph))


def operations_in(graph) -> collections.Counter:
    """Of all operators of a graph; of the two ways to judge, as often as each is taken."""
    from tensorflow.python.ops import cond_v2

    from xraygan.training.step import PENALTY_EVERY

    sums = collections.Counter()
    for operator in graph.get_operations():
        if operator.type in ("If", "StatelessIf"):
            shares = 1 / PENALTY_EVERY, 1 - 1 / PENALTY_EVERY
            for branch, share in zip(cond_v2.get_func_graphs(operator), shares, strict=True):
                for name, flops in operations_in(branch).items():
                    sums[name] += share * flops
        elif flops := operations_of(graph, operator):
            sums[operator.type] += flops
    return sums


def operations_of(graph, operator) -> float:
    """What TensorFlow's statistics say of one operator; 0 where they know nothing."""
    from tensorflow.python.framework import ops

    if not operator.type.startswith(COUNTED):
        return 0.0
    try:
        return ops.get_stats_for_node_def(graph, operator.node_def, "flops").value or 0.0
    except ValueError:  # a shape that is not known
        return 0.0


def made_dtype(values: dict[str, str]) -> str:
    from xraygan.config import TrainingSettings
    from xraygan.training.device import compute_dtype

    return compute_dtype(TrainingSettings.parse(values, "--set").precision, "cpu")


def matmul_rate(dtype: str) -> float:
    """Floating-point operations a second of square matrix products, median of nine."""
    import tensorflow as tf

    left = tf.cast(tf.random.stateless_normal([SIDE, SIDE], [0, 1]), dtype)
    right = tf.cast(tf.random.stateless_normal([SIDE, SIDE], [0, 2]), dtype)
    times = []
    for _ in range(9):
        start = time.perf_counter()
        tf.matmul(left, right)[0, 0].numpy()
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / sorted(times)[4]


if __name__ == "__main__":
    main()

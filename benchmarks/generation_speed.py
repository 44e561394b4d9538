"""Making images: Keras against ONNX by batch size, and what writing the PNGs costs beside it.

    python benchmarks/generation_speed.py --model results

One run measures everything in turn, round by round, so that ratios compare like moments. Keras
computes in the type that the model says and in float32; the ONNX file is float32 and runs in
onnxruntime. PNGs are encoded and written by threads, at several compression levels; beside them
stands the rate of `generate`'s own drawing (latents included), which they must not hold up:
`generate` draws a part and then writes it, so a PNG's share of the time is what writing costs.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from xraygan.models.conditions import class_conditions
from xraygan.models.files import Model, load_model
from xraygan.sampling.encode import PNG_LEVEL, Picture, png
from xraygan.sampling.generate import generate_arrays
from xraygan.sampling.request import Request
from xraygan.training.device import use_device

BATCHES = (1, 8, 32, 128)
LEVELS = (0, 1, 3, 6, 9)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="a run folder or its model/")
    parser.add_argument("--images", type=int, default=512, help="drawn, or written, each time")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    use_device("cpu")
    model = load_model(arguments.model)
    network = model.description.network
    print(f"{network.resolution}×{network.resolution}, {os.cpu_count()} processors\n")
    with tempfile.TemporaryDirectory() as folder:
        compare_engines(model, Path(folder), arguments.images, arguments.rounds)
        compare_levels(model, Path(folder), arguments.images, arguments.rounds)


def compare_engines(model: Model, folder: Path, count: int, rounds: int) -> None:
    import onnxruntime

    from xraygan.export.model import in_float32, write_onnx

    found = write_onnx(model, folder / "generator.onnx")
    session = onnxruntime.InferenceSession(os.fspath(folder / "generator.onnx"))
    engines: dict[str, Callable[[list[np.ndarray]], object]] = {
        "own": model.generator.predict_on_batch,
        "float32": in_float32(model).predict_on_batch,
        "onnx": lambda drawn: session.run(
            None, dict(zip(("z", "noise", "condition"), drawn, strict=True))
        ),
    }
    own = model.description.network.compute_dtype
    print(f"ONNX against Keras in float32: {found.output:.1e} apart at most (100 seeds)\n")
    print(
        f"| batch | Keras {own}, images/s | Keras float32 | ONNX float32 | ONNX / Keras float32 |"
    )
    print("|---|---|---|---|---|")
    for batch in BATCHES:
        drawn = inputs(model, batch)
        works = {name: repeated(run, drawn, count // batch) for name, run in engines.items()}
        seconds = in_turn(works, rounds)
        made = count // batch * batch
        rates = " | ".join(f"{made / median(seconds[name]):.0f}" for name in engines)
        ratio = paired_ratio(seconds["float32"], seconds["onnx"])
        print(f"| {batch} | {rates} | {ratio:.2f} |", flush=True)


def compare_levels(model: Model, folder: Path, count: int, rounds: int) -> None:
    request = Request(num=count)
    pictures = made_pictures(model, request)
    works: dict[str, Callable[[], object]] = {"draw": lambda: generate_arrays(model, request)}
    threads = dict.fromkeys((1, os.cpu_count() or 1, None))
    for level in LEVELS:
        for number in threads:
            works[f"{level}/{number}"] = lambda level=level, number=number: write_all(
                pictures, folder, level, number
            )
    seconds = in_turn(works, rounds)
    print(f"\n`generate` draws {count / median(seconds['draw']):.0f} images/s\n")
    print("| level | threads | bytes an image | PNGs/s | PNGs / drawn | share of the time |")
    print("|---|---|---|---|---|---|")
    for level in LEVELS:
        size = np.mean([len(png(picture, level)) for picture in pictures])
        for number in threads:
            took = seconds[f"{level}/{number}"]
            ratio = paired_ratio(seconds["draw"], took)
            name = f"**{level}**" if level == PNG_LEVEL else level
            print(
                f"| {name} | {number or 'the pool as it is'} | {size:.0f} | "
                f"{count / median(took):.0f} | {ratio:.1f} | {1 / (1 + ratio):.1%} |"
            )


def inputs(model: Model, batch: int) -> list[np.ndarray]:
    network = model.description.network
    random = np.random.default_rng(0)
    side = network.resolution
    condition = class_conditions(network)
    return [
        random.standard_normal((batch, network.latent), dtype=np.float32),
        random.standard_normal((batch, side, side, 1), dtype=np.float32),
        condition[np.arange(batch) % network.num_classes],
    ]


def repeated(
    run: Callable[[list[np.ndarray]], object], drawn: list[np.ndarray], times: int
) -> Callable[[], None]:
    def work() -> None:
        for _ in range(times):
            run(drawn)

    return work


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round by round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def paired_ratio(slow: list[float], fast: list[float]) -> float:
    return median(one / other for one, other in zip(slow, fast, strict=True))


def made_pictures(model: Model, request: Request) -> list[Picture]:
    images, labels = generate_arrays(model, request)
    return [
        Picture(
            pixels=pixels,
            class_name=model.description.classes[label],
            label=int(label),
            seed=request.seed,
            index=index,
            psi=request.psi,
            model_sha256=model.sha256,
            name=f"{request.stem}_{index:08d}",
            folder="",
        )
        for index, (pixels, label) in enumerate(zip(images, labels, strict=True))
    ]


def write_all(pictures: list[Picture], folder: Path, level: int, threads: int | None) -> None:
    def write(picture: Picture) -> None:
        (folder / f"{picture.name}.png").write_bytes(png(picture, level))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, pictures))


if __name__ == "__main__":
    main()

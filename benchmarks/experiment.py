"""One experiment with the engine: train so many images in one setting, measure, keep a row.

    python benchmarks/experiment.py --data ../shared/data/chest_xray --out experiments \
        --name gamma-0.03 --kimg 30 --set gamma=0.03
    python benchmarks/experiment.py --out experiments --table

Settings of `TrainingSettings` are given by --set; other networks, losses or schedules by
--variant, a name in `variants.py`. Each experiment leaves its images, its grid and one line
in `experiments.jsonl`; --table prints them all as Markdown.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM = 2000
ROWS = "experiments.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of chest X-rays")
    parser.add_argument("--out", type=Path, required=True, help="folder of all experiments")
    parser.add_argument("--name", help="what to call this one")
    parser.add_argument("--kimg", type=float, default=30, help="thousands of images to see")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--limit", type=int, help="train on the first N images only")
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--variant", nargs="*", action="extend", default=[], metavar="NAME")
    parser.add_argument("--table", action="store_true", help="print what there is and stop")
    arguments = parser.parse_args()
    if arguments.table:
        print_table(arguments.out)
        return
    folder = arguments.out / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    row = experiment(arguments, folder)
    with (arguments.out / ROWS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=1))


def experiment(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import variants
    from xraygan.config import DataSettings, TrainingSettings
    from xraygan.data.cache import prepare
    from xraygan.training.device import compute_dtype, use_device

    device = use_device("auto")
    for name in arguments.variant:
        variants.apply(name)
    import numpy as np

    from xraygan.models.conditions import class_conditions
    from xraygan.presets import model_settings
    from xraygan.training.base import fit_base
    from xraygan.training.calibration import Calibrator
    from xraygan.training.loop import whole_steps
    from xraygan.training.snapshots import SNAPSHOT_IMAGES
    from xraygan.training.start import set_start
    from xraygan.training.state import TrainState
    from xraygan.training.trainer import Trainer, TrainingData

    values = dict(part.split("=", 1) for part in arguments.set)
    training = TrainingSettings.parse({"kimg": arguments.kimg, **values}, "--set")
    dataset = prepare(
        arguments.data, DataSettings.parse({"resolution": arguments.resolution}, "options")
    )
    images, labels = (part[: arguments.limit] for part in shuffled(dataset))
    variants.films = dataset.image_set("train")
    network = model_settings(
        training,
        arguments.resolution,
        dataset.labels_of_classes,
        len(images),
        min(dataset.patients("train"), len(images)),
        compute_dtype(training.precision, device),
    )
    network = variants.reshape(network)
    state = TrainState(network, training)
    data = TrainingData(images, labels, class_conditions(network))
    state.set_base(fit_base(images, data.conditions, network))
    trainer = Trainer(state, training, data)
    trainer.compile()
    total = whole_steps(round(arguments.kimg * 1000), trainer.batch)
    if training.start != "random":
        set_start(state, network)
    start, log = time.monotonic(), []
    while trainer.images_seen < total:
        steps = min(64, (total - trainer.images_seen) // trainer.batch)
        log.append({"images": trainer.images_seen, **trainer.run(steps, total)})
    seconds = time.monotonic() - start
    (folder / "metrics.json").write_text(json.dumps(log))
    Calibrator(state.published, network, data).fit(SNAPSHOT_IMAGES)
    made, made_labels = generate(state, network, labels)
    np.savez_compressed(folder / "images.npz", images=made, labels=made_labels)
    return {
        "name": arguments.name,
        "set": values,
        "variant": arguments.variant,
        "resolution": arguments.resolution,
        "images": total,
        "images_per_s": round(total / seconds, 1),
        "weights": [state.generator.count_params(), state.discriminator.count_params()],
        **{key: round(log[-1][key], 3) for key in ("d_loss", "g_loss", "r1")},
        **measure(dataset, made, made_labels, folder),
    }


def shuffled(dataset: Any) -> tuple[Any, Any]:
    """The training images in a fixed mixed order, so that a first part has every class."""
    import numpy as np

    images, labels = dataset.split("train")
    order = np.random.default_rng(0).permutation(len(images))
    return np.asarray(images)[order], labels[order]


def generate(state: Any, network: Any, labels: Any) -> tuple[Any, Any]:
    """NUM images in the training classes' proportions, from the averaged generator."""
    import numpy as np

    from xraygan.models.sample import sample

    drawn = np.random.default_rng(1).choice(labels, NUM).astype(np.int32)
    return sample(state.published, network, 1, range(NUM), drawn.tolist()), drawn


def measure(dataset: Any, images: Any, labels: Any, folder: Path) -> dict[str, Any]:
    """The figures of `quality.py`, in both of its feature spaces; leaves a grid."""
    import numpy as np

    from quality import FIGURES, Judge
    from xraygan.pictures import class_blocks, save_grid

    first = np.concatenate([np.flatnonzero(labels == k)[:20] for k in np.unique(labels)])
    save_grid(folder / "grid.png", class_blocks(images[first], labels[first], 10))
    row = Judge(dataset, folder.parent / "cache").row("", images, labels, 0)
    return {key: float(f"{row[key]['value']:.4g}") for key in FIGURES}


def print_table(out: Path) -> None:
    rows = [json.loads(line) for line in (out / ROWS).read_text().splitlines()]
    from quality import FIGURES

    heads = ["experiment", "setting", "images seen", "images/s", *FIGURES, "D loss"]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for row in rows:
        setting = ", ".join([*row["variant"], *(f"{k} {v}" for k, v in row["set"].items())])
        figures = [str(row[key]) for key in FIGURES]
        cells = [row["name"], setting or "default", f"{row['images']:,}", str(row["images_per_s"])]
        print(f"| {' | '.join([*cells, *figures, str(row['d_loss'])])} |")


if __name__ == "__main__":
    main()

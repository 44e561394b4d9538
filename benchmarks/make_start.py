"""Make the weights that training starts from: a run on simulated films, no patient among them.

    python benchmarks/make_start.py --resolution 64 --kimg 72

Trains both networks on fresh phantoms of one class, and writes what the discriminator and the
averaged generator have become to the package's own files (see `xraygan.training.start`). Each
file adds 3.8 MB to the repository for good: make one anew where the networks' shape changes, or
where it is measured to be better.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM = 8000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resolution", type=int, required=True)
    parser.add_argument("--kimg", type=float, required=True, help="thousands of images to see")
    parser.add_argument("--num", type=int, default=NUM, help="simulated films to draw")
    parser.add_argument(
        "--grow-from", type=int, help="half of the resolution: begin with the weights learnt there"
    )
    parser.add_argument("--out", type=Path, help="file to write instead of the package's own")
    arguments = parser.parse_args()

    import numpy as np

    from xraygan.config import TrainingSettings
    from xraygan.data.phantom import phantom_images
    from xraygan.models.conditions import class_conditions
    from xraygan.presets import model_settings
    from xraygan.training.base import fit_base
    from xraygan.training.device import compute_dtype, use_device
    from xraygan.training.loop import whole_steps
    from xraygan.training.start import set_start, start_file, write_start
    from xraygan.training.state import TrainState
    from xraygan.training.trainer import Trainer, TrainingData

    device = use_device("auto")
    images, _ = phantom_images(arguments.num, arguments.resolution, seed=20_000)
    training = TrainingSettings(kimg=arguments.kimg)
    network = model_settings(
        training,
        arguments.resolution,
        [["any"]],
        len(images),
        len(images),
        compute_dtype(training.precision, device),
    )
    state = TrainState(network, training)
    data = TrainingData(images, np.zeros(len(images), np.int32), class_conditions(network))
    state.set_base(fit_base(images, data.conditions, network))
    seen = 0
    if arguments.grow_from:
        facts = set_start(state, network, arguments.grow_from)
        if facts is None:
            raise SystemExit(f"no weights learnt at {arguments.grow_from}")
        seen = facts["images"]
    trainer = Trainer(state, training, data)
    total, begun = whole_steps(round(arguments.kimg * 1000), trainer.batch), time.monotonic()
    while trainer.images_seen < total:
        metrics = trainer.run(min(64, (total - trainer.images_seen) // trainer.batch), total)
        print(f"{trainer.images_seen:,} images, D loss {metrics['d_loss']:.2f}", flush=True)
    path = arguments.out or start_file(arguments.resolution)
    write_start(path, state, network, {"images": seen + total, "simulated_films": len(images)})
    print(f"{path}: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()

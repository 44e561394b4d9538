"""Peers and xraygan in turn on one machine, the same seconds each, on the same X-rays.

Kernel distance (KID) in two unlike feature spaces, coverage and sliced Wasserstein distance
on validation patients, beside what real training images have. What one network of `chest-net-1`
says of one set of images another, taught alike from another seed, may say half of: five are asked.

    python benchmarks/quality.py --data ../shared/data/chest_xray --minutes 30 --keep quality
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM = 2000
NETWORKS = 5
"""Of `chest-net-1`, taught from seeds 0, 1, …, whose mean KID is compared."""
PEERS = {"dcgan": "plain DCGAN", "r3gan": "small R3GAN"}
SPACES = ("filter-bank-1", "chest-net-1")
FIGURES = (
    *("kid", f"kid@{SPACES[1]}", "coverage", f"coverage@{SPACES[1]}"),
    *("classifier_auc", "swd"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of chest X-rays")
    parser.add_argument("--minutes", type=float, default=30, help="for each of them")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder to keep the run, peers' images and grids in; what is there is not made again",
    )
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="xraygan-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        compare(arguments, folder)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    results = folder / "run"
    # Ours as a user runs it, in a process of its own: snapshots and checkpoints included.
    options = ["--resolution", str(arguments.resolution), "--minutes", str(arguments.minutes)]
    options += ["--device", "cpu"]  # as the peers
    command = [sys.executable, "-m", "xraygan", "run", str(arguments.data), "--results"]
    subprocess.run(
        [*command, str(results), *options, "--evidence", "none"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    last = json.loads((results / "metrics.jsonl").read_text().splitlines()[-1])
    seconds = last["seconds"]

    import xraygan.api
    from xraygan.config import DataSettings
    from xraygan.data.cache import prepare
    from xraygan.pictures import save_grid
    from xraygan.training.device import use_device

    use_device("cpu")
    settings = DataSettings.parse({"resolution": arguments.resolution}, "options")
    dataset = prepare(arguments.data, settings)
    judge = Judge(dataset)
    rows = []
    for name in arguments.peers:
        peer = made_by_peer(name, dataset, seconds, folder)
        labels = peer.get("labels", judge.any_labels)
        rows.append(judge.row(PEERS[name], peer["images"], labels, int(peer["images_seen"])))
    images, drawn = xraygan.api.generate(results, NUM, seed=1, like_train=True)  # type: ignore[misc]
    rows.append(judge.row("xraygan", images, drawn, last["images_seen"]))
    for row in rows:
        images = row.pop("images")
        row["networks"] = judge.by_networks(images)
        picture = folder / f"{row['name'].replace(' ', '-')}.png"
        save_grid(picture, [images[start : start + 10] for start in range(0, 40, 10)])
    print_rows(rows, seconds)
    (folder / "quality.json").write_text(json.dumps({"seconds": seconds, "rows": rows}, indent=1))


def made_by_peer(name: str, dataset: Any, seconds: float, folder: Path) -> dict[str, Any]:
    """A peer's images [NUM, R, R], "labels" if it has any, and "images_seen": kept, or made."""
    import numpy as np

    from dcgan import train_dcgan
    from r3gan import train_r3gan

    file = folder / f"{name}-{seconds:.0f}s.npz"
    if not file.exists():
        train, labels = dataset.split("train")
        if name == "dcgan":
            peer, drawn = train_dcgan(train, seconds, NUM), {}
        else:
            peer, made = train_r3gan(train, labels, seconds, NUM)
            drawn = {"labels": made}
        np.savez_compressed(file, images=peer.images, images_seen=peer.images_seen, **drawn)
    with np.load(file) as kept:
        return dict(kept)


class Judge:
    """Measures everybody's images by the same figures.

    Args:
        dataset: with splits "train" and "val".
        cache: folder to keep the network of `chest-net-1` in for the next judge.
    """

    def __init__(self, dataset: Any, cache: Path | None = None) -> None:
        import numpy as np

        from xraygan.data.phantom import phantom_images
        from xraygan.evaluation.spaces import make_space

        def space(name: str, seed: int = 0) -> Any:
            return make_space(
                name,
                self._train,
                cache=cache,
                seed=seed,
                phantoms=lambda n, side: phantom_images(n, side, seed=0)[0],
            )

        self._train, self._real = dataset.image_set("train"), dataset.image_set("val")
        self._spaces = {name: space(name) for name in SPACES}
        self._space, self._networks = space, []
        random = np.random.default_rng(0)
        self.any_labels = random.choice(self._real.labels, NUM).astype(np.int32)

    def row(self, name: str, images: Any, labels: Any, seen: int) -> dict[str, Any]:
        """One contender's figures, and its images uint8 [N, R, R]."""
        from xraygan.evaluation.fidelity import measure_fidelity
        from xraygan.sets import ImageSet

        made = ImageSet.of_nobody(images, labels, self._real.classes)
        figures = measure_fidelity(self._real, made, self._train, self._spaces)
        figures = {key: figures[key] for key in FIGURES}
        return {"name": name, "images_seen": seen, "images": images, **figures}

    def by_networks(self, images: Any) -> list[float]:
        """KID by each of `NETWORKS` networks of `chest-net-1`."""
        from xraygan.evaluation.kernel import Kernel

        if not self._networks:
            spaces = [self._spaces[SPACES[1]]]
            spaces += [self._space(SPACES[1], seed) for seed in range(1, NETWORKS)]
            self._networks = [
                (space, Kernel(space.describe(self._real.images), self._real.patients))
                for space in spaces
            ]
        return [kernel.distance(space.describe(images)).value for space, kernel in self._networks]


def print_rows(rows: list[dict[str, Any]], seconds: float) -> None:
    print(f"\n{seconds:.0f} s each\n\n| | images seen | {' | '.join(FIGURES)} |")
    print("|---" * (2 + len(FIGURES)) + "|")
    for row in rows:
        cells = [
            f"{row[key]['value']:.4f} ({row[key]['low']:.4f}–{row[key]['high']:.4f})"
            for key in FIGURES
        ]
        print(f"| {row['name']} | {row['images_seen']:,} | {' | '.join(cells)} |")
    floors = [f"{rows[-1][key]['floor']:.4f}" for key in FIGURES]
    print(f"| real training images | – | {' | '.join(floors)} |\n")
    print(f"KID by {NETWORKS} networks of {SPACES[1]}, and their mean")
    ours = rows[-1]
    for row in rows:
        by_each = ", ".join(f"{value:.4f}" for value in row["networks"])
        print(f"{row['name']}: {by_each}; {mean(row['networks']):.4f}")
    for peer in rows[:-1]:
        ratios = [
            peer["kid"]["value"] / ours["kid"]["value"],
            mean(peer["networks"]) / mean(ours["networks"]),
        ]
        print(f"{peer['name']} ÷ xraygan: {ratios[0]:.1f}, {ratios[1]:.1f}", flush=True)


if __name__ == "__main__":
    main()

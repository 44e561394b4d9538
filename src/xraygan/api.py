"""The commands as Python functions: composition only.

```python
import xraygan

config = xraygan.train("chest_xray", outdir="runs", kimg=100)
images, labels = xraygan.generate("runs/00000-chest_xray-64", num=16, class_name="PNEUMONIA")
```
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xraygan.config import GROUPS, DataSettings, RunSettings
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import RunFolder, next_run, refusing_disk_faults
from xraygan.sampling.request import Request
from xraygan.training.device import use_device

# Cheap imports only: TensorFlow and what needs it is imported where it is used.
PHANTOM_IMAGES = 2000


@dataclass(frozen=True)
class Trained:
    """A finished training run.

    Attributes:
        path: its folder.
        config: what its config.json holds.
        dataset: what it was trained on, `xraygan.data.cache.Dataset`.
    """

    path: Path
    config: dict[str, Any]
    dataset: Any


def settings_from(values: dict[str, Any]) -> RunSettings:
    """Settings from names without their groups: `settings_from({"kimg": 100, "resolution": 64})`.

    Raises:
        XrayganError: an unknown name (with the nearest known one) or a bad value.
    """
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        group = next((g for g, kind in GROUPS.items() if key in kind.model_fields), "training")
        nested.setdefault(group, {})[key] = value
    return RunSettings.parse(nested, "settings")


def prepare(
    data: str | Path | None, settings: DataSettings, reporter: Reporter | None = None
) -> Any:
    """Check, de-duplicate, split and cache a folder of X-rays; without one, the phantom.

    Returns:
        `xraygan.data.cache.Dataset`.
    """
    from xraygan.data.cache import prepare as prepare_folder

    reporter = reporter or Reporter()
    source = Path(data) if data is not None else phantom_folder(settings.resolution, reporter)
    with reporter.bar("reading images", 1, "files") as bar:
        dataset = prepare_folder(source, settings, progress=bar.count)
    counts = [f"{len(dataset.split(s)[0]):,} {s}" for s in ("train", "val", "test")]
    reporter.note(
        f"{len(dataset.images):,} images ({', '.join(counts)}) in {len(dataset.classes)} "
        f"{'class' if len(dataset.classes) == 1 else 'classes'}; {len(dataset.refused):,} refused"
        + (f" (listed in {dataset.refused_list})" if len(dataset.refused) else "")
    )
    for note in dataset.notes:
        reporter.note(f"  {note}")
    return dataset


def phantom_folder(resolution: int, reporter: Reporter) -> Path:
    """The embedded phantom data set, made on first use in the cache folder."""
    from xraygan.data.cache import default_cache_dir
    from xraygan.data.phantom import write_phantom

    folder = default_cache_dir() / f"phantom-{resolution}"
    with reporter.bar("drawing phantoms", PHANTOM_IMAGES, "images") as bar:
        write_phantom(folder, PHANTOM_IMAGES, resolution, seed=0, progress=bar.count)
    return folder


def train(
    data: str | Path | None = None,
    outdir: str | Path = "runs",
    *,
    settings: RunSettings | None = None,
    run_dir: str | Path | None = None,
    device: str = "auto",
    show: bool = False,
    force: bool = False,
    new: bool = False,
    reporter: Reporter | None = None,
    **values: Any,
) -> Trained:
    """Train a GAN on a folder of chest X-rays; called again, goes on where it was.

    Args:
        data: the folder; None for the embedded phantom.
        outdir: run folders `00000-name`, `00001-name`, … are made here.
        settings: all settings at once; or give single ones as `values`.
        run_dir: train in this very folder instead of a numbered one.
        device: "auto", "cpu", "gpu" or "gpu:N".
        show: display sample grids as they are written.
        force: resume in spite of changed settings, data or versions.
        new: begin a new run even where one with these settings is there.
        reporter: where progress goes; stderr by default.
        **values: single settings by name, `kimg=100`, `resolution=64`, `seed=1`, ….

    Returns:
        The run's folder and configuration.

    Raises:
        XrayganError: see the message; nothing that was there is lost.
    """
    settings = settings or settings_from(values)
    reporter = reporter or Reporter()
    dataset = prepare(data, settings.data, reporter)
    chosen = use_device(device)
    from xraygan.training import session

    name = Path(data).resolve().name if data is not None else "phantom"
    choices = session.Choices(device=chosen, source_name=name, show=show, force=force)
    described = session.describe(dataset, settings, choices)
    if run_dir is None:
        found = None if new else session.find_run(Path(outdir), described)
        run_dir = found or next_run(Path(outdir), f"{name}-{settings.data.resolution}")
    run = RunFolder(Path(run_dir))
    with run.locked():
        reporter.log = run.log
        reporter.note(f"run folder: {run.path}")
        config = session.train_run(run, dataset, settings, choices, reporter)
    return Trained(run.path, config, dataset)


def generate(
    model: str | Path,
    num: int = 16,
    *,
    seed: int = 0,
    class_name: str | None = None,
    like_train: bool = False,
    first: int = 0,
    out: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> tuple[np.ndarray, np.ndarray] | Path:
    """Make labelled synthetic images: arrays, or PNG files where `out` is given.

    Args:
        model: a run folder, a model folder, or the safetensors file in it.
        num: how many.
        seed: image i depends on the model, the seed and i alone.
        class_name: one class; None for all.
        like_train: the training data's class proportions instead of balanced ones.
        first: index of the first image.
        out: write `out/<CLASS>/*.png` and `out/manifest.csv`.
        device: "auto", "cpu", "gpu" or "gpu:N".
        reporter: where progress goes; stderr by default.

    Returns:
        Images uint8 [N, R, R] and class numbers int32 [N]; or the manifest's path.

    Raises:
        XrayganError: no such model or class, or a folder that cannot be used.
    """
    request = Request(num, seed, class_name, like_train, first)
    if not Path(model).exists():
        raise XrayganError(f"model {model}: there is no such file or folder")
    use_device(device)
    from xraygan.models.files import load_model
    from xraygan.sampling.generate import generate_arrays, write_images

    loaded = load_model(Path(model))
    if out is None:
        return generate_arrays(loaded, request)
    with (reporter or Reporter()).bar("generating", num, "images") as bar:
        return write_images(loaded, request, Path(out), bar.count)


def run(
    data: str | Path | None = None,
    results: str | Path = "results",
    *,
    settings: RunSettings | None = None,
    device: str = "auto",
    show: bool = False,
    force: bool = False,
    reporter: Reporter | None = None,
    **values: Any,
) -> dict[str, Any]:
    """The whole job: prepare, train, generate, measure, summarise, all in one folder.

    Args:
        results: the run folder; started again, the same call goes on where it was.
        data: as for `train`.
        settings: as for `train`.
        device: as for `train`.
        show: as for `train`.
        force: as for `train`.
        reporter: as for `train`.
        **values: as for `train`.

    Returns:
        The summary, with the paths of what was written.
    """
    settings = settings or settings_from(values)
    reporter = reporter or Reporter()
    trained = train(
        data,
        run_dir=results,
        settings=settings,
        device=device,
        show=show,
        force=force,
        reporter=reporter,
    )
    from xraygan.models.files import load_model
    from xraygan.report.summary import MEASURED, summarise
    from xraygan.sampling.generate import generate_arrays

    folder = trained.path
    synthetic = folder / "synthetic"
    seed = settings.training.seed
    with RunFolder(folder).locked():
        model = load_model(folder)
        _set_aside(synthetic, model.sha256, reporter)
        generate(folder, settings.output.num, seed=seed, out=synthetic, reporter=reporter)
        reporter.note("measuring …")
        made = generate_arrays(model, Request(MEASURED, seed, like_train=True))
        summary = summarise(folder, trained.dataset, trained.config, *made, model.sha256)
    paths = {
        "run": str(folder),
        "synthetic": str(synthetic),
        "grid": str(folder / "synthetic.png"),
        "summary": str(folder / "summary.md"),
    }
    return summary | {"paths": paths}


def _set_aside(synthetic: Path, model_sha256: str, reporter: Reporter) -> None:
    """Make room where this run, trained further since, has left an earlier model's images."""
    from xraygan.sampling.generate import made_by

    maker = made_by(synthetic)
    if maker not in (None, model_sha256):
        aside = synthetic.with_name(f"synthetic-{maker[:8]}")
        with refusing_disk_faults(aside):
            synthetic.rename(aside)
        reporter.note(f"the images of the model before are now in {aside}")

"""What comes before training: settings and a data set that is ready."""

from pathlib import Path
from typing import Any

from xraygan.config import GROUPS, DataSettings, RunSettings
from xraygan.progress import Reporter

PHANTOM_IMAGES = 2000


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

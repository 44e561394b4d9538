"""What comes before training: settings and a data set that is ready."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from xraygan.config import GROUPS, DataSettings, RunSettings
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import CONFIG, PHANTOM, read_config, same_data
from xraygan.version import __version__

PHANTOM_IMAGES = 2000
NO_DATA = (
    "no data are given: the built-in phantom it is, drawn chests of nobody; --data FOLDER takes "
    "your own"
)
S = TypeVar("S")


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


def settings_at_once(settings: S | None, values: Mapping[str, Any]) -> S | None:
    """The settings, where they were given at once.

    Raises:
        TypeError: single values were given besides.
    """
    if settings is not None and values:
        raise TypeError(f"settings and single ones ({', '.join(values)}) are both given: leave one")
    return settings


def prepare(
    data: str | Path | None,
    settings: DataSettings | None = None,
    reporter: Reporter | None = None,
    *,
    out: str | Path | None = None,
    skip: Collection[Path] = (),
    **values: Any,
) -> Any:
    """Check, de-duplicate, split and cache a source of X-rays; without one, the phantom.

    Args:
        data: a folder, archive or table, see `docs/data.md`; None for the embedded phantom.
        settings: all settings at once; or give single ones as `values`.
        reporter: where progress goes; stderr by default.
        out: also write the data set into this folder, as `xraygan prepare` does.
        skip: folders inside the source to leave out.
        **values: single settings by name, `resolution=128`, `views="PA"`, ….

    Returns:
        `xraygan.data.dataset.Dataset`.

    Raises:
        XrayganError: a source, a setting or a folder that cannot be used.
    """
    settings = settings_at_once(settings, values) or DataSettings.parse(values, "settings")
    reporter = reporter or Reporter()
    if out is not None:
        return _written(data, Path(out), settings, reporter, skip)[0]
    dataset = _read(data, settings, reporter, skip)
    counts = [f"{len(dataset.split(s)[0]):,} {s}" for s in ("train", "val", "test")]
    reporter.note(
        f"{len(dataset.images):,} images ({', '.join(counts)}) in {len(dataset.classes)} "
        f"{'class' if len(dataset.classes) == 1 else 'classes'}; {len(dataset.refused):,} refused"
        + (f" (listed in {dataset.refused_list})" if len(dataset.refused) else "")
    )
    for note in dataset.notes:
        reporter.note(f"  {note}")
    return dataset


def training_data(run: Path, data: str | Path, reporter: Reporter, made: Path | None = None) -> Any:
    """What a run was trained on, read and split as the run did.

    Args:
        run: its folder.
        data: the source that it was trained on; "phantom" for the embedded one.
        reporter: where progress goes.
        made: where images were written since then, passed over if it lies among the films.

    Returns:
        `xraygan.data.dataset.Dataset`.

    Raises:
        XrayganError: no run folder, or other data, or it was trained on others besides.
    """
    config = read_config(run) if run.is_dir() else None
    if config is None:
        raise XrayganError(
            f"{run} is no run folder, which remembers how its data were read and split"
        )
    if config.get("data_before"):
        raise XrayganError(
            f"{run} was trained on other films before, until --force let these follow: whoever "
            "is on those would be missed; give an audit folders of all of them (--train and "
            "--holdout), or train anew"
        )
    settings = RunSettings.parse(config["settings"], str(run / CONFIG))
    phantom = str(data) == PHANTOM and not Path(data).exists()
    # Results may lie among the films; they were passed over when the run began.
    skip = [run, run.parent, *([made] if made else [])]
    dataset = prepare(None if phantom else data, settings.data, reporter, skip=skip)
    if not same_data(config["data"], dataset.fingerprint, dataset.content):
        unread = f", or {len(dataset.passing)} cannot be read here" if dataset.passing else ""
        raise XrayganError(
            f"{data} is not what {run} was trained on: files were added, changed or taken away"
            f"{unread}; the same images are needed"
        )
    return dataset


def write_prepared(
    data: str | Path | None, out: Path, settings: DataSettings, reporter: Reporter
) -> dict[str, Any]:
    """Prepare a source and write it as a data set that any tool reads.

    Returns:
        What its dataset.json holds; "unchanged", whether it was so before; and "dataset", the
        folder.

    Raises:
        XrayganError: as for `prepare`.
    """
    return _written(data, out, settings, reporter)[1]


def _written(
    data: str | Path | None,
    out: Path,
    settings: DataSettings,
    reporter: Reporter,
    skip: Iterable[Path] = (),
) -> tuple[Any, dict[str, Any]]:
    from xraygan.data.prepared import check_target, write_dataset
    from xraygan.report.datasets import pages_of, write_pages

    if data is not None and out.resolve() == Path(data).resolve():
        raise XrayganError(f"--out {out} is the source itself: name another folder")
    check_target(out)
    dataset = _read(data, settings, reporter, skip=[out, *skip])
    for note in dataset.notes:
        reporter.note(note)
    with reporter.bar("writing images", 1, "images") as bar:
        written = write_dataset(dataset, out, settings, bar.count)
    if not written["unchanged"] or not all(path.is_file() for path in pages_of(out)):
        write_pages(out, dataset, written)
    if len(dataset.refused):
        reporter.note(f"the names of refused files are in {dataset.refused_list}, which is private")
    return dataset, {
        "dataset": str(out),
        "summary": str(pages_of(out)[0]),
        "notes": list(dataset.notes),
        **written,
    }


def _read(
    data: str | Path | None,
    settings: DataSettings,
    reporter: Reporter,
    skip: Collection[Path] = (),
) -> Any:
    from xraygan.data.cache import prepare as prepare_source

    source = Path(data) if data is not None else phantom_folder(settings.resolution, reporter)
    with reporter.bar("reading images", 1, "files") as bar:
        return prepare_source(source, settings, progress=bar.count, skip=skip)


def phantom_folder(resolution: int, reporter: Reporter) -> Path:
    """The embedded phantom data set, made on first use in the cache folder."""
    from xraygan.data.cache import default_cache_dir
    from xraygan.data.phantom import write_phantom

    # Another version draws other films: each has a folder of its own.
    folder = default_cache_dir() / f"phantom-{resolution}-{__version__}"
    with reporter.bar("drawing phantoms", PHANTOM_IMAGES, "images") as bar:
        write_phantom(folder, PHANTOM_IMAGES, resolution, seed=0, progress=bar.count)
    return folder

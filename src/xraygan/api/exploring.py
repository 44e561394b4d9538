"""What lies between images: `explore`."""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from xraygan.errors import XrayganError
from xraygan.sampling.request import check_psi

SUFFIXES = (".png", ".gif", ".mp4")
PICTURES_PER_SECOND = 12


def explore(
    model: str | Path,
    out: str | Path,
    *,
    along: Literal["seeds", "classes", "directions"] = "seeds",
    seeds: Sequence[int] = (0, 1, 2),
    class_name: str | None = None,
    to_class: str | None = None,
    directions: int | None = None,
    steps: int = 8,
    psi: float = 1.0,
    device: str = "auto",
) -> Path:
    """Draw what lies between images.

    Args:
        model: a run folder or a model folder.
        out: `.png`: a grid; `.gif` or `.mp4`: the rows one after the other as a film.
        along: "seeds": from each seed to the next; "classes": each seed from `class_name` to
            `to_class`; "directions": the first seed along the strongest latent directions.
        seeds: at least 0.
        class_name: the first class where None.
        to_class: for "classes" alone; the last class where None.
        directions: how many, for "directions" alone; 6 where None.
        steps: pictures from one end to the other.
        psi: truncation, 0 to 2.
        device: "auto", "cpu", "gpu" or "gpu:N".

    Returns:
        `out`.

    Raises:
        XrayganError: no such model or class, another ending, what is for another `along`, one
            class at both ends, a truncation out of bounds, or a disk that refuses.
    """
    path = Path(out)
    if path.suffix.lower() not in SUFFIXES:
        raise XrayganError(f"--out {path}: end it in {', '.join(SUFFIXES)}")
    if to_class is not None and along != "classes":
        raise XrayganError(f"--to-class {to_class}: goes with --along classes")
    if directions is not None and along != "directions":
        raise XrayganError(f"--directions {directions}: goes with --along directions")
    check_psi(psi)
    if not Path(model).exists():
        raise XrayganError(f"model {model}: there is no such file or folder")
    from xraygan.training.device import use_device

    use_device(device)
    from xraygan.models.files import load_model
    from xraygan.sampling import explore as between

    loaded = load_model(Path(model))
    if along == "seeds":
        rows = between.between_seeds(loaded, seeds, steps, class_name, psi)
    elif along == "classes":
        trained = [loaded.description.classes[number] for number in loaded.trained_classes]
        ends = class_name or trained[0], to_class or trained[-1]
        if len({loaded.class_number(end) for end in ends}) == 1:
            raise XrayganError(
                f"--along classes: both ends are {ends[1]}; name two with --class and --to-class "
                f"(the model was trained on {', '.join(trained)}), or choose --along seeds"
            )
        rows = between.between_classes(loaded, seeds, steps, *ends, psi)
    else:
        count = 6 if directions is None else directions
        rows = between.along_directions(loaded, seeds[0], count, steps, class_name, psi)
    _write(path, rows)
    return path


def _write(path: Path, rows: np.ndarray) -> None:
    from xraygan.runs import refusing_disk_faults, write_whole

    with refusing_disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".mp4":
            content = _mp4(path, rows)
        else:
            content = _png(rows) if path.suffix.lower() == ".png" else _gif(rows)
        write_whole(path, content)


def _png(rows: np.ndarray) -> bytes:
    from PIL import Image, PngImagePlugin

    from xraygan.pictures import grid
    from xraygan.sampling.encode import NOTICE

    info = PngImagePlugin.PngInfo()
    info.add_text("Synthetic", "yes")
    info.add_text("Description", NOTICE)
    buffer = io.BytesIO()
    Image.fromarray(grid(list(rows))).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _gif(rows: np.ndarray) -> bytes:
    from PIL import Image

    from xraygan.sampling.encode import NOTICE

    first, *others = [Image.fromarray(picture) for row in rows for picture in row]
    buffer = io.BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=1000 // PICTURES_PER_SECOND,
        loop=0,
        comment=NOTICE.encode(),
    )
    return buffer.getvalue()


def _mp4(path: Path, rows: np.ndarray) -> bytes:
    """A film in VP9 with its mark; OpenCV writes it into a folder beside `path`, then it is read.

    Raises:
        XrayganError: OpenCV cannot write one here, or a picture did not get to the disk.
    """
    import cv2

    from xraygan.sampling.encode import mp4_mark

    side = rows.shape[-1]
    pictures = rows.reshape(-1, side, side)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.") as beside:
        written = Path(beside) / "film.mp4"
        film = cv2.VideoWriter(
            str(written), cv2.VideoWriter.fourcc(*"vp09"), PICTURES_PER_SECOND, (side, side), False
        )
        if not film.isOpened():
            raise XrayganError(f"{path}: this OpenCV writes no MP4 here; give a .gif")
        for picture in pictures:
            film.write(picture)
        film.release()
        if _pictures_in(written) != len(pictures):
            raise XrayganError(
                f"{path}: the film did not get to the disk whole; free some space or choose "
                "another folder"
            )
        return written.read_bytes() + mp4_mark()


def _pictures_in(film: Path) -> int:
    import cv2

    read = cv2.VideoCapture(str(film))
    count = 0
    while read.read()[0]:
        count += 1
    read.release()
    return count

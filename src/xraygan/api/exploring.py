"""What lies between images: `explore`."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from xraygan.errors import XrayganError
from xraygan.sampling.request import as_text, check_psi

if TYPE_CHECKING:
    from xraygan.models.files import Model

Along = Literal["seeds", "classes", "directions"]
SUFFIXES = (".png", ".gif", ".mp4")
PICTURES_PER_SECOND = 12


def explore(
    model: str | Path,
    out: str | Path,
    *,
    along: Along = "seeds",
    seeds: Sequence[int] | None = None,
    class_name: str | None = None,
    to_class: str | None = None,
    directions: int | None = None,
    steps: int = 8,
    psi: float = 1.0,
    device: str = "auto",
) -> Path:
    """Draw what lies between images; the file says what it is and of which model and seeds.

    Args:
        model: a run folder or a model folder.
        out: `.png`: a grid; `.gif` or `.mp4`: the rows one after the other as a film.
        along: "seeds": from each seed to the next; "classes": each seed from `class_name` to
            `to_class`; "directions": one seed along the strongest latent directions.
        seeds: at least 0; 0, 1 and 2 where None, and for "directions" 0 alone.
        class_name: the first class where None.
        to_class: for "classes" alone; the last class where None.
        directions: how many, for "directions" alone; 6 where None.
        steps: from one end to the other; there is one picture more.
        psi: truncation, 0 to 2.
        device: "auto", "cpu", "gpu" or "gpu:N".

    Returns:
        `out`.

    Raises:
        XrayganError: no such model or class, another ending, no seeds, what is for another
            `along`, one class at both ends, a truncation out of bounds, or a disk that refuses.
    """
    if seeds is None:
        seeds = (0,) if along == "directions" else (0, 1, 2)
    path = Path(out)
    if path.suffix.lower() not in SUFFIXES:
        raise XrayganError(f"--out {path}: end it in {', '.join(SUFFIXES)}")
    if to_class is not None and along != "classes":
        raise XrayganError(f"--to-class {to_class}: goes with --along classes")
    if directions is not None and along != "directions":
        raise XrayganError(f"--directions {directions}: goes with --along directions")
    if len(seeds) == 0:
        raise XrayganError("--seeds: none is given; give numbers such as 1,2,3")
    if len(seeds) > 1 and along == "directions":
        told = ",".join(map(str, seeds))
        raise XrayganError(f"--seeds {told}: --along directions moves one image; give one seed")
    check_psi(psi)
    if not Path(model).exists():
        raise XrayganError(f"model {model}: there is no such file or folder")
    from xraygan.training.device import use_device

    use_device(device)
    from xraygan.models.files import load_model

    loaded = load_model(Path(model))
    count = 6 if directions is None else directions
    _write(path, *_drawn(loaded, along, seeds, class_name, to_class, count, steps, psi))
    return path


def _drawn(
    model: "Model",
    along: Along,
    seeds: Sequence[int],
    class_name: str | None,
    to_class: str | None,
    directions: int,
    steps: int,
    psi: float,
) -> tuple[np.ndarray, dict[str, str]]:
    """The pictures, rows × columns, and what their file says of them."""
    from xraygan.sampling import explore as between
    from xraygan.sampling.encode import marked

    trained = [model.description.classes[number] for number in model.trained_classes]
    first, last = class_name or trained[0], to_class or trained[-1]
    origin = {"Along": along, "Seeds": ",".join(map(str, seeds)), "Class": first}
    if along == "seeds":
        rows = between.between_seeds(model, seeds, steps, first, psi)
    elif along == "classes":
        if model.class_number(first) == model.class_number(last):
            raise XrayganError(
                f"--along classes: both ends are {last}; name two with --class and --to-class "
                f"(the model was trained on {', '.join(trained)}), or choose --along seeds"
            )
        rows = between.between_classes(model, seeds, steps, first, last, psi)
        origin["To-Class"] = last
    else:
        rows = between.along_directions(model, seeds[0], directions, steps, first, psi)
        origin["Directions"] = str(directions)
    origin |= {"Steps": str(steps), "Psi": as_text(psi), "Model-SHA256": model.sha256}
    return rows, marked(origin)


def _write(path: Path, rows: np.ndarray, facts: Mapping[str, str]) -> None:
    from xraygan.pictures import grid
    from xraygan.runs import refusing_disk_faults, write_whole
    from xraygan.sampling.encode import png_of

    with refusing_disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".mp4":
            content = _mp4(path, rows, facts)
        elif path.suffix.lower() == ".gif":
            content = _gif(rows, facts)
        else:
            content = png_of(grid(list(rows)), facts)
        write_whole(path, content)


def _gif(rows: np.ndarray, facts: Mapping[str, str]) -> bytes:
    from PIL import Image

    from xraygan.sampling.encode import as_lines

    first, *others = [Image.fromarray(picture) for row in rows for picture in row]
    buffer = io.BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=1000 // PICTURES_PER_SECOND,
        loop=0,
        comment=as_lines(facts).encode(),
    )
    return buffer.getvalue()


def _mp4(path: Path, rows: np.ndarray, facts: Mapping[str, str]) -> bytes:
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
        return written.read_bytes() + mp4_mark(facts)


def _pictures_in(film: Path) -> int:
    import cv2

    read = cv2.VideoCapture(str(film))
    count = 0
    while read.read()[0]:
        count += 1
    read.release()
    return count

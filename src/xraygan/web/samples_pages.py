"""Pages on a model's images: the browser, walks, closest films, and two models side by side."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from xraygan.errors import XrayganError
from xraygan.web.catalogue import Missing, Run
from xraygan.web.closest import COUNT
from xraygan.web.pages import asked_for, page, png, whole_number
from xraygan.web.painter import STEPS
from xraygan.web.studio import studio_of

TILES = 24
PAIRS = 12


def browse(request: Request) -> Response:
    """The sample browser of a model."""
    studio, run = _model(request)
    studio.painter.warm_up(run.path)
    here = studio.films.of_run(run) is not None
    return page(request, "browse", run=run, tiles=TILES, steps=STEPS, here=here)


def image(request: Request) -> Response:
    """One image, as `xraygan generate` writes it; `?download=1` to keep it."""
    studio, run = _model(request)
    asked = asked_for(request.query_params)
    name, data = studio.painter.png(run.path, asked)
    headers = {}
    if "download" in request.query_params:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(data, media_type="image/png", headers=headers)


def facts(request: Request) -> Response:
    """What an image's file says of itself, as JSON."""
    studio, run = _model(request)
    picture = studio.painter.picture(run.path, asked_for(request.query_params))
    return JSONResponse({"name": f"{picture.name}.png", "facts": picture.facts})


def walk_step(request: Request) -> Response:
    """One image of a walk between two."""
    studio, run = _model(request)
    values = request.query_params
    step = whole_number(values, "step", 0, STEPS - 1)
    frames = studio.painter.walk(run.path, asked_for(values), asked_for(values, "to_"))
    return png(frames[step])


def closest(request: Request) -> Response:
    """How like the closest training films are, as JSON."""
    _, similarity = _closest(request)
    return JSONResponse({"similarity": [round(float(value), 3) for value in similarity]})


def closest_film(request: Request) -> Response:
    """One of the closest training films: a real picture, for the house."""
    films, _ = _closest(request)
    rank = whole_number(request.query_params, "rank", 0, COUNT - 1)
    if rank >= len(films):
        raise Missing(f"there are {len(films)} training films")
    return png(films[rank])


def compare(request: Request) -> Response:
    """Two models side by side, from the same seeds."""
    studio = studio_of(request)
    models = studio.catalogue.models()
    chosen = [request.query_params.get(name) for name in ("a", "b")]
    pair = [studio.catalogue.model(key) for key in chosen if key]
    shared: list[tuple[str, list[int]]] = []
    if len(pair) == 2:
        shared = _shared_classes(pair)
        for run in pair:
            studio.painter.warm_up(run.path)
    offered = [*pair, *(run for run in models if run not in pair)][:2]
    numbers = " ".join("-".join(map(str, labels)) for _, labels in shared)
    return page(
        request,
        "compare",
        models=models,
        pair=pair,
        offered=offered,
        shared=shared,
        numbers=numbers,
        pairs=PAIRS,
    )


def _shared_classes(pair: list[Run]) -> list[tuple[str, list[int]]]:
    """Names that both models know, with each one's class number."""
    numbers = [{name: n for n, name in run.config.trained_classes} for run in pair]
    shared = [name for name in numbers[0] if name in numbers[1]]
    if not shared:
        raise XrayganError(f"{pair[0].name} and {pair[1].name} have no class in common")
    return [(name, [known[name] for known in numbers]) for name in shared]


def _model(request: Request) -> tuple[Any, Run]:
    studio = studio_of(request)
    return studio, studio.catalogue.model(request.path_params["run"])


def _closest(request: Request) -> Any:
    studio, run = _model(request)
    asked = asked_for(request.query_params)
    pixels = studio.painter.pixels(run.path, asked)
    return studio.closest_to(run, asked, pixels)

"""The studio as a web application: which address is answered by what."""

import contextlib
import mimetypes
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from xraygan.errors import XrayganError
from xraygan.web import job_pages, runs_pages, samples_pages, study_pages
from xraygan.web.catalogue import Missing
from xraygan.web.guard import Guard, log_in
from xraygan.web.pages import page, refusal
from xraygan.web.studio import Studio, studio_of

_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def build_app(studio: Studio) -> Starlette:
    """The application, guarded.

    Args:
        studio: what it shows; closed with the application.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            studio.close()

    # Windows' registry may say otherwise, and a browser that must not sniff takes its word.
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(Guard, access=studio.access)],
        exception_handlers={XrayganError: refusal, HTTPException: _not_found},
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


def _routes() -> list[Route | Mount]:
    run, model = "/runs/{run}", "/models/{run}"
    reading = "/studies/{study}/read/{reader}"
    post = ["POST"]
    return [
        Route("/", runs_pages.list_runs),
        Route(run, runs_pages.show_run),
        Route(f"{run}/grids/{{kimg}}.png", runs_pages.show_grid),
        Route(f"{run}/report", runs_pages.show_report),
        Route(model, samples_pages.browse),
        Route(f"{model}/image", samples_pages.image),
        Route(f"{model}/facts", samples_pages.facts),
        Route(f"{model}/walk", samples_pages.walk_step),
        Route(f"{model}/closest", samples_pages.closest),
        Route(f"{model}/closest-film", samples_pages.closest_film),
        Route("/compare", samples_pages.compare),
        Route("/train", job_pages.list_jobs),
        Route("/train", job_pages.start, methods=post),
        Route("/train/{job}/stop", job_pages.stop, methods=post),
        Route("/train/{job}/go-on", job_pages.go_on, methods=post),
        Route("/train/{job}/measure", job_pages.measure, methods=post),
        Route("/studies", study_pages.list_studies),
        Route("/studies", study_pages.create_study, methods=post),
        Route("/studies/{study}", study_pages.show_study),
        Route("/studies/{study}/results.csv", study_pages.results_csv),
        Route("/studies/{study}/readers", study_pages.join, methods=post),
        Route("/studies/{study}/close", study_pages.close, methods=post),
        Route(reading, study_pages.read),
        Route(f"{reading}/image/{{token}}", study_pages.shown),
        Route(f"{reading}/answer", study_pages.answer, methods=post),
        Route("/login", _login),
        Route("/login", _check_token, methods=post),
        Route("/static/base.css", _style),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]


def _login(request: Request) -> Response:
    return page(request, "login", wrong=False)


async def _check_token(request: Request) -> Response:
    secure = request.url.scheme == "https"
    answer = await log_in(studio_of(request).access, request.state.form, secure)
    return answer or page(request, "login", 401, wrong=True)


def _style(_request: Request) -> Response:
    style = resources.files("xraygan.report") / "templates" / "style.css"
    return PlainTextResponse(style.read_text(encoding="utf-8"), media_type="text/css")


def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 404:
        return refusal(request, Missing("there is no such page here"))
    return PlainTextResponse(f"xraygan studio: not answered ({status})\n", status)

"""Pages on runs: the list, one run, what moves while it trains, its report."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from xraygan.config import GROUPS
from xraygan.web.catalogue import Missing
from xraygan.web.commands import commands_of
from xraygan.web.course import SPARK_HEIGHT, SPARK_WIDTH, course_of, spark
from xraygan.web.guard import REPORT_POLICY
from xraygan.web.pages import page
from xraygan.web.studio import studio_of


def list_runs(request: Request) -> Response:
    """Every run; `?part=1` is what a page that stays open asks for again."""
    studio = studio_of(request)
    runs = list(studio.catalogue.runs().values())
    courses = [course_of(run) for run in runs]
    rows = [
        (run, course, max(run.grids, default=None), spark(course))
        for run, course in zip(runs, courses, strict=True)
    ]
    template = "runs_part" if "part" in request.query_params else "runs"
    return page(
        request,
        template,
        rows=rows,
        box=f"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}",
        folder=studio.catalogue.name,
        unreadable=studio.catalogue.unreadable,
    )


def show_run(request: Request) -> Response:
    """One run; `?part=1` and `?part=grids` are what changes while it trains."""
    studio = studio_of(request)
    run = studio.catalogue.run(request.path_params["run"])
    parts = {"1": "run_part", "grids": "grids_part"}
    template = parts.get(request.query_params.get("part", ""), "run")
    job = studio.jobs.of_run(run.path)
    known = {
        (group, name): field.description
        for group, kind in GROUPS.items()
        for name, field in kind.model_fields.items()
    }
    settings = [
        (name, run.config.settings.get(group, {}).get(name), description)
        for (group, name), description in known.items()
        if name in run.config.settings.get(group, {})
    ]
    return page(
        request,
        template,
        run=run,
        course=course_of(run),
        grids=list(run.grids),
        settings=settings,
        commands=commands_of(run, studio.catalogue.shown_path(run.path)),
        folder=studio.catalogue.name,
        stoppable=job is not None and job.running,
        job=job,
    )


def show_grid(request: Request) -> Response:
    """One sample grid."""
    run = studio_of(request).catalogue.run(request.path_params["run"])
    return FileResponse(run.grid(request.path_params["kimg"]), media_type="image/png")


def show_report(request: Request) -> Response:
    """The edition to share of a run's report."""
    run = studio_of(request).catalogue.run(request.path_params["run"])
    if run.report is None:
        raise Missing(f"{run.name} has no report yet: xraygan report writes one")
    return _sandboxed(run.report)


def _sandboxed(path: Path) -> Response:
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)

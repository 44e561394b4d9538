"""Pages to start and stop training."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from xraygan.config import RESOLUTIONS, TrainingSettings
from xraygan.web.catalogue import Missing
from xraygan.web.jobs import Job
from xraygan.web.pages import page
from xraygan.web.studio import studio_of


def list_jobs(request: Request) -> Response:
    """The form for a new run, and what was started here; `?part=1` is the second alone."""
    studio = studio_of(request)
    runs = {run.path.resolve(): run for run in studio.catalogue.runs().values()}
    jobs = [
        (
            job,
            runs.get(job.run.resolve()) if job.run else None,
            studio.catalogue.without_folder(job.last_line),
        )
        for job in studio.jobs.all()
    ]
    template = "jobs_part" if "part" in request.query_params else "jobs"
    defaults = {name: field.default for name, field in TrainingSettings.model_fields.items()}
    return page(
        request,
        template,
        jobs=jobs,
        sources=studio.jobs.sources,
        resolutions=RESOLUTIONS,
        defaults=defaults,
    )


def start(request: Request) -> Response:
    """Begin a run."""
    studio_of(request).jobs.start(request.state.form)
    return RedirectResponse("/train", 303)


def stop(request: Request) -> Response:
    """Ask a run that was started here to write its checkpoint and end."""
    studio_of(request).jobs.stop(_job(request))
    return RedirectResponse("/train", 303)


def go_on(request: Request) -> Response:
    """Take a run that was started and stopped here up again."""
    studio_of(request).jobs.go_on(_job(request))
    return RedirectResponse("/train", 303)


def measure(request: Request) -> Response:
    """Make the data set and the report of a run that was started here and has finished."""
    studio_of(request).jobs.measure(_job(request))
    return RedirectResponse("/train", 303)


def _job(request: Request) -> Job:
    for job in studio_of(request).jobs.all():
        if job.key == request.path_params["job"]:
            return job
    raise Missing("no such run was started here")

"""Pages of reader studies: the list, one study with its results, and the reading itself."""

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from xraygan.errors import XrayganError
from xraygan.web.choice import LEAST_CASES, MOST_CASES, choose
from xraygan.web.pages import page, png, whole_number
from xraygan.web.results import are_open, as_csv, results_of
from xraygan.web.studies import MOST_MILLISECONDS, Reader, Study
from xraygan.web.studio import Studio, studio_of


def list_studies(request: Request) -> Response:
    """Every study, and a form for a new one."""
    studio = studio_of(request)
    models = studio.catalogue.models()
    usable = [run for run in models if studio.films.of_run(run) is not None]
    studies, unreadable = studio.studies.all()
    return page(
        request,
        "studies",
        studies=studies,
        unreadable=unreadable,
        usable=usable,
        some=bool(models),
        least=LEAST_CASES,
        most=MOST_CASES,
    )


def create_study(request: Request) -> Response:
    """Choose the images of a new study and write it."""
    studio, fields = studio_of(request), request.state.form
    run = studio.catalogue.model(fields.get("run", ""))
    cases = whole_number(fields, "cases", LEAST_CASES, MOST_CASES)
    films = studio.films.of_run(run)
    study, images = choose(studio.painter, run, films, fields.get("name", ""), cases)
    studio.studies.create(study, images)
    return RedirectResponse(f"/studies/{study.key}", 303)


def show_study(request: Request) -> Response:
    """Readers, how far they are, and what was found once nobody reads any more."""
    studio, study = _study(request)
    readers = studio.studies.readers(study)
    results = results_of(study, readers) if are_open(study, readers) else None
    return page(request, "study", study=study, readers=readers, results=results)


def results_csv(request: Request) -> Response:
    """Every answer as a table, once nobody reads any more."""
    studio, study = _study(request)
    readers = studio.studies.readers(study)
    if not are_open(study, readers):
        raise XrayganError("the results open when everybody who began has finished")
    text = as_csv(study, readers)
    headers = {"Content-Disposition": f'attachment; filename="reader-study-{study.key}.csv"'}
    return Response(text, media_type="text/csv", headers=headers)


def join(request: Request) -> Response:
    """A new reader begins."""
    studio, study = _study(request)
    reader = studio.studies.join(study, request.state.form.get("name", ""))
    return RedirectResponse(f"/studies/{study.key}/read/{reader.key}", 303)


def close(request: Request) -> Response:
    """End a study in which somebody will not finish."""
    studio, study = _study(request)
    studio.studies.close(study)
    return RedirectResponse(f"/studies/{study.key}", 303)


def read(request: Request) -> Response:
    """The page on which a reader reads; that of the study once it is closed."""
    _, study, reader = _reader(request)
    if study.closed:
        return RedirectResponse(f"/studies/{study.key}", 303)
    return page(request, "read", study=study, reader=reader)


def shown(request: Request) -> Response:
    """One image, told by nothing but its pixels: every file of a study has the same length."""
    studio, study, reader = _reader(request)
    return png(studio.studies.image(study, reader, request.path_params["token"]), level=0)


def answer(request: Request) -> Response:
    """Write down an answer; says which image comes next, as JSON."""
    studio, study, reader = _reader(request)
    fields = request.state.form
    milliseconds = whole_number(fields, "milliseconds", 0, MOST_MILLISECONDS)
    reader = studio.studies.answer(
        study, reader.key, fields.get("image", ""), fields.get("said", ""), milliseconds
    )
    return JSONResponse({"next": reader.token, "answered": len(reader.answers)})


def _study(request: Request) -> tuple[Studio, Study]:
    studio = studio_of(request)
    return studio, studio.studies.study(request.path_params["study"])


def _reader(request: Request) -> tuple[Studio, Study, Reader]:
    studio, study = _study(request)
    return studio, study, studio.studies.reader(study, request.path_params["reader"])

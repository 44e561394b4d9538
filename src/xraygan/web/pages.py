"""Answers in HTML and JSON, and how what was asked for is read."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from xraygan.errors import XrayganError
from xraygan.progress import duration
from xraygan.report.plots import curves
from xraygan.report.wording import clean, count, number, setting
from xraygan.version import __version__
from xraygan.web.catalogue import Missing
from xraygan.web.painter import Asked
from xraygan.web.studio import studio_of


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("xraygan.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean,
        "count": count,
        "number": number,
        "setting": setting,
        "duration": duration,
        "numbered": enumerate,
    }
    environment.globals |= {"version": __version__, "curves": curves}
    return environment


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one.

    Args:
        request: for the token of its forms.
        template: file name below templates/, without suffix.
        status: HTTP status.
        **values: what the template shows.
    """
    shared = {"form_token": request.state.form_token, "path": request.url.path}
    text = _environment().get_template(f"{template}.html.j2").render(**shared, **values)
    return HTMLResponse(text, status)


def refusal(request: Request, error: Exception) -> Response:
    """One clear line, as a page or as JSON, as was asked."""
    status = 404 if isinstance(error, Missing) else 400
    message = clean(studio_of(request).catalogue.without_folder(str(error)))
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": message}, status)
    return page(request, "refused", status, message=message)


def png(image: np.ndarray, level: int = 1) -> Response:
    """Grey levels uint8 [H, W] as PNG without metadata; level 0 has one length for one size."""
    data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()
    return Response(data, media_type="image/png")


def asked_for(values: Mapping[str, str], prefix: str = "") -> Asked:
    """Which image an address or a form asks for.

    Args:
        values: texts by name; names that are not ours are passed over.
        prefix: before each name.

    Raises:
        XrayganError: a value out of range.
    """
    known = {name: values[prefix + name] for name in Asked.model_fields if prefix + name in values}
    return Asked.parse(known, "the address")


def whole_number(values: Mapping[str, str], name: str, least: int, most: int) -> int:
    """A whole number that somebody gave.

    Raises:
        XrayganError: it is missing, none, or out of range.
    """
    text = values.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise XrayganError(f"{name}: expected a whole number of {least:,} to {most:,}")
    if not least <= int(text) <= most:
        raise XrayganError(f"{name}: {int(text):,} is not between {least:,} and {most:,}")
    return int(text)

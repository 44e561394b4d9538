"""From a folder and an address to a server that runs until it is stopped."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from xraygan.errors import XrayganError
from xraygan.web.app import build_app
from xraygan.web.guard import LEAST_TOKEN, Access, is_loopback, own_names
from xraygan.web.studio import Studio

GRACE_S = 3


def serve(
    folder: Path,
    host: str,
    port: int,
    token: str | None,
    data: Sequence[str] = (),
    device: str = "auto",
    announce: Callable[[str], None] = print,
) -> None:
    """Answer until a signal comes.

    Args:
        folder: of runs.
        host: address to listen on.
        port: 0 for a free one.
        token: what visitors have to show; needed beyond this machine.
        data: "NAME=DIR", what may be trained on.
        device: as for `xraygan.training.device.use_device`.
        announce: told the address once it is open.

    Raises:
        XrayganError: a folder or an address that cannot be used, or no token.
    """
    if folder.exists() and not folder.is_dir():
        raise XrayganError(f"{folder}: is a file; give the folder of your runs")
    if token is not None and len(token) < LEAST_TOKEN:
        raise XrayganError(f"--token: choose at least {LEAST_TOKEN} characters")
    if token is None and not is_loopback(host):
        raise XrayganError(
            f"--host {host}: others can reach this address, and the pages show real films; "
            "choose a secret and give it with --token or in XRAYGAN_STUDIO_TOKEN"
        )
    sources = named_folders(data)
    listener = _listen(host, port)
    studio = Studio(folder, Access(host, token), sources, device)
    bound = listener.getsockname()[1]
    if not is_loopback(host):
        own_names()  # now, and not while somebody waits
    named = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
    shown = f"[{named}]" if ":" in named else named
    announce(f"http://{shown}:{bound}/")
    config = uvicorn.Config(
        build_app(studio),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    try:
        with listener:
            uvicorn.Server(config).run(sockets=[listener])
    finally:  # a second Ctrl-C passes over the application's own end
        studio.close()


def named_folders(data: Sequence[str]) -> dict[str, Path]:
    """Folders by name from "NAME=DIR".

    Raises:
        XrayganError: not of this form, a name twice, or no such folder.
    """
    found: dict[str, Path] = {}
    for text in data:
        name, equals, folder = text.partition("=")
        if not (equals and name.strip() and folder):
            raise XrayganError(f"--data {text}: expected NAME=DIR, such as chests=chest_xray")
        if name in found or name == "phantom":
            raise XrayganError(f"--data {text}: the name {name} is taken; choose another")
        if not Path(folder).exists():
            raise XrayganError(f"--data {text}: {folder} does not exist")
        found[name] = Path(folder)
    return found


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise XrayganError(
            f"--host {host} --port {port}: cannot be opened ({error}); choose another"
        ) from None

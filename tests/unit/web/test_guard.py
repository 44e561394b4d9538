"""Row 17 of the faults: what a page of the studio refuses, and what it says of itself."""

import mimetypes
import re

import pytest
from starlette.testclient import TestClient

from studio_run import HOME, Visitor
from xraygan.errors import XrayganError
from xraygan.web.app import build_app
from xraygan.web.guard import MOST_BODY_BYTES, Access, own_names
from xraygan.web.serve import named_folders, serve
from xraygan.web.studio import Studio

TOKEN = "a-long-enough-secret"  # noqa: S105
EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture
def locked(folder):
    studio = Studio(folder, Access(EVERYWHERE, TOKEN), device="cpu")
    yield Visitor(TestClient(build_app(studio), base_url=HOME))
    studio.close()


def sign_in(visitor: Visitor, token: str = TOKEN):
    return visitor.post("/login", {"token": token})


def test_every_page_carries_the_policy(visitor, keys):
    run = keys["00000-ward"]
    for path in ("/", f"/runs/{run}", f"/models/{run}", "/train", "/studies", "/compare", "/none"):
        headers = visitor.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_file_is_of_its_type_whatever_the_system_says(studio, monkeypatch):
    """As on a Windows whose registry has text/plain for scripts."""
    for suffix in (".js", ".css", ".svg"):
        monkeypatch.setitem(mimetypes.types_map, suffix, "text/plain")
    visitor = Visitor(TestClient(build_app(studio), base_url=HOME))
    kinds = [
        visitor.get(f"/static/{name}").headers["content-type"].partition(";")[0]
        for name in ("controls.js", "studio.css", "icon.svg")
    ]
    assert kinds == ["text/javascript", "text/css", "image/svg+xml"]


def test_no_page_has_a_script_or_a_style_in_itself(visitor, keys):
    run = keys["00000-ward"]
    for path in ("/", f"/runs/{run}", f"/models/{run}", "/train", "/studies", "/compare"):
        text = visitor.get(path).text
        assert not re.search(r"<script(?![^>]* src=\"/static/)", text)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        assert not re.search(r"(src|href|action)=\"(?!/|#)", text)


def test_report_runs_nothing(visitor, keys):
    answer = visitor.get(f"/runs/{keys['00000-ward']}/report")
    assert answer.status_code == 200
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8787",
        "127.0.0.1.evil.example",
        "a@127.0.0.1",
        "",
        "192.168.1.9",
    ],
)
def test_a_foreign_host_is_refused(visitor, host):
    assert visitor.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:9999", "localhost:8787", "[::1]:8787"])
def test_this_machine_is_known_by_its_names(visitor, host):
    assert visitor.get("/", headers={"Host": host}).status_code == 200


def test_open_to_others_figures_are_known_and_names_are_not():
    access = Access(EVERYWHERE, TOKEN)
    assert access.knows_host("192.168.1.9:8787")
    assert not access.knows_host("evil.example:8787")
    assert not access.knows_host(None)


def test_open_to_others_this_machine_s_name_is_known(monkeypatch):
    """In a container that is what `docker run --hostname` says."""
    monkeypatch.setattr("socket.gethostname", lambda: "Ward-PC.example")
    monkeypatch.setattr("socket.getfqdn", lambda: "ward-pc.clinic.example")
    own_names.cache_clear()
    try:
        for host in ("ward-pc.example:8787", "ward-pc", "ward-pc.local", "ward-pc.clinic.example"):
            assert Access(EVERYWHERE, TOKEN).knows_host(host)
            assert not Access("127.0.0.1").knows_host(host)
        assert not Access(EVERYWHERE, TOKEN).knows_host("ward-pc.example.evil.example")
    finally:
        own_names.cache_clear()


def test_a_form_of_another_site_is_refused(visitor):
    assert visitor.post("/train", Origin="http://evil.example").status_code == 403
    assert visitor.post("/train", Origin="null").status_code == 403
    assert visitor.post("/train", Origin="http://127.0.0.1:1").status_code == 403
    assert visitor.post("/train", {"form_token": "0" * 64}).status_code == 403
    assert visitor.post("/train", {"form_token": ""}).status_code == 403
    assert visitor.post("/train", {"data": "no such"}).status_code == 400  # the form is read


def test_a_form_without_origin_is_refused(visitor):
    answer = visitor.client.post("/train", data={"form_token": "0"})
    assert answer.status_code == 403


def test_another_sites_pictures_are_refused_but_a_link_is_followed(visitor):
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert visitor.get("/", headers=foreign).status_code == 403
    assert visitor.get("/", headers=foreign | {"Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_too_much_is_refused(visitor):
    assert visitor.post("/train", {"data": "x" * MOST_BODY_BYTES}).status_code == 413
    assert visitor.get("/?" + "x" * 3000).status_code == 414
    assert visitor.post("/train", {f"f{n}": "1" for n in range(60)}).status_code == 400
    assert visitor.client.request("PUT", "/").status_code == 405
    json = {"Content-Type": "application/json", "Origin": HOME}
    assert visitor.client.post("/train", content="{}", headers=json).status_code == 415


def test_with_a_token_nothing_is_shown_before_it(locked, keys):
    for path in ("/", f"/models/{keys['00000-ward']}/image", "/studies", "/no-such-page"):
        answer = locked.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login"
    assert locked.post("/train", {"data": "phantom"}).status_code == 401
    assert locked.get("/static/studio.css").status_code == 200


def test_the_right_token_opens_a_session(locked):
    answer = sign_in(locked)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert locked.get("/").status_code == 200
    locked.client.cookies.clear()
    assert locked.get("/").status_code == 303


def test_studios_on_one_host_do_not_log_each_other_out(folder, locked):
    """A browser sends the cookies of all ports of a host to each of them."""
    other = Studio(folder, Access(EVERYWHERE, TOKEN + "2"), device="cpu")
    second = Visitor(TestClient(build_app(other), base_url=HOME))
    sign_in(locked)
    sign_in(second, TOKEN + "2")
    locked.client.cookies.update(second.client.cookies)
    second.client.cookies.update(locked.client.cookies)
    assert [visitor.get("/").status_code for visitor in (locked, second)] == [200, 200]
    assert locked.post("/train", {"data": "no such"}).status_code == 400
    other.close()


def test_a_wrong_token_or_session_opens_nothing(locked):
    for wrong in ("", "x", TOKEN + "x", TOKEN[:-1]):
        assert sign_in(locked, wrong).status_code == 401
        assert locked.get("/").status_code == 303
    name = sign_in(locked).headers["set-cookie"].partition("=")[0]
    locked.client.cookies.clear()
    assert locked.get("/", headers={"Cookie": f"{name}={TOKEN}"}).status_code == 303


def test_a_form_of_another_session_is_refused(locked):
    before = re.search(r'name="form-token" content="(\w+)"', locked.get("/login").text)[1]
    sign_in(locked)
    assert locked.post("/train", {"form_token": before}).status_code == 403


def test_another_address_needs_a_token(tmp_path):
    with pytest.raises(XrayganError, match="--token"):
        serve(tmp_path, EVERYWHERE, 0, None)
    with pytest.raises(XrayganError, match="at least 16"):
        serve(tmp_path, EVERYWHERE, 0, "short")
    with pytest.raises(XrayganError, match="cannot be opened"):
        serve(tmp_path, "203.0.113.1", 0, TOKEN)


def test_data_are_named_on_the_command_line(tmp_path):
    assert named_folders([f"ward={tmp_path}"]) == {"ward": tmp_path}
    for bad in ("ward", f"={tmp_path}", f"phantom={tmp_path}", "ward=/no/such"):
        with pytest.raises(XrayganError, match="--data"):
            named_folders([bad])


def test_a_foreign_cookie_does_not_lock_anybody_out(locked):
    cookie = sign_in(locked).headers["set-cookie"].partition(";")[0]
    locked.client.cookies.clear()
    cookies = f'somebody={{"x": 1}}; {cookie}'
    assert locked.get("/", headers={"Cookie": cookies}).status_code == 200

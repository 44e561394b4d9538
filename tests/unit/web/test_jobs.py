"""Training from the page: what is asked is checked, and no path comes from the page."""

import subprocess
import sys
import time

import pytest

from xraygan.errors import XrayganError
from xraygan.runs import read_metrics
from xraygan.web.jobs import Job, Jobs


@pytest.fixture
def jobs(tmp_path):
    # A folder that is not there makes the process end at once with its own clear line.
    opened = Jobs(tmp_path / "runs", {"ward": tmp_path / "gone"}, "cpu")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "from the list"),
        ({"data": "/etc"}, "from the list"),
        ({"data": "ward/../x"}, "from the list"),
        ({"data": "ward", "resolution": "65"}, "32, 64"),
        ({"data": "ward", "minutes": "1e9"}, "minutes"),
        ({"data": "ward", "minutes": "5", "kimg": "5"}, "leave one"),
        ({"data": "ward", "batch": "--outdir"}, "batch"),
        ({"data": "ward", "preset": "huge"}, "preset"),
    ],
)
def test_what_cannot_be(jobs, fields, why):
    with pytest.raises(XrayganError, match=why):
        jobs.start(fields)
    assert jobs.all() == []


def test_settings_that_are_not_on_the_form_are_not_taken(jobs):
    job = jobs.start({"data": "ward", "outdir": "/etc", "config": "/etc/x", "kimg": "1"})
    assert "/etc" not in job.process.args
    assert job.process.args[-2:] == ["--kimg", "1.0"]
    with pytest.raises(XrayganError, match="stop it first"):
        jobs.start({"data": "ward"})
    job.process.wait(60)
    assert job.state == "failed"
    assert "does not exist" in job.last_line
    assert job.run is None
    assert "--new" in job.process.args
    jobs.go_on(job)
    (again,) = jobs.all()
    assert again.process.args == [part for part in job.process.args if part != "--new"]
    with pytest.raises(XrayganError, match="stop it first"):
        jobs.go_on(again)
    again.process.wait(60)


def test_a_job_is_stopped_by_its_key_alone(visitor, studio):
    for action in ("stop", "go-on"):
        assert visitor.post(f"/train/0/{action}").status_code == 404
    assert visitor.post("/train", {"data": "/etc"}).status_code == 400


def test_a_stopped_run_goes_on_from_the_page(visitor, studio, monkeypatch, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(143)"])
    ended.wait(60)
    log = tmp_path / "log"
    log.write_text("")
    monkeypatch.setitem(studio.jobs._jobs, "ab", Job("ab", "phantom", {"kimg": 1.0}, log, ended))
    begun = []

    def begin(*arguments):
        begun.append(arguments)
        return studio.jobs._jobs["ab"]

    monkeypatch.setattr(studio.jobs, "_begin", begin)
    assert 'action="/train/ab/go-on"' in visitor.get("/train").text
    assert visitor.post("/train/ab/go-on").status_code == 303
    assert begun == [("ab", "phantom", {"kimg": 1.0})]


def test_a_run_alone_is_not_trained_in(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    jobs = Jobs(tmp_path, {})
    with pytest.raises(XrayganError, match="folder of runs"):
        jobs.start({"data": "phantom"})
    jobs.close()


@pytest.mark.slow
def test_a_run_is_started_watched_and_stopped(tmp_path):
    jobs = Jobs(tmp_path / "runs", {}, "cpu")
    job = jobs.start({"data": "phantom", "resolution": "32", "preset": "small", "kimg": "20"})
    end = time.monotonic() + 300
    while not (job.run and read_metrics(job.run)):
        assert time.monotonic() < end, job.last_line
        assert job.running, job.last_line
        time.sleep(0.5)
    run = job.run
    assert jobs.of_run(run) is job
    jobs.stop(job)
    job.process.wait(60)
    assert job.state == "stopped"
    assert any((run / "checkpoints").iterdir())
    jobs.go_on(job)
    (again,) = jobs.all()
    while "going on after" not in again.log.read_text():
        assert time.monotonic() < end, again.last_line
        assert again.running, again.last_line
        time.sleep(0.5)
    assert again.run == run
    jobs.close()
    assert again.state == "stopped"

"""Training from the page: what is asked is checked, and no path comes from the page."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest
from starlette.testclient import TestClient

from studio_run import HOME, Visitor, make_run
from xraygan.errors import XrayganError
from xraygan.runs import RunFolder, read_metrics
from xraygan.web import jobs as jobs_module
from xraygan.web.app import build_app
from xraygan.web.catalogue import REMEMBERED_S
from xraygan.web.guard import Access
from xraygan.web.jobs import Job, Jobs
from xraygan.web.studio import Studio


@pytest.fixture
def jobs(tmp_path):
    # A folder that is not there makes the process end at once with its own clear line.
    opened = Jobs(tmp_path / "runs", {"ward": tmp_path / "gone"}, "cpu")
    yield opened
    opened.close()


def ended_job(folder, run, line="raise SystemExit(143)", data="phantom", key="ab"):
    """A job that has ended, stopped unless told otherwise, with what it said of its run."""
    process = subprocess.Popen([sys.executable, "-c", line])
    process.wait(60)
    log = folder / f"{run.name if run else 'none'}.log"
    log.write_text(f"run folder: {run}\n" if run else "")
    verb = "train", "--new", "--outdir", str(folder)
    return Job(key, data, {"minutes": 1.0}, log, process, verb)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "from the list"),
        ({"data": "/etc"}, "from the list"),
        ({"data": "ward/../x"}, "from the list"),
        ({"data": "ward", "resolution": "65"}, "32, 64"),
        ({"data": "ward", "minutes": "1e9"}, "minutes"),
        ({"data": "ward", "batch": "--outdir"}, "batch"),
        ({"data": "ward", "preset": "huge"}, "preset"),
    ],
)
def test_what_cannot_be(jobs, fields, why):
    with pytest.raises(XrayganError, match=why):
        jobs.start(fields)
    assert jobs.all() == []


def test_settings_that_are_not_on_the_form_are_not_taken(jobs):
    others = {"outdir": "/etc", "config": "/etc/x", "kimg": "9"}
    job = jobs.start({"data": "ward", "minutes": "1", **others})
    assert not {"/etc", "/etc/x", "--kimg"} & set(job.process.args)
    assert job.process.args[-2:] == ["--minutes", "1.0"]
    with pytest.raises(XrayganError, match="stop it first"):
        jobs.start({"data": "ward"})
    job.process.wait(60)
    assert job.state == "failed"
    assert "does not exist" in job.last_line
    assert job.run is None
    assert "--new" in job.process.args
    jobs.go_on(job)
    (again,) = jobs.all()
    assert again.process.args == job.process.args  # it had no run yet, so it begins one
    with pytest.raises(XrayganError, match="stop it first"):
        jobs.go_on(again)
    again.process.wait(60)


@pytest.mark.parametrize(
    ("code", "stopping", "state"),
    [
        (0, False, "finished"),
        (0, True, "finished"),
        (130, False, "stopped"),
        (143, True, "stopped"),
        (1, False, "failed"),
        (1, True, "stopped"),  # as Windows ends it
        (2, True, "failed"),  # a disk that refused the checkpoint
        (-15, True, "stopped"),  # still importing
        (-15, False, "failed"),
        (-9, True, "failed"),
    ],
)
def test_how_a_job_ended(tmp_path, code, stopping, state):
    line = f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
    job = ended_job(tmp_path, tmp_path / "runs" / "00000-a", line)
    job.stopping = stopping
    assert job.state == state


def test_of_two_runs_with_one_form_each_goes_on_in_its_own_folder(jobs, tmp_path):
    first, second = (tmp_path / "runs" / name for name in ("00000-ward-64", "00001-ward-64"))
    for run in (first, second):
        jobs._jobs[run.name] = ended_job(tmp_path, run, data="ward", key=run.name)
    jobs.go_on(jobs._jobs[first.name])
    again = jobs._jobs[first.name]
    again.process.wait(60)
    assert again.process.args[3:6] == ["train", "--run-dir", str(first)]
    assert "--new" not in again.process.args
    assert str(second) not in again.process.args


def test_a_finished_run_is_measured_in_its_folder(jobs, tmp_path):
    run = tmp_path / "runs" / "00000-ward-64"
    jobs._jobs["ab"] = ended_job(tmp_path, run, "", data="ward")
    jobs.measure(jobs._jobs["ab"])
    again = jobs._jobs["ab"]
    again.process.wait(60)
    assert again.process.args[3:6] == ["run", "--results", str(run)]
    assert again.process.args[-2:] == ["--minutes", "1.0"]
    again.log.write_text("")  # stopped before it said anything
    jobs.go_on(again)
    once_more = jobs._jobs["ab"]
    once_more.process.wait(60)
    assert once_more.process.args == again.process.args, "neither another run nor another job"
    with pytest.raises(XrayganError, match="no folder yet"):
        jobs.measure(ended_job(tmp_path, None))


def test_a_run_folder_that_is_told_after_much_is_found_and_stays_known(tmp_path):
    run = tmp_path / "runs" / "00000-ward-64"
    job = ended_job(tmp_path, run)
    much = "looking at films: 1 of 9\n" * 2000
    job.log.write_text(f"{much}run folder: {str(run)[:-3]}")
    assert job.run is None, "the line is being written"
    job.log.write_text(f"{much}run folder: {run}\n{much}")
    assert job.run == run
    job.log.write_text("")
    assert job.run == run


def test_a_run_that_goes_on_twice_stays_in_its_folder(jobs, tmp_path):
    run = tmp_path / "runs" / "00000-ward-64"
    jobs._jobs["ab"] = ended_job(tmp_path, run, data="ward")
    for _ in range(2):
        jobs.go_on(jobs._jobs["ab"])
        job = jobs._jobs["ab"]
        job.process.wait(60)
        job.log.write_text("")  # stopped before it said which folder it is
        assert job.process.args[3:6] == ["train", "--run-dir", str(run)]
        assert job.run == run


def test_what_is_offered_follows_the_run_not_the_job(tmp_path):
    folder = make_run(tmp_path / "runs", "00000-a", None)
    studio = Studio(tmp_path / "runs", Access("127.0.0.1"), device="cpu")
    visitor = Visitor(TestClient(build_app(studio), base_url=HOME))
    studio.jobs._jobs["ab"] = ended_job(tmp_path, folder)
    (key,) = studio.catalogue.runs()

    def offered() -> set[str]:
        studio.catalogue._looked = -REMEMBERED_S
        pages = visitor.get("/train").text, visitor.get(f"/runs/{key}").text
        found = [set(re.findall(r'action="/train/ab/([\w-]+)"', page)) for page in pages]
        assert found[0] <= found[1]
        return found[1]

    assert offered() == set()  # finished on the command line, with its report
    (folder / "report.html").unlink()
    assert offered() == {"measure"}
    assert visitor.post("/train/0/measure").status_code == 404
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"published": None}))
    assert offered() == {"go-on"}
    with RunFolder(folder).locked():
        assert offered() == set()
    studio.close()


def test_a_job_is_stopped_by_its_key_alone(visitor, studio):
    for action in ("stop", "go-on", "measure"):
        assert visitor.post(f"/train/0/{action}").status_code == 404
    assert visitor.post("/train", {"data": "/etc"}).status_code == 400


def test_a_stopped_run_goes_on_from_the_page(visitor, studio, monkeypatch, tmp_path):
    monkeypatch.setitem(studio.jobs._jobs, "ab", ended_job(tmp_path, None))
    begun = []

    def begin(*arguments, known):
        assert known is None
        begun.append(arguments)
        return studio.jobs._jobs["ab"]

    monkeypatch.setattr(studio.jobs, "_begin", begin)
    assert 'action="/train/ab/go-on"' in visitor.get("/train").text
    assert visitor.post("/train/ab/go-on").status_code == 303
    [(key, source, settings, *verb)] = begun
    assert (key, source, settings) == ("ab", "phantom", {"minutes": 1.0})
    assert verb[:2] == ["train", "--new"]


def test_a_run_alone_is_not_trained_in(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    jobs = Jobs(tmp_path, {})
    with pytest.raises(XrayganError, match="folder of runs"):
        jobs.start({"data": "phantom"})
    jobs.close()


@pytest.mark.slow
def test_a_run_is_started_watched_stopped_and_taken_up_again_beside_its_twin(tmp_path):
    jobs = Jobs(tmp_path / "runs", {}, "cpu")
    form = {"data": "phantom", "resolution": "32", "preset": "small", "minutes": "5"}
    job = jobs.start(form)
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
    twin = jobs.start(form)
    while not twin.run:
        assert time.monotonic() < end, twin.last_line
        assert twin.running, twin.last_line
        time.sleep(0.5)
    jobs.stop(twin)
    twin.process.wait(60)
    assert twin.run != run
    jobs.go_on(job)
    (again,) = [other for other in jobs.all() if other.key == job.key]
    while "going on after" not in again.log.read_text():
        assert time.monotonic() < end, again.last_line
        assert again.running, again.last_line
        time.sleep(0.5)
    assert again.run == run
    jobs.close()
    assert again.state == "stopped"


def test_a_process_that_lost_the_first_signal_is_ended_by_the_second(monkeypatch):
    monkeypatch.setattr(jobs_module, "CHECKPOINT_WAIT_S", 2)
    deaf_once = "import signal, time; d = signal.SIG_DFL; s = signal.signal; "
    deaf_once += "s(signal.SIGTERM, lambda *_: s(signal.SIGTERM, d)); print(1, flush=True); "
    command = [sys.executable, "-c", deaf_once + "[time.sleep(0.1) for _ in range(600)]"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.terminate()
        jobs_module._wait_for_end(process)
        assert process.returncode == -signal.SIGTERM


def test_a_job_waits_for_no_others(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "XRAYGAN_CACHE"):
        monkeypatch.setenv(name, "2")
    given = jobs_module._of_a_job()
    assert given["XRAYGAN_CACHE"] == "2"
    assert not {"TF_CONFIG", "SLURM_STEP_NUM_TASKS"} & given.keys()


def test_a_second_stop_does_not_take_the_checkpoint_away(jobs, tmp_path):
    asked = []
    process = type("Process", (), {"poll": lambda _: None, "terminate": lambda _: asked.append(1)})
    job = Job("ab", "phantom", {}, tmp_path / "log", process(), ("train",))
    jobs.stop(job)
    jobs.stop(job)
    assert (asked, job.state) == ([1], "stopping")

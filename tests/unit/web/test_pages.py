"""What the pages answer: runs, images as `generate` writes them, and refusals without a path."""

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock
from PIL import Image

from xraygan import api
from xraygan.errors import XrayganError
from xraygan.models.files import load_model
from xraygan.models.sample import sample
from xraygan.models.walk import End, walk
from xraygan.report.collect import MOST_POINTS
from xraygan.runs import RunFolder, is_locked
from xraygan.web.catalogue import REMEMBERED_S, Catalogue, Missing
from xraygan.web.course import course_of, spark
from xraygan.web.painter import Remembered


def pixels(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_runs_are_listed_newest_first_with_their_names_as_text(visitor):
    text = visitor.get("/").text
    assert text.index("00001-&lt;i&gt;b") < text.index("00000-ward")
    assert "<i>b" not in text
    assert "finished" in text
    assert "2,000 of 2,000 images seen" in text


def test_a_run_page_draws_its_course(visitor, keys):
    text = visitor.get(f"/runs/{keys['00000-ward']}").text
    assert text.count('<svg class="chart"') == 2
    assert "A&amp;B" in text
    assert visitor.get(f"/runs/{keys['00000-ward']}/grids/2.png").status_code == 200
    for none in ("1", "x", "9" * 5000):
        assert visitor.get(f"/runs/{keys['00000-ward']}/grids/{none}.png").status_code == 404


def test_runs_come_in_the_order_in_which_they_were_begun(tmp_path):
    """Half past two of the night in which the clock is put back, and ten past two an hour later."""
    begun = ["2026-10-25T02:30:00+0200", "2026-10-25T02:10:00+0100", "2026-10-24T23:59:00-0200"]
    data = {"classes": ["A"], "counts": {}, "fingerprint": "f"}
    for name, when in zip("abcd", [*begun, "in the morning"], strict=True):
        (tmp_path / name).mkdir()
        config = {"settings": {}, "data": data, "begun": when}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    runs = Catalogue(tmp_path).runs().values()
    assert [run.name for run in runs] == ["c", "b", "a", "d"]


def test_a_sample_grid_of_no_whole_thousand_has_a_place(visitor, folder, keys):
    page, grid = f"/runs/{keys['00000-ward']}", folder / "00000-ward" / "fakes000002_592.png"
    shutil.copy(folder / "00000-ward" / "fakes000002.png", grid)
    try:
        assert '<output id="moment-value">2,592</output> images' in visitor.get(page).text
        assert visitor.get(f"{page}/grids/2.592.png").status_code == 200
    finally:
        grid.unlink()


@pytest.mark.parametrize(("published", "said"), [(None, "training"), (2000, "measuring")])
def test_a_run_that_is_worked_on_says_so(visitor, folder, studio, keys, published, said):
    run = folder / "00000-ward"
    whole = (run / "config.json").read_text()
    (run / "config.json").write_text(json.dumps(json.loads(whole) | {"published": published}))
    studio.catalogue._looked = -REMEMBERED_S
    try:
        assert not is_locked(run)
        with RunFolder(run).locked():
            assert is_locked(run)
            assert f"pill {said}" in visitor.get(f"/runs/{keys['00000-ward']}?part=1").text
        assert not is_locked(run)
    finally:
        (run / "config.json").write_text(whole)
        studio.catalogue._looked = -REMEMBERED_S


def test_an_image_is_the_file_that_generate_writes(visitor, folder, keys, tmp_path):
    asked = "label=1&seed=7&index=33&psi=0.7"
    answer = visitor.get(f"/models/{keys['00000-ward']}/image?{asked}&download=1")
    options = {"seed": 7, "class_name": "NORMAL", "first": 33, "psi": 0.7}
    api.generate(folder / "00000-ward", 1, out=tmp_path / "out", device="cpu", **options)
    written = next((tmp_path / "out" / "NORMAL").glob("*.png"))
    assert answer.content == written.read_bytes()
    assert written.name in answer.headers["content-disposition"]


def test_a_lack_of_memory_is_one_clear_line(visitor, keys, monkeypatch):
    def no_room(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, "predict_on_batch", no_room)
    key = keys["00000-ward"]
    for address in (f"image?seed=4444&index={10**5}", "walk?seed=4444&to_seed=4445&step=3"):
        answer = visitor.json(f"/models/{key}/{address}")
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("out of memory drawing 32 images at once (OOM")


def test_a_class_number_is_bounded_by_the_model_alone(visitor, keys):
    """Sets of labels may make more than 256 classes."""
    address = f"/models/{keys['00000-ward']}/image"
    for label in (2, 300, 4095):
        answer = visitor.json(f"{address}?label={label}")
        assert answer.json()["error"] == f"class number {label}: the model has 2, from 0"
    assert visitor.json(f"{address}?label=4096").status_code == 400


def test_a_model_is_loaded_and_asked_once_for_a_page_of_images(visitor, studio, keys):
    before = studio.painter.forward_passes
    for index in range(24):
        visitor.get(f"/models/{keys['00000-ward']}/image?seed=99&index={index}")
    assert studio.painter.forward_passes == before + 1


def test_a_walk_begins_and_ends_where_it_should(folder):
    model = load_model(folder / "00000-ward")
    network = model.description.network
    made = walk(model.generator, network, End(3, 0, 0), End(4, 5, 1), (0, 0.5, 1))
    first = sample(model.generator, network, 3, [0], [0])[0]
    last = sample(model.generator, network, 4, [5], [1])[0]
    assert np.abs(made[0].astype(int) - first).max() <= 1
    assert np.abs(made[2].astype(int) - last).max() <= 1
    assert np.abs(made[1].astype(int) - first).mean() > 2
    with pytest.raises(ValueError, match="shares"):
        walk(model.generator, network, End(0, 0, 0), End(0, 1, 0), (1.5,))


def test_a_walk_between_truncations_ends_at_the_image_that_was_chosen(folder):
    model = load_model(folder / "00000-ward")
    network = model.description.network
    made = walk(model.generator, network, End(3, 0, 0), End(4, 5, 1), (0, 1), (1.0, 0.4))
    last = sample(model.generator, network, 4, [5], [1], 0.4)[0]
    assert np.abs(made[1].astype(int) - last).max() <= 1


def test_a_walk_is_shown_step_by_step(visitor, keys):
    address = f"/models/{keys['00000-ward']}/walk?index=1&to_index=2&to_label=1"
    assert pixels(visitor.get(f"{address}&step=8")).shape == (32, 32)
    assert visitor.get(f"{address}&step=17").status_code == 400
    assert visitor.get(f"{address}&to_seed=-1&step=1").status_code == 400


def test_closest_films_are_the_runs_own_training_films(visitor, studio, keys):
    address = f"/models/{keys['00000-ward']}"
    found = visitor.json(f"{address}/closest?index=2").json()["similarity"]
    assert found == sorted(found, reverse=True)
    assert len(found) == 4
    film = pixels(visitor.get(f"{address}/closest-film?index=2&rank=0"))
    train, _ = studio.films.of_run(studio.catalogue.run(keys["00000-ward"])).split("train")
    image = pixels(visitor.get(f"{address}/image?index=2")).ravel()
    likeness = [np.corrcoef(image, other.ravel())[0, 1] for other in train]
    assert (film == train[int(np.argmax(likeness))]).all()
    assert found[0] == pytest.approx(max(likeness), abs=0.002)
    assert visitor.get(f"{address}/closest-film?rank=4").status_code == 400


def test_closest_films_are_not_shown_where_the_data_are_not(visitor, keys):
    other = keys["00001-<i>b"]
    assert visitor.json(f"/models/{other}/closest").status_code == 404
    assert 'id="closest"' not in visitor.get(f"/models/{other}").text


def test_two_models_are_compared_by_name_of_class(visitor, keys):
    text = visitor.get(f"/compare?a={keys['00000-ward']}&b={keys['00001-<i>b']}").text
    assert 'data-numbers="0-0 1-1"' in text
    assert visitor.get("/compare?a=0&b=1").status_code == 404


def test_two_different_models_are_offered_whichever_was_chosen(visitor, keys):
    for key in keys.values():
        page = visitor.get(f"/compare?a={key}").text
        first, second = re.findall(r'<option value="(\w+)" selected>', page)
        assert (first, {first, second}) == (key, set(keys.values()))


def test_the_list_draws_each_course(visitor, folder):
    page = visitor.get("/?part=1").text
    assert page.count('<svg class="spark"') == 2
    drawn = re.search(r'aria-label="KID against images seen"><path[^>]* d="M([^"]+)"', page)[1]
    heights = [float(point.split()[1]) for point in drawn.split("L")]
    assert heights == sorted(heights)  # the KID falls, and y grows downwards
    assert (heights[0], heights[-1]) == (3, 37)


def test_the_loss_is_drawn_until_there_are_two_kids(folder):
    (run,) = [run for run in Catalogue(folder).runs().values() if run.name == "00000-ward"]
    course = course_of(run)
    assert spark(replace(course, kid=[0.5], measured=[500]))[0] == "Loss"
    single = replace(course, kid=[], images=[1], losses={"discriminator": [0.7]})
    assert spark(single)[1] == ""


def test_a_long_course_is_drawn_to_its_newest_tick(folder, tmp_path):
    (run,) = [run for run in Catalogue(folder).runs().values() if run.name == "00000-ward"]
    row = {"d_loss": 0.7, "g_loss": 0.8, "fake_spread": 0.5}
    rows = [row | {"images_seen": n} for n in range(10 * MOST_POINTS + 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    images = course_of(replace(run, path=tmp_path)).images
    assert MOST_POINTS / 2 < len(images) <= MOST_POINTS
    assert images[-1] == rows[-1]["images_seen"]


def test_what_cannot_be_read_is_counted_and_hides_nothing(visitor, studio, folder):
    damaged = folder / "00009-damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    try:
        studio.catalogue._looked = -REMEMBERED_S
        text = visitor.get("/").text
        assert "1 folder could not be read" in text
        assert "00000-ward" in text
    finally:
        shutil.rmtree(damaged)
        studio.catalogue._looked = -REMEMBERED_S


def test_runs_are_found_without_a_look_at_each_file(tmp_path, monkeypatch):
    """Folders of images lie beside runs; links and hidden folders are none of the studio's."""
    config = {"settings": {}, "data": {"classes": ["a"], "counts": {}, "fingerprint": "0"}}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text(json.dumps(config))
    runs = tmp_path / "runs"
    for name in ("b", "a", ".hidden"):
        (runs / name / "deep").mkdir(parents=True)
        (runs / name / "config.json").write_text(json.dumps(config))
        (runs / name / "film.png").touch()
    (runs / "link").symlink_to(tmp_path / "elsewhere")
    asked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **of: asked.append(str(path)) or stat(path, **of))
    found = Catalogue(runs).runs().values()
    assert [run.name for run in found] == ["b", "a"]
    assert not [path for path in asked if path.endswith("film.png")]


def test_a_folder_that_may_not_be_entered_is_passed_over():
    with unprivileged(), tempfile.TemporaryDirectory() as name:
        runs = Path(name) / "runs"
        shut, other = runs / "shut", runs / "other"
        for path in (shut, other / "model"):
            path.mkdir(parents=True)
        config = {"settings": {}, "data": {"classes": ["a"], "counts": {}, "fingerprint": "0"}}
        (other / "config.json").write_text(json.dumps(config))
        (other / "metrics.jsonl").touch(0)
        for path in (shut, other / "model"):
            path.chmod(0)
        catalogue = Catalogue(runs)
        try:
            (run,) = catalogue.runs().values()
            assert (run.name, run.has_model, run.metrics()) == ("other", False, [])
            assert catalogue.unreadable == 2
        finally:
            for path in (shut, other / "model"):
                path.chmod(0o700)


@contextlib.contextmanager
def unprivileged():
    """No rights but a plain user's, who owns what is made meanwhile: root may enter anything."""
    if os.geteuid():
        yield
        return
    umask = os.umask(0)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.umask(umask)


def test_somebody_who_looks_does_not_turn_a_trainer_away(tmp_path):
    run = RunFolder(tmp_path)
    held, leave = threading.Event(), threading.Event()

    def look() -> None:
        with FileLock(tmp_path / ".lock"):
            held.set()
            leave.wait(60)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        held.wait(60)
        threading.Timer(0.1, leave.set).start()
        with run.locked():
            looking.result(60)
    with run.locked(), pytest.raises(XrayganError, match="another xraygan"), run.locked():
        pass


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2f..%2fetc%2fpasswd",
        "/runs/../../../etc/passwd",
        "/models/%2e%2e/image",
        "/static/../serve.py",
        "/static/..%2fserve.py",
        "/studies/..%2f..%2f00000-ward",
        "/studies/.%00./results.csv",
        "/runs/00000-ward",
        "/reals.png",
    ],
)
def test_no_path_leads_out(visitor, path):
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_links_out_of_a_run_are_not_followed(folder, keys, visitor, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    link = folder / "00000-ward" / "fakes000009.png"
    link.symlink_to(secret)
    try:
        assert visitor.get(f"/runs/{keys['00000-ward']}/grids/9.png").status_code == 404
    finally:
        link.unlink()


@hypothesis.given(text=st.text(max_size=40))
def test_only_keys_of_the_list_are_known(folder, text):
    with pytest.raises(Missing):
        Catalogue(folder).run(text)


@hypothesis.settings(
    max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    name=st.sampled_from(["seed", "index", "psi", "label"]),
    value=st.one_of(st.text(max_size=12), st.floats().map(str), st.integers().map(str)),
)
def test_any_number_is_answered_or_refused(visitor, keys, name, value):
    answer = visitor.client.get(
        f"/models/{keys['00000-ward']}/facts",
        params={name: value},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code in (200, 400)
    assert ("error" in answer.json()) == (answer.status_code == 400)


def test_a_damaged_model_is_one_clear_line(visitor, folder, keys):
    weights = folder / "00001-<i>b" / "model" / "generator.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5] + b"wrong")
    try:
        answer = visitor.json(f"/models/{keys['00001-<i>b']}/image?seed=5")
        assert answer.status_code == 400
        assert "damaged" in answer.json()["error"]
    finally:
        weights.write_bytes(whole)


def test_what_was_not_asked_for_longest_is_forgotten():
    known = Remembered(2)
    made = []
    for key in (1, 2, 1, 3, 1, 2):
        known.get(key, lambda key=key: made.append(key))
    assert made == [1, 2, 3, 2]
    assert len(known) == 2


def test_images_are_remembered_by_their_size():
    known = Remembered(1000, lambda image: image.nbytes)
    made = []
    asked = ((1, 400), (2, 400), (3, 100), (1, 400), (4, 400), (2, 400), (4, 400), (5, 1600))
    for key, size in asked:
        known.get(key, lambda key=key, size=size: made.append(key) or np.zeros(size, np.uint8))
    assert made == [1, 2, 3, 4, 2, 5]
    assert len(known) == 1, "one that is larger than all of it"

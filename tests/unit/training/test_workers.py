"""Where a process finds its place among others, and what it does alone."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from xraygan.errors import XrayganError
from xraygan.training.workers import ALONE, Place, Workers, find_place

TWO = ["a:1", "b:2"]


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name == "TF_CONFIG" or name.startswith("SLURM")]:
        monkeypatch.delenv(name)


def config(cluster: object, kind: str = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", None),
        ("{}", None),
        (config({"worker": ["a:1"]}), None),
        (config({"worker": TWO}, index=1), Place(1, ("a:1", "b:2"))),
        (config({"worker": TWO}, index="1"), Place(1, ("a:1", "b:2"))),
        (config({"chief": ["c:0"], "worker": TWO}), Place(1, ("c:0", "a:1", "b:2"))),
        (config({"chief": ["c:0"], "worker": TWO}, "chief"), Place(0, ("c:0", "a:1", "b:2"))),
    ],
)
def test_the_place_is_what_tf_config_says(
    monkeypatch: pytest.MonkeyPatch, text: str, place: Place | None
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    assert find_place() == place


@pytest.mark.parametrize(
    "text",
    [
        "worker",
        "[]",
        config({"worker": TWO}, index=2),
        config({"worker": TWO}, index=-1),
        config({"worker": TWO}, index=None),
        config({"worker": TWO}, "ps"),
        config({"chief": ["c:0"], "worker": TWO}, "chief", 1),
        json.dumps({"cluster": {"worker": TWO}}),
        json.dumps({"cluster": "a:1,b:2"}),
    ],
)
def test_a_tf_config_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(XrayganError, match=r"TF_CONFIG cannot be read .* unset it"):
        find_place()


def test_slurms_tasks_are_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    step = {"NUM_TASKS": "4", "NODELIST": "n[1-2]", "TASKS_PER_NODE": "2(x2)"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_STEP_{name}", value)
    monkeypatch.setenv("SLURM_PROCID", "3")
    place = find_place()
    assert place is not None
    assert place.rank == 3
    assert [address.rpartition(":")[0] for address in place.addresses] == ["n1", "n1", "n2", "n2"]
    assert len(set(place.addresses)) == 4
    assert place.on_its_machine == 1


def test_what_slurm_does_not_say_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(XrayganError, match="set TF_CONFIG for each"):
        find_place()


def test_one_task_of_slurm_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert find_place() is None


def test_who_is_alone_has_the_whole_batch_and_every_mean() -> None:
    table = np.arange(16).reshape(8, 2)
    assert ALONE.leads
    assert np.array_equal(table[ALONE.rows(8)], table)
    assert ALONE.mean([tf.constant([1.0, 2.0])])[0].numpy().tolist() == [1, 2]
    assert ALONE.text_from_leader("said") == "said"
    ALONE.agree({"images": "these"})
    ALONE.check_batch(1)


@pytest.mark.parametrize(("batch", "enough"), [(8, 9), (3, 6), (2, 6), (10, 12)])
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, enough: int) -> None:
    three = Workers()
    three.count = 3
    with pytest.raises(XrayganError, match=f"use --batch {enough}$"):
        three.check_batch(batch)
    three.check_batch(enough)


def test_faults_of_one_who_is_alone_stay_what_they_are() -> None:
    gone = tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(tf.errors.UnavailableError), ALONE.exchanging():
        raise gone

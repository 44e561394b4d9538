"""What a run goes by: a new one, or the one that its folder holds."""

from pathlib import Path

import pytest

from studio_run import SIDE, write_films
from xraygan.config import RunSettings
from xraygan.data.cache import prepare
from xraygan.data.dataset import Dataset
from xraygan.errors import XrayganError
from xraygan.progress import Reporter
from xraygan.runs import RunFolder
from xraygan.training.checkpoint import Checkpoint, save_checkpoint
from xraygan.training.identity import Choices
from xraygan.training.plan import Plan, check_batch, check_classes, plan_run


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("films"), 6)


def settings_of(**training: object) -> RunSettings:
    chosen = {"preset": "small", "kimg": 1, **training}
    data = {"resolution": SIDE, "keep_splits": True}
    return RunSettings.parse({"data": data, "training": chosen}, "test")


def planned(
    run: Path, dataset: Dataset, settings: RunSettings, force: bool = False, **stored: object
) -> Plan:
    """The plan, and a config.json that says so, with some facts as they come later."""
    folder, choices = RunFolder(run), Choices("cpu", "films", force=force)
    plan = plan_run(folder, dataset, settings, choices, Reporter(quiet=True))
    folder.write_config({**plan.described, **stored})
    return plan


def test_a_start_that_learnt_nothing_binds_nobody(films: Path, tmp_path: Path) -> None:
    """Stopped while films were registered: then come fewer films, and other networks."""
    dataset = prepare(films, settings_of().data)
    first = planned(tmp_path / "run", dataset, settings_of())
    assert first.network.latent == 6
    for number in range(4):
        next((films / "train" / "NORMAL").glob(f"*_{number}.png")).unlink()
    fewer = prepare(films, settings_of().data)
    second = planned(tmp_path / "run", fewer, settings_of(preset="base"))
    assert not second.resumed
    assert second.network.latent == 4, "no more than one for two patients"
    assert second.network.generator_widths != first.network.generator_widths
    assert second.described["data_before"] == []
    save_checkpoint(tmp_path / "run" / "checkpoints", Checkpoint(0, {}, {}))
    assert planned(tmp_path / "run", fewer, settings_of(preset="base")).resumed
    with pytest.raises(XrayganError, match="preset was 'base', is 'small'"):
        planned(tmp_path / "run", fewer, settings_of(), force=True)


def test_a_finished_run_goes_by_its_own_training(films: Path, tmp_path: Path) -> None:
    dataset, known = prepare(films, settings_of().data), {"published": 1000, "total_images": 1000}
    planned(tmp_path / "run", dataset, settings_of(seed=3), **known)
    other = settings_of(seed=5, gamma=0.2)
    with pytest.raises(XrayganError, match="seed was 3, is 5"):
        planned(tmp_path / "run", dataset, other)
    again = planned(tmp_path / "run", dataset, other, force=True)
    assert again.settings == settings_of(seed=3)
    assert again.described["settings"]["training"] == settings_of(seed=3).training.model_dump()
    assert {name: again.described[name] for name in known} == known

    longer = planned(tmp_path / "run", dataset, settings_of(seed=5, kimg=2), force=True)
    assert longer.settings == settings_of(seed=5, kimg=2)
    assert longer.described["published"] is longer.described["total_images"] is None


def test_a_batch_larger_than_the_data() -> None:
    check_batch(settings_of(batch=32), 32)
    with pytest.raises(XrayganError, match="more than the 31 training images; use --batch 31"):
        check_batch(settings_of(batch=32), 31)


def test_more_classes_than_networks_can_be_told_of() -> None:
    names = [str(number) for number in range(257)]
    check_classes([[name] for name in names[:256]])
    with pytest.raises(XrayganError, match="257 classes; at most 256: choose some with --labels"):
        check_classes([[name] for name in names])
    with pytest.raises(XrayganError, match="257 labels; at most 256: choose some with --labels"):
        check_classes([["0"], ["0", "1"], *([name] for name in names)])
    pairs = [[one, other] for one in names[:70] for other in names[70:130]]
    check_classes(pairs[:4096])
    with pytest.raises(XrayganError, match=r"4,200 sets of labels; at most 4,096.*--multi-label"):
        check_classes(pairs)

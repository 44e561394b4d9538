from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xraygan.config import (
    GROUPS,
    NOT_SHOWN,
    DataSettings,
    ModelSettings,
    RunSettings,
    load_yaml,
    shareable,
)
from xraygan.errors import XrayganError
from xraygan.names import is_folder_name


def test_defaults_are_valid_and_frozen() -> None:
    made = RunSettings()
    assert RunSettings.parse(made.model_dump(mode="json"), "test") == made
    assert RunSettings.parse({}, "test") == made
    assert set(GROUPS) == set(RunSettings.model_fields)
    with pytest.raises(ValueError, match="frozen"):
        made.training.batch = 3


def test_no_setting_has_the_name_of_another() -> None:
    names = [name for group in GROUPS.values() for name in group.model_fields]
    assert len(names) == len(set(names)), "a flag could not tell them apart"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"resolutoin": 64}}, r"^x: unknown setting 'data.resolutoin'; .*'resolution'\?$"),
        ({"trainig": {}}, "unknown setting 'trainig'; did you mean 'training'"),
        ({"": {}}, "unknown setting ''; did you mean"),
        (
            {"data": {"resolution": 65}},
            r"^x: setting 'data.resolution' = 65: choose 32, 64, 128, 256 or 512",
        ),
        ({"training": {"batch": 1}}, "'training.batch' = 1: .* greater than or equal to 2"),
        ({"training": {"batch": "many"}}, "'training.batch' = 'many'"),
        ({"training": {"seed": -1}}, "'training.seed' = -1"),
        ({"training": {"epochs": 0}}, "'training.epochs' = 0"),
        ({"training": {"gamma": float("nan")}}, "'training.gamma' = nan: .* finite"),
        ({"training": {"ema_half_life": float("inf")}}, "'training.ema_half_life' = inf"),
        ({"output": {"snapshot_kimg": 1e300}}, "'output.snapshot_kimg' = 1e[+]300"),
        ({"output": {"num": 10**9 + 1}}, "'output.num' = 1000000001"),
        ({"data": {"validation_fraction": 0.5}}, "'data.validation_fraction' = 0.5: .* less than"),
        ({"training": {"epochs": 1, "kimg": 2}}, "epochs and kimg are both given: leave one"),
        ({"training": None}, "'training' = None"),
        ({"training": [1, 2]}, "'training'"),
        ({1: 2}, "x: "),
    ],
)
def test_bad_values_are_one_clear_line(values: dict, message: str) -> None:
    with pytest.raises(XrayganError, match=message) as refused:
        RunSettings.parse(values, "x")
    assert "\n" not in str(refused.value)


def test_a_huge_value_is_not_repeated() -> None:
    for values in ({"fit": "x" * 10**6}, {"x" * 10**6: 1}):
        with pytest.raises(XrayganError) as refused:
            RunSettings.parse({"data": values}, "x")
        assert len(str(refused.value)) < 500


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from([n for g in GROUPS.values() for n in g.model_fields]) | st.text(max_size=9)


@given(
    values=st.dictionaries(
        st.sampled_from(list(GROUPS)) | st.text(max_size=9),
        st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=3), max_size=3) | SCALARS,
        max_size=3,
    )
)
def test_any_values_are_taken_or_refused_in_one_line(values: dict) -> None:
    try:
        made = RunSettings.parse(values, "x")
    except XrayganError as refused:
        assert str(refused).startswith("x: ")
        return
    assert RunSettings.parse(made.model_dump(mode="json"), "again") == made


def test_yaml(tmp_path: Path) -> None:
    file = tmp_path / "Einstellungen ü.yaml"
    file.write_text("# nothing yet\n", encoding="utf-8")
    assert load_yaml(file) == {}
    file.write_text("training: {kimg: 5}\ndata:\n  patient_pattern: 'ü(.)'\n", encoding="utf-8")
    assert load_yaml(file) == {"training": {"kimg": 5}, "data": {"patient_pattern": "ü(.)"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"- a\n- b\n", "expected 'data:', 'training:'"),
        (b"training\n", "expected"),
        (b"a: [1\n", "not valid YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        (b"a: 2020-99-99\n", "not valid YAML"),
        (b"a: !!int ''\n", "not valid YAML"),
        (b"a: !!bool x\n", "not valid YAML"),
        (b"a: !!timestamp x\n", "not valid YAML"),
        (b"[" * 100_000, "not valid YAML"),
        (b"\xff\xfe\xfa", "cannot be read"),
        (b"a: \x00", "not valid YAML"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: bytes, message: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(text)
    with pytest.raises(XrayganError, match=message) as refused:
        load_yaml(file)
    assert "\n" not in str(refused.value)
    assert str(file) in str(refused.value)


def test_yaml_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(XrayganError, match="cannot be read"):
            load_yaml(path)


@settings(max_examples=200)
@given(text=st.text(max_size=60) | st.text("&*!|>-?:[]{}%@`#,'\"0129. \nax~<=", max_size=30))
@example(text="a: &x [*x]")
@example(text="? [a]\n: b")
@example(text="=: 1")
def test_any_yaml_text_is_a_mapping_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    try:
        values = load_yaml(file)
        RunSettings.parse(values, "x")
    except XrayganError:
        return
    assert values == (yaml.safe_load(text) or {})


def test_the_shape_of_the_networks_follows_from_the_settings() -> None:
    shape = {"num_classes": 2, "latent": 8, "generator_widths": (8,) * 4}
    for side, widths, stem, base in ((32, 3, 2, 32), (64, 4, 2, 64), (512, 6, 4, 64)):
        made = ModelSettings(resolution=side, discriminator_widths=(8,) * widths, **shape)
        assert (made.stem, made.base_resolution) == (stem, base)


@pytest.mark.parametrize("name", ["NORMAL", "Lungenentzündung 肺炎", "HIV+", "a.b", "x" * 200])
def test_names_of_folders(name: str) -> None:
    assert is_folder_name(name)


@pytest.mark.parametrize(
    "name",
    [*'/\\:*?"<>|\0\n', "", ".", "..", "a/b", "/a", "../a", "C:", "R\udcf6ntgen", "x" * 201],
)
def test_names_that_no_folder_has_on_every_system(name: str) -> None:
    assert not is_folder_name(name)


def test_the_negative_class_is_a_folder() -> None:
    with pytest.raises(XrayganError, match=r"'negative' = 'a/b': .* folder's name"):
        DataSettings.parse({"negative": "a/b"}, "x")


def test_only_numbers_switches_choices_and_defaults_are_shareable() -> None:
    given = DataSettings(where='Patient_ID != "P0007"', patient_pattern="(Doe)", strict=True)
    shown = shareable(DataSettings, {**given.model_dump(mode="json"), "unknown": "P0007"})
    assert shown.keys() == DataSettings.model_fields.keys()
    assert (shown["where"], shown["patient_pattern"]) == (NOT_SHOWN, NOT_SHOWN)
    assert (shown["strict"], shown["resolution"], shown["column"]) == (True, 64, None)
    assert (shown["fit"], shown["format"], shown["negative"]) == ("squash", "auto", "No Finding")

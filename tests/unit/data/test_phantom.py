"""The procedural phantom, against closed forms, numerical integration and its own promises."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from xraygan.api import preparing
from xraygan.data import phantom
from xraygan.data.phantom import CLASSES, phantom_images, render, write_phantom
from xraygan.data.simulation import film
from xraygan.data.simulation.anatomy import Pose, draw_opacities, draw_patient
from xraygan.data.simulation.chest import Thickness, filled, thickness
from xraygan.data.simulation.projection import (
    BONE_PER_CM,
    LUNG_PER_CM,
    SOFT_PER_CM,
    Curves,
    Interval,
    Plane,
    add_ellipsoid,
    ellipsoid,
    hull,
    rotation,
    stacked,
    transmitted,
    tubes,
)
from xraygan.data.simulation.stance import Stance
from xraygan.errors import XrayganError
from xraygan.progress import Reporter

STRAIGHT = Pose(yaw_rad=0.0, pitch_rad=0.0, breath_cm=0.5, arm_rad=0.2, head_cm=-1.0)


def plane_of(pixels: int = 64, side_cm: float = 16.0, roll_rad: float = 0.0) -> Plane:
    return Plane.make(pixels, side_cm, side_cm, (0.0, 0.0), roll_rad)


def stance_of(patient: int, pose: Pose = STRAIGHT, pixels: int = 96) -> Stance:
    body = draw_patient(np.random.Generator(np.random.Philox(key=patient)))
    return Stance(body, pose, Plane.make(pixels, 34.0, 34.0, (0.0, -0.5), 0.0))


def marched_chord_cm(plane: Plane, inside, reach_cm: float, steps: int = 4001) -> np.ndarray:
    """A slow obvious twin: count the steps along each ray that fall inside."""
    z = np.linspace(-reach_cm, reach_cm, steps)
    hits = [np.count_nonzero(inside(x, y, z)) for x, y in zip(plane.x_cm.flat, plane.y_cm.flat)]  # noqa: B905
    return np.reshape(hits, plane.x_cm.shape) * (z[1] - z[0])


# Projection.


def test_a_sphere_has_the_chord_of_a_circle():
    plane = plane_of()
    chord = ellipsoid(plane, np.array([1.0, -0.5, 3.0]), np.eye(3) * 5.0).chord_cm
    squared = (plane.x_cm - 1.0) ** 2 + (plane.y_cm + 0.5) ** 2
    np.testing.assert_allclose(chord, 2 * np.sqrt(np.maximum(25 - squared, 0)), atol=2e-3)
    assert chord.sum() * plane.pixel_cm**2 == pytest.approx(4 / 3 * np.pi * 125, rel=2e-3)


def test_a_turned_ellipsoid_agrees_with_marching_along_the_rays():
    plane = plane_of(24, 14.0, roll_rad=0.2)
    axes = rotation(0.6, -0.4) @ np.diag([5.0, 2.0, 3.5])
    centre = np.array([0.5, 0.3, -1.0])
    inverse = np.linalg.inv(axes)

    def inside(x, y, z):
        offset = np.stack([np.full_like(z, x), np.full_like(z, y), z]) - centre[:, None]
        return ((inverse @ offset) ** 2).sum(0) <= 1

    found = ellipsoid(plane, centre, axes)
    np.testing.assert_allclose(found.chord_cm, marched_chord_cm(plane, inside, 9.0), atol=0.03)
    windowed = np.zeros_like(found.chord_cm)
    add_ellipsoid(windowed, plane, centre, axes, 0.5)
    np.testing.assert_allclose(windowed, found.chord_cm / 2, atol=1e-5)


def test_a_stack_of_superellipses_agrees_with_marching():
    plane = plane_of(16, 12.0)
    half_x, half_z = np.full_like(plane.x_cm, 4.0), np.full_like(plane.x_cm, 3.0)
    found = stacked(plane.x_cm, 0.5, half_x, half_z, 1.0, power=2.5).chord_cm

    def inside(x, y, z):
        return (np.abs(x - 0.5) / 4) ** 2.5 + (np.abs(z - 1) / 3) ** 2.5 <= 1

    np.testing.assert_allclose(found, marched_chord_cm(plane, inside, 5.0), atol=0.02)


def test_intervals_overlap_and_join():
    def stretch(low, high):
        return Interval(*np.float32([[[(low + high) / 2]], [[(high - low) / 2]]]))

    assert stretch(0, 4).overlap(stretch(3, 9)).chord_cm == 1
    assert stretch(0, 4).overlap(stretch(5, 9)).chord_cm == 0
    assert hull([stretch(0, 4), stretch(3, 9)]).chord_cm == pytest.approx(9)
    missed = Interval(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
    assert hull([stretch(2, 4), missed]).chord_cm == pytest.approx(2, abs=1e-3)
    assert hull([missed, missed]).chord_cm == 0


def test_a_straight_tube_has_the_chord_of_a_cylinder():
    plane = plane_of(96, 12.0)
    t = np.linspace(-20, 20, 500)
    slanted = np.stack([t * 0.8, t * 0.6, 0 * t], -1)
    chord = tubes(plane, Curves.sample(slanted, 1.5)).chord_cm()
    distance = plane.x_cm * 0.6 - plane.y_cm * 0.8
    expected = 2 * np.sqrt(np.maximum(1.5**2 - distance**2, 0))
    np.testing.assert_allclose(chord, expected, atol=0.01)


def test_a_tube_tilted_towards_the_beam_is_longer_by_the_sine():
    plane = plane_of(96, 12.0)
    t = np.linspace(-20, 20, 500)
    tilted = np.stack([t, 0 * t, t * 0.5], -1)
    chord = tubes(plane, Curves.sample(tilted, 1.5)).chord_cm()
    assert chord.max() == pytest.approx(3.0 * np.hypot(1, 0.5), rel=5e-3)


def test_a_tube_thinner_than_a_pixel_keeps_its_cross_section():
    plane = plane_of(64, 16.0)
    t = np.linspace(-20, 20, 400)
    areas = []
    for offset in np.linspace(0, plane.pixel_cm, 20, endpoint=False):
        line = np.stack([t, 0 * t + offset, 0 * t], -1)
        chord = tubes(plane, Curves.sample(line, 0.05)).chord_cm()
        areas.append(chord[:, 32].sum() * plane.pixel_cm)
    assert np.mean(areas) == pytest.approx(np.pi * 0.05**2, rel=0.05)
    assert np.std(areas) < 0.25 * np.mean(areas)


def test_tubes_out_of_sight_leave_nothing():
    line = np.linspace([100.0, 100.0, 0.0], [110.0, 100.0, 0.0], 50)
    assert not tubes(plane_of(), Curves.sample(line, 1.0)).chord_cm().any()


def test_pixels_and_body_coordinates_are_each_others_inverse():
    plane = Plane.make(32, 30.0, 36.0, (1.0, -2.0), 0.1)
    rows, columns = np.indices((32, 32))
    points = np.stack([plane.x_cm, plane.y_cm, np.ones_like(plane.x_cm)])
    back = np.einsum("ij,jhw->ihw", plane.to_pixel, points)
    np.testing.assert_allclose(back, [columns, rows], atol=1e-3)


def test_beer_lambert_on_uniform_slabs():
    nothing = np.zeros((2, 2), np.float32)
    slab = Thickness(nothing + 10, nothing + 4, nothing, nothing + 0.5, nothing, nothing)
    through = transmitted(slab.line_integral(size=0.5))
    exponent = 6 * SOFT_PER_CM + 4 * LUNG_PER_CM + 0.5 * (BONE_PER_CM - SOFT_PER_CM)
    np.testing.assert_allclose(through, np.exp(-0.5 * exponent), rtol=1e-5)
    flooded = transmitted(slab.line_integral(size=0.5, filled=1.0))
    exponent = 10 * SOFT_PER_CM + 0.5 * (BONE_PER_CM - SOFT_PER_CM)
    np.testing.assert_allclose(flooded, np.exp(-0.5 * exponent), rtol=1e-5)


def test_scatter_and_noise_vanish_when_switched_off():
    stance = stance_of(3)
    _, exposure = film.draw_film(np.random.default_rng(0), stance.patient)
    ideal = replace(exposure, scatter=0.0, photons_per_cm2=1e14)
    line = np.full((96, 96), 2.5, np.float32)
    rng = np.random.default_rng(1)
    found = film.detect(line, stance.plane, 0.3, ideal, rng)
    np.testing.assert_allclose(found, 2.5, atol=1e-4)
    scattered = film.detect(line, stance.plane, 0.3, replace(ideal, scatter=0.1), rng)
    np.testing.assert_allclose(scattered, 2.5 - np.log(1 + 0.1 * 2.5), atol=1e-4)
    noisy = film.detect(line, stance.plane, 0.3, replace(ideal, photons_per_cm2=1e6), rng)
    # Relative noise is 1 / sqrt(photons detected), less what the detector's blur takes away.
    quantum = 1 / np.sqrt(1e6 * 0.3**2 * np.exp(-2.5))
    assert 0.3 * quantum < noisy.std() < 0.9 * quantum


# Anatomy.


@pytest.mark.parametrize("patient", range(4))
def test_the_heart_is_on_the_images_right_and_the_right_dome_is_higher(patient):
    stance = stance_of(patient)
    lung = thickness(stance, with_bronchi=False).lung
    x, y = stance.plane.x_cm, stance.plane.y_cm
    air_cm3 = [(lung * (side * x > 0)).sum() * stance.plane.pixel_cm**2 for side in (-1, 1)]
    assert air_cm3[0] > 1.03 * air_cm3[1]
    assert 500 < air_cm3[1] < 4000, "a lung of a full-grown body holds a few litres"
    heart_level = (y > 0) & (y < 6)
    beside = [lung[heart_level & (side * x > 3) & (side * x < 7)].mean() for side in (-1, 1)]
    assert beside[0] > beside[1]
    assert stance.dome_top_cm(-1.0) < stance.dome_top_cm(1.0)


@pytest.mark.parametrize("patient", range(4))
def test_what_a_ray_passes_is_possible(patient):
    pose = Pose(yaw_rad=0.08, pitch_rad=-0.08, breath_cm=1.0, arm_rad=2.5, head_cm=4.0)
    stance = stance_of(patient, pose)
    passed = thickness(stance, with_bronchi=True)
    for name, part in passed._asdict().items():
        assert part.dtype == np.float32, name
        assert np.isfinite(part).all(), name
    assert (passed.lung >= 0).all() and (passed.lung <= passed.body).all()
    assert passed.body.max() < 35 and (passed.bone > -1e-3).all()
    share = filled(stance, draw_opacities(np.random.default_rng(patient)))
    assert share.min() >= 0 and 0.1 < share.max() <= 0.97


def test_the_lungs_are_darker_than_the_middle_and_the_air_is_black():
    images, _ = phantom_images(16, 64, seed=5)
    mean = images.mean(0)
    assert mean[20:36, 30:34].mean() > mean[20:36, 16:22].mean() + 50
    assert mean[20:36, 30:34].mean() > mean[20:36, 43:49].mean() + 30
    heart_side, other_side = mean[30:44, 36:42], mean[30:44, 22:28]
    assert heart_side.mean() > other_side.mean() + 5
    assert images.min() < 12 and images.max() > 200
    assert 90 < images.mean() < 150 and 45 < images.std() < 75


def test_pneumonia_brightens_the_lungs_of_the_same_body():
    for index in range(12):
        well, ill = (render(index, 64, 3, label).astype(float) for label in (0, 1))
        assert (ill - well).mean() > 0.2, index
        # Outside the chest the two are the same film but for scattered light.
        assert np.abs(ill - well)[:, :3].mean() < 1.5, index
        assert np.corrcoef(well.ravel(), ill.ravel())[0, 1] > 0.85, index


def test_lung_fields_are_more_opaque_on_average():
    gain = []
    for index in range(6):
        stance = stance_of(index)
        passed = thickness(stance, with_bronchi=True)
        field = passed.lung > 4
        share = filled(stance, draw_opacities(np.random.default_rng(index)))
        ill, well = passed.line_integral(1.0, share), passed.line_integral(1.0)
        gain.append((ill - well)[field].mean())
    assert min(gain) > 0.02


# Purity.


def test_the_same_arguments_give_the_same_bytes():
    np.testing.assert_array_equal(render(7, 64, 11, 1), render(7, 64, 11, 1))
    assert (render(7, 64, 11, 1) != render(7, 64, 12, 1)).mean() > 0.5
    assert (render(7, 64, 11, 1) != render(8, 64, 11, 1)).mean() > 0.5
    assert (render(7, 64, 11, 1) != render(7, 64, 11, 1, film=2)).mean() > 0.5


def test_an_image_depends_on_seed_and_index_alone():
    many, labels = phantom_images(104, 32, seed=4, workers=2)
    few, _ = phantom_images(5, 32, seed=4, workers=1)
    np.testing.assert_array_equal(many[:5], few)
    np.testing.assert_array_equal(many[9], render(9, 32, 4, int(labels[9])))
    assert many.dtype == np.uint8 and many.shape == (104, 32, 32)
    assert labels.dtype == np.int32 and np.bincount(labels).tolist() == [52, 52]


def test_resolutions_sample_the_same_anatomy():
    fine = render(2, 256, 9, 0)
    for resolution in (32, 64, 128):
        coarse = render(2, resolution, 9, 0)
        reduced = cv2.resize(fine, (resolution, resolution), interpolation=cv2.INTER_AREA)
        assert np.abs(coarse.astype(float) - reduced).mean() < 3


def test_no_two_films_are_alike():
    images, _ = phantom_images(24, 32, seed=0)
    apart = [np.abs(a.astype(float) - b).mean() for a, b in combinations(images, 2)]
    assert min(apart) > 5
    films = [render(0, 32, 0, 0, film) for film in (1, 2, 3)]
    assert min(np.abs(a.astype(float) - b).mean() for a, b in combinations(films, 2)) > 3


# The folder.


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_folder_is_laid_out_by_split_and_class(tmp_path):
    seen: list[tuple[int, int]] = []
    write_phantom(tmp_path / "set", 30, 32, seed=1, progress=lambda *args: seen.append(args))
    assert seen == [(done, 30) for done in range(1, 31)]
    files = sorted((tmp_path / "set").rglob("*.png"))
    assert len(files) == 30
    assert {f.parent.parent.name for f in files} == {"train", "val", "test"}
    assert {f.parent.name for f in files} == set(CLASSES)
    homes: dict[str, set] = {}
    for file in files:
        patient = file.stem.split("_")[0]
        homes.setdefault(patient, set()).add(file.parent)
    assert all(len(home) == 1 for home in homes.values())
    with Image.open(files[0]) as image:
        assert image.mode == "L" and image.size == (32, 32)
        assert "xraygan" in image.text["Software"]
        assert "Simulated" in image.text["Description"]
    assert {p.suffix for p in (tmp_path / "set").rglob("*") if p.is_file()} == {".png", ".json"}
    note = json.loads((tmp_path / "set" / "phantom.json").read_text())
    assert (note["num"], note["resolution"], note["seed"]) == (30, 32, 1)


def test_splits_and_classes_are_balanced():
    films = list(phantom._films(2000, seed=0))
    assert len({f.path for f in films}) == len(films) == 2000
    assert np.mean([f.label for f in films]) == pytest.approx(0.5, abs=0.03)
    shares = {s: np.mean([f.split == s for f in films]) for s in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.03)
    counts = np.bincount([f.patient for f in films])
    assert set(counts) == {1, 2, 3}
    assert [f.path for f in phantom._films(50, seed=0)] == [f.path for f in films[:50]]


def test_a_file_holds_the_film_it_names(tmp_path):
    write_phantom(tmp_path, 6, 32, seed=2)
    for file in tmp_path.rglob("*.png"):
        patient, film = file.stem.removeprefix("phantom").split("_")
        label = CLASSES.index(file.parent.name)
        with Image.open(file) as image:
            expected = render(int(patient), 32, 2, label, int(film))
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_writing_again_mends_and_changes_nothing(tmp_path):
    write_phantom(tmp_path, 8, 32, seed=6)
    before = tree(tmp_path)
    kept, lost, empty = sorted(tmp_path.rglob("*.png"))[:3]
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    empty.write_bytes(b"")  # as a power cut leaves it
    write_phantom(tmp_path, 8, 32, seed=6)
    assert tree(tmp_path) == before
    assert kept.stat().st_mtime_ns == stamp


def test_two_first_starts_draw_the_same_films_at_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from xraygan.data.phantom import write_phantom;"
        "input(); write_phantom(Path(sys.argv[1]), 24, 32, seed=6)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "set")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for each in both:
        each.stdin.write(b"\n")
        each.stdin.flush()
    assert [each.wait(60) for each in both] == [0, 0]
    write_phantom(tmp_path / "alone", 24, 32, seed=6)
    assert tree(tmp_path / "set") == tree(tmp_path / "alone")


def test_the_built_in_phantom_of_another_version_is_drawn_beside(tmp_path, monkeypatch):
    monkeypatch.setenv("XRAYGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(preparing, "PHANTOM_IMAGES", 4)
    quiet = Reporter(quiet=True)
    first = preparing.phantom_folder(32, quiet)
    assert preparing.phantom_folder(32, quiet) == first
    for module in (preparing, phantom):
        monkeypatch.setattr(module, "__version__", "99.0")
    second = preparing.phantom_folder(32, quiet)
    assert second != first
    assert len(list(second.rglob("*.png"))) == len(list(first.rglob("*.png"))) == 4


@pytest.mark.parametrize("settings", [(9, 32, 6), (8, 64, 6), (8, 32, 7)])
def test_it_refuses_a_phantom_of_other_settings(tmp_path, settings):
    write_phantom(tmp_path, 8, 32, seed=6)
    before = tree(tmp_path)
    with pytest.raises(XrayganError, match=r"other settings.*another folder"):
        write_phantom(tmp_path, *settings)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("note", [None, "{", "[]"])
def test_it_refuses_a_folder_of_other_things(tmp_path, note):
    (tmp_path / "thesis.txt").write_text("mine")
    if note is not None:
        (tmp_path / "phantom.json").write_text(note)
    with pytest.raises(XrayganError, match="folder") as caught:
        write_phantom(tmp_path, 2, 32, seed=0)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.png"))


def test_what_a_desktop_left_in_a_folder_does_not_fill_it(tmp_path):
    (tmp_path / "Thumbs.db").write_text("theirs")
    write_phantom(tmp_path, 2, 32, seed=0)
    assert list(tmp_path.rglob("*.png"))


def test_it_refuses_a_file_and_reports_the_disks_refusal(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(XrayganError, match="is a file"):
        write_phantom(tmp_path / "file", 2, 32, seed=0)
    with pytest.raises(XrayganError, match="cannot write the phantom"):
        write_phantom(tmp_path / "file" / "below", 2, 32, seed=0)


@pytest.mark.parametrize(
    ("num", "resolution", "seed", "word"),
    [
        (0, 64, 0, "at least 1"),
        (1, 48, 0, "choose one of"),
        (1, 64, -1, "seed"),
        (1, 64, 2**64, "seed"),
    ],
)
def test_unusable_settings_are_refused(tmp_path, num, resolution, seed, word):
    with pytest.raises(XrayganError, match=word):
        phantom_images(num, resolution, seed)
    with pytest.raises(XrayganError, match=word):
        write_phantom(tmp_path / "new", num, resolution, seed)
    assert not (tmp_path / "new").exists()
    if num:
        with pytest.raises(XrayganError, match=word):
            render(0, resolution, seed, 0)


@pytest.mark.parametrize(("index", "label", "film"), [(-1, 0, 1), (0, 2, 1), (0, 0, 0)])
def test_a_film_that_cannot_be_is_the_callers_mistake(index, label, film):
    with pytest.raises(ValueError, match="no such film"):
        render(index, 32, 0, label, film)

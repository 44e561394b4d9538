"""A made-up chest: drawn from a random stream, then projected to a map of attenuation.

Nothing here was fitted to or copied from a patient: proportions are textbook ones, in centimetres
of a full-grown body; `Patient.size` scales them down to a child's.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.data.projection import (
    AIR_PER_CM,
    BONE_PER_CM,
    LUNG_PER_CM,
    SOFT_PER_CM,
    Array,
    Curves,
    Interval,
    Plane,
    add_ellipsoid,
    ellipsoid,
    hull,
    rotation,
    round_chord_cm,
    stacked,
    straight_tube,
    tubes,
)

# Profiles along the body's axis are tabled at this step, far below a pixel.
_TABLE_STEP_CM = 0.04
_TABLE_REACH_CM = 40.0
_TABLE_Y_CM = np.arange(-_TABLE_REACH_CM, _TABLE_REACH_CM, _TABLE_STEP_CM)
# Marrow, cancellous bone: the hollow of a rib still holds this share of cortical bone.
_MARROW_SHARE = 0.35
_APEX_CM = -12.5
_BASE_CM = 13.0
_SPINE_Z_CM = -5.5
_SIDES = (-1.0, 1.0)


@dataclass(frozen=True)
class Patient:
    """One body; what no film changes. Lengths in reference cm, angles in radians.

    Attributes:
        size: of a full-grown body (1), down to a small child's.
        width: of the chest, relative.
        depth: of the chest from back to front, relative.
        fat_cm: soft tissue outside the ribs.
        rib_spacing_cm: between pairs, at the spine.
        rib_drop_cm: how far a middle rib descends from back to front.
        rib_radius_cm: half a rib's height.
        rib_mineral: bone density, relative.
        dome_cm: height of the right diaphragm dome on a full breath.
        dome_step_cm: how much lower the left dome stands.
        heart: size, relative.
        heart_turn_rad: of its long axis; larger hangs steeper.
        knob_cm: radius of the aortic arch seen end on.
        mediastinum: width of the great vessels, relative.
        scoliosis_cm: the spine's sideways bow.
        clavicle_rise_cm: how much higher its outer end lies.
        vessels: prominence of the lung's vessels, relative.
        gas: [3, 5] stomach and bowel gas: present (0 or 1), x, depth below the dome, half axes.
        tree: [2, 512] uniform numbers that shape the vessel tree.
        texture: [128, 128] float32, unit variance, irregular lung density in the body's frame.
    """

    size: float
    width: float
    depth: float
    fat_cm: float
    rib_spacing_cm: float
    rib_drop_cm: float
    rib_radius_cm: float
    rib_mineral: float
    dome_cm: float
    dome_step_cm: float
    heart: float
    heart_turn_rad: float
    knob_cm: float
    mediastinum: float
    scoliosis_cm: float
    clavicle_rise_cm: float
    vessels: float
    gas: NDArray[np.float64]
    tree: NDArray[np.float64]
    texture: Array


@dataclass(frozen=True)
class Pose:
    """How the patient stood for one film; angles in radians, lengths in reference cm.

    Attributes:
        yaw_rad: turn about the vertical.
        pitch_rad: lean.
        breath_cm: how far the domes stay above a full breath.
        arm_rad: of the upper arms, from hanging (0) to raised (pi).
        head_cm: how far the chin reaches down into the picture; negative is out of sight.
    """

    yaw_rad: float
    pitch_rad: float
    breath_cm: float
    arm_rad: float
    head_cm: float


@dataclass(frozen=True)
class Opacities:
    """Pneumonia as patches of lung filled with fluid.

    Attributes:
        side: [K] -1 image left (the patient's right lung), 1 image right.
        place: [K, 2] across the lung from the spine (0) to the ribs (1), and down from apex to
            base.
        radius_cm: [K, 2] across and down.
        filled: [K] share of the lung's air replaced at the middle, 0 to 1.
        raggedness: how strongly the texture eats into the patches.
        softness: width of the edge relative to the radius.
        streaks: share of fine mottling inside, 0 smooth (lobar) to 1 (interstitial).
        bronchograms: how visible the air in the bronchi stays, 0 to 1.
    """

    side: NDArray[np.float64]
    place: NDArray[np.float64]
    radius_cm: NDArray[np.float64]
    filled: NDArray[np.float64]
    raggedness: float
    softness: float
    streaks: float
    bronchograms: float


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw one body; the draws do not depend on any resolution."""
    u = rng.uniform
    size = u(0.5, 1.0)
    gas = np.column_stack(
        [
            (rng.random(3) < (0.75, 0.4, 0.3)).astype(np.float64),
            u((4.0, 6.5, -7.0), (8.0, 11.0, -3.0)),
            u((2.0, 4.5, 5.5), (3.6, 7.5, 8.5)),
            u((1.6, 1.2, 1.0), (3.2, 2.2, 2.0)),
            u((0.9, 0.9, 0.8), (1.8, 1.6, 1.4)),
        ]
    )
    return Patient(
        size=size,
        width=u(0.9, 1.08),
        depth=u(0.88, 1.12),
        fat_cm=u(1.1, 2.8),
        rib_spacing_cm=u(2.05, 2.4),
        rib_drop_cm=u(7.5, 12.0),
        rib_radius_cm=u(0.58, 0.78),
        rib_mineral=u(0.8, 1.25),
        dome_cm=u(5.6, 8.6),
        dome_step_cm=u(0.3, 1.8),
        # A child's heart takes up more of the chest.
        heart=u(0.86, 1.12) * (1.1 - 0.12 * size),
        heart_turn_rad=u(0.75, 1.1),
        knob_cm=u(1.1, 1.8) * (0.75 + 0.25 * size),
        mediastinum=u(0.85, 1.2),
        scoliosis_cm=u(-0.5, 0.5),
        clavicle_rise_cm=u(0.3, 3.0),
        vessels=u(0.8, 1.3),
        gas=gas,
        tree=rng.random((2, 512)),
        texture=_texture(rng),
    )


def draw_opacities(rng: np.random.Generator) -> Opacities:
    """Draw a pneumonia: one lobe, several patches, or a two-sided haze about the hila."""
    kind = rng.choice(3, p=(0.4, 0.4, 0.2))
    count = (int(rng.integers(1, 3)), int(rng.integers(2, 7)), int(rng.integers(6, 10)))[kind]
    main_side = rng.choice(_SIDES)
    strays = rng.random(count) < (0.0, 0.35, 0.5)[kind]
    low, high = ((3.2, 6.5), (1.4, 3.8), (2.0, 4.2))[kind]
    radius = rng.uniform(low, high, (count, 1)) * rng.uniform(0.8, 1.25, (count, 2))
    across = ((0.2, 0.8), (0.1, 0.9), (0.0, 0.55))[kind]
    down = ((0.2, 0.95), (0.2, 0.95), (0.25, 0.85))[kind]
    weak, strong = ((0.35, 0.95), (0.25, 0.75), (0.18, 0.42))[kind]
    severity = rng.uniform(0.55, 1.0)
    return Opacities(
        side=np.where(strays, -main_side, main_side),
        place=rng.uniform((across[0], down[0]), (across[1], down[1]), (count, 2)),
        radius_cm=radius,
        filled=severity * rng.uniform(weak, strong, count),
        raggedness=rng.uniform(0.12, 0.3),
        softness=rng.uniform(0.35, 0.7),
        streaks=rng.uniform(*((0.1, 0.4), (0.2, 0.6), (0.5, 1.0))[kind]),
        bronchograms=rng.uniform(0.2, 1.0),
    )


def _texture(rng: np.random.Generator) -> Array:
    """Noise whose grains halve in size as they halve in strength, over 40 cm, unit variance."""
    total = np.zeros((128, 128), np.float32)
    for cells in (8, 24, 64, 128):
        octave = rng.standard_normal((cells, cells), np.float32)
        if cells < 128:
            octave = cv2.resize(octave, (128, 128), interpolation=cv2.INTER_CUBIC)
        total += octave * np.float32((8 / cells) ** 0.5)
    return total / total.std()


class Thickness(NamedTuple):
    """What each ray passes, [H, W] float32, in reference cm.

    Attributes:
        body: inside the skin, whatever it holds.
        lung: aerated lung.
        air: gas in the windpipe, stomach and bowel.
        bone: solid cortical bone that would attenuate as much as the bones met.
        vessel: blood vessels within the lung.
        bronchi: the larger airways within the lung.
    """

    body: Array
    lung: Array
    air: Array
    bone: Array
    vessel: Array
    bronchi: Array

    def line_integral(self, size: float, filled: Array | float = 0.0) -> Array:
        """Attenuation times length, summed along each ray, for a body of relative `size`.

        Args:
            size: scale of all lengths.
            filled: [H, W], share of the lung's air replaced by fluid.
        """
        fluid = np.maximum(self.lung * filled, 0)
        aerated = self.lung - fluid
        # In fluid a vessel has nothing to stand out against, and the air in a bronchus does.
        vessel = self.vessel * (1 - filled)
        bronchi = np.minimum(self.bronchi * filled, fluid)
        soft = (
            self.body
            - aerated
            - self.air
            + vessel * np.float32(1 - LUNG_PER_CM / SOFT_PER_CM)
            - bronchi
        )
        return np.float32(size) * (
            np.float32(SOFT_PER_CM) * np.maximum(soft, 0)
            + np.float32(LUNG_PER_CM) * aerated
            + np.float32(AIR_PER_CM) * (self.air + bronchi)
            + np.float32(BONE_PER_CM - SOFT_PER_CM) * self.bone
        )


class Chest:
    """A patient in a pose, before a detector.

    Args:
        patient: the body.
        pose: how it stands.
        plane: the detector's rays.
    """

    def __init__(self, patient: Patient, pose: Pose, plane: Plane) -> None:
        self.patient, self.pose, self.plane = patient, pose, plane
        self.turn = rotation(pose.yaw_rad, pose.pitch_rad)
        # Level sections slide with the turn according to how far back or front they lie.
        self.slide = float(np.sin(pose.yaw_rad))
        rows = (plane.y_cm + np.float32(_TABLE_REACH_CM)) * np.float32(1 / _TABLE_STEP_CM)
        self.arms = {side: straight_tube(plane, *self._arm(side)) for side in _SIDES}
        self.row = np.clip(rows, 0, len(_TABLE_Y_CM) - 1).astype(np.int32)

    def thickness(self, with_bronchi: bool) -> Thickness:
        """Trace every ray through the whole body; the bronchi matter to opacities alone."""
        central = self._central_organs()
        lungs = [self._lung(side) for side in _SIDES]
        domes = [self._dome(side) for side in _SIDES]
        air_filled = [
            _remainder(lung, central, dome) for lung, dome in zip(lungs, domes, strict=True)
        ]
        lung = air_filled[0] + air_filled[1]
        inside = np.minimum(lung * np.float32(1 / 5.0), np.float32(1))
        body = self._body()
        skull, jaw = self._head()
        texture = self._texture()
        vessel = (self._tree(0) + self._hila() + np.float32(0.28) * texture) * inside
        return Thickness(
            body=np.maximum(body, skull),
            lung=np.minimum(lung, body),
            air=self._airway() + self._gas(),
            bone=self._ribs() + self._spine() + self._shoulders() + jaw,
            vessel=vessel,
            bronchi=self._tree(1) * inside if with_bronchi else np.zeros_like(inside),
        )

    def filled(self, opacities: Opacities) -> Array:
        """Share of the lung's air that the pneumonia replaces, [H, W], 0 to 0.97."""
        plane = self.plane
        grain = self._texture()
        coarse = plane.blur(grain, 0.5)
        clear = np.ones_like(plane.x_cm)
        for k in range(len(opacities.side)):
            x, y = self._lung_place(opacities.side[k], *opacities.place[k])
            across, down = (float(radius) for radius in opacities.radius_cm[k])
            distance = np.hypot((plane.x_cm - x) / across, (plane.y_cm - y) / down)
            reach = (1 - distance + opacities.raggedness * coarse) * (2 / opacities.softness)
            # A logistic edge, by way of tanh, which cannot overflow.
            clear *= 1 - float(opacities.filled[k]) * (0.5 + 0.5 * np.tanh(reach / 2))
        mottle = 1 + 0.35 * opacities.streaks * np.roll(grain, 7)
        share = (1 - clear) * np.clip(mottle, 0.2, 1.8)
        return np.clip(share, 0, 0.97).astype(np.float32)

    # Soft tissue.

    def _profile(self, heights_cm: tuple[float, ...], values: tuple[float, ...]) -> Array:
        """A smooth quantity along the body's axis, at every ray's height, [H, W]."""
        return _smooth_table(heights_cm, values)[self.row]

    def _wall_cm(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Half width of the rib cage by height."""
        heights = (-13.5, -12.5, -11.0, -9.0, -6.0, -2.0, 3.0, 8.0, 13.0, 30.0)
        widths = (4.0, 5.0, 7.0, 8.8, 10.6, 12.2, 13.3, 13.8, 13.9, 13.0)
        return heights, tuple(self.patient.width * w for w in widths)

    def _body(self) -> Array:
        """Chord of neck, shoulders and trunk; arms are apart."""
        patient, plane = self.patient, self.plane
        fat, w = patient.fat_cm, patient.width
        half_x = self._profile(
            (-40, -20, -17.5, -15.5, -13.5, -11, -8, -4, 2, 9, 16, 40),
            (
                5.2,
                5.2,
                5.6,
                8.2,
                13.0 * w,
                14.6 * w,
                *(fat + w * v for v in (12.8, 12.9, 13.6, 14, 13.8, 13.8)),
            ),
        )
        half_z = self._profile(
            (-40, -20, -16, -13, -9, -3, 6, 14, 40),
            tuple(patient.depth * v for v in (5.5, 5.8, 6.2, 7.2, 9.0, 10.3, 10.8, 10.6, 10.4)),
        )
        trunk = stacked(plane.x_cm, 0.0, half_x, half_z, 0.0, power=2.3).chord_cm
        chord = trunk
        for side in _SIDES:
            upper = round_chord_cm(self.arms[side], 3.9 + 0.4 * fat)
            # Where arm and trunk touch, skin folds round off the corner.
            chord = np.sqrt(chord * chord + upper * upper)
        return plane.blur(np.minimum(chord, np.maximum(trunk, 14)), 0.25)

    def _arm(self, side: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shoulder and elbow, in the pose."""
        lift = self.pose.arm_rad
        shoulder = np.array([side * (15.0 * self.patient.width + 1.0), -11.2 - 1.2 * lift, 0.0])
        reach = 26.0 * np.array([side * np.sin(lift), np.cos(lift), 0.0])
        return shoulder, shoulder + reach

    def _head(self) -> tuple[Array, Array]:
        """Soft chord and bone of the head where it reaches into the picture."""
        empty = np.zeros_like(self.plane.x_cm)
        chin = -19.5 + self.pose.head_cm
        if self.pose.head_cm < 0:
            return empty, empty
        centre = self.turn @ np.array([0.0, chin - 7.2, 1.0])
        soft, bone = empty, empty.copy()
        add_ellipsoid(soft, self.plane, centre, np.diag([6.8, 7.6, 8.5]), 1.1)
        add_ellipsoid(bone, self.plane, centre, np.diag([6.5, 7.3, 8.2]), 0.4)
        add_ellipsoid(bone, self.plane, centre, np.diag([5.9, 6.5, 7.6]), -0.4)
        return soft, bone

    def _central_organs(self) -> Interval:
        """Heart, great vessels and the tissue about the spine, as one stretch of every ray."""
        patient, plane = self.patient, self.plane
        half_x = self._profile(
            (-18, -12, -8, -5, -1, 4, 30),
            tuple(patient.mediastinum * v for v in (2.9, 2.8, 3.1, 3.2, 2.9, 2.5, 2.4)),
        )
        middle = self._profile((-18, -8, -4, 2, 30), (0.0, 0.1, 0.2, 0.3, 0.3))
        column = stacked(
            plane.x_cm, middle, half_x, self._profile((-18, -5, 2, 30), (7.5, 7.5, 5.5, 5.5)), -1.0
        )
        merged = hull([column, *self._heart()])
        # A beating heart has no sharper edge than this.
        return Interval(merged.middle_cm, plane.blur(merged.half_cm, 0.22))

    def _heart(self) -> list[Interval]:
        """Left ventricle, right atrium, pulmonary trunk, aortic knob."""
        p, plane = self.patient, self.plane
        lift = 0.35 * (p.dome_cm - 7.0 - self.pose.breath_cm)
        h, angle = p.heart, p.heart_turn_rad
        long_axis = np.array([np.cos(angle), np.sin(angle), 0.0])
        short_axis = np.array([-np.sin(angle), np.cos(angle), 0.0])
        ventricle = np.column_stack([6.6 * h * long_axis, 4.7 * h * short_axis, [0, 0, 5.4 * h]])
        pieces = (
            ((3.0 * h, 3.0 + lift, 1.6), ventricle),
            ((-0.5, 2.6 + lift, 1.2), np.diag([4.1 * h, 5.6 * h, 4.6 * h])),
            ((2.0, -2.2 + 0.5 * lift, 1.0), np.diag([2.6 * h, 3.8 * h, 3.2])),
            ((2.2, -5.4, -1.5), np.diag([1.0, 1.25, 1.6]) * p.knob_cm),
        )
        return [
            ellipsoid(plane, self.turn @ np.array(centre), self.turn @ axes)
            for centre, axes in pieces
        ]

    # Lungs, airways and gas.

    def _dome_top_cm(self, side: float) -> float:
        lower = self.patient.dome_step_cm if side > 0 else 0.0
        return self.patient.dome_cm - self.pose.breath_cm + lower

    def _dome(self, side: float) -> Interval:
        """What lies under the diaphragm: a dome over a pillar of soft tissue."""
        w = self.patient.width
        centre = np.array([side * 5.7 * w, self._dome_top_cm(side) + 9.0, 0.8])
        axes = np.diag([8.6 * w, 9.0, 8.4 * self.patient.depth])
        return ellipsoid(self.plane, self.turn @ centre, self.turn @ axes, flat_below=True)

    def _lung(self, side: float) -> Interval:
        """The space inside the pleura, before heart and diaphragm take their share."""
        plane, patient = self.plane, self.patient
        heights, widths = self._wall_cm()
        outer = np.interp(_TABLE_Y_CM, heights, widths) - 0.3
        rounding = np.sqrt(np.clip(1 - ((_APEX_CM + 4.5 - _TABLE_Y_CM) / 4.5).clip(0) ** 2, 0, 1))
        foot = self._dome_top_cm(side) + 10.0
        rounding *= np.sqrt(np.clip(1 - ((_TABLE_Y_CM - foot + 6) / 6).clip(0) ** 2, 0, 1))
        inner = 0.9
        half_x = _soften(rounding * (outer - inner) / 2)
        middle = side * _soften(
            (4.6 - 2.2 * (outer - inner) / 12) * (1 - rounding) + rounding * (outer + inner) / 2
        )
        half_z = _soften(rounding) * np.interp(
            _TABLE_Y_CM, (-13, -9, -4, 4, 13), np.array((3.5, 5.6, 7.4, 8.2, 8.2)) * patient.depth
        )
        z = np.interp(_TABLE_Y_CM, (-13, -6, 4), (-2.0, -0.8, 0.0))
        table = np.stack([middle + self.slide * z, half_x, half_z, z]).astype(np.float32)
        centre, half, deep, z_cm = (column[self.row] for column in table)
        return stacked(plane.x_cm, centre, half, deep, z_cm, power=2.5)

    def _lung_place(self, side: float, across: float, down: float) -> tuple[float, float]:
        """A spot in the picture, from shares of the lung's width and height."""
        y = _APEX_CM + 1.0 + down * (self._dome_top_cm(side) + 1.5 - _APEX_CM)
        wall = float(np.interp(y, *self._wall_cm()))
        return float(side * (2.0 + across * (wall - 2.5))), float(y)

    def _texture(self) -> Array:
        """The patient's irregular lung density at every ray, [H, W]."""
        scale = np.float32(128 / 44.0)
        return cv2.remap(  # pyright: ignore[reportReturnType]
            self.patient.texture,
            (self.plane.x_cm + np.float32(22)) * scale,
            (self.plane.y_cm + np.float32(20)) * scale,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )

    def _airway(self) -> Array:
        """Windpipe and the two main bronchi."""
        shift = -0.3
        lines = np.array(
            [
                [[0.1, -24, -1], [0, -17, -1.2], [shift, -11, -2.2], [shift, -5.2, -3]],
                [[shift, -5.2, -3], [-0.8, -4.4, -3], [-2.0, -3, -3], [-3.2, -1.4, -3]],
                [[shift, -5.2, -3], [0.8, -4.2, -3], [2.4, -3.1, -3], [4.2, -2.2, -3]],
            ]
        )
        radius = np.array([[0.85], [0.6], [0.55]]) * (0.85 + 0.15 * self.patient.size)
        curves = Curves.sample(_bezier(lines, self._samples(19)), radius)
        chord = tubes(self.plane, curves.turned(self.turn)).chord_cm()
        return self.plane.blur(chord, 0.12)

    def _gas(self) -> Array:
        """Stomach bubble and bowel gas under the domes."""
        total = np.zeros_like(self.plane.x_cm)
        for present, x, below, half_x, half_y in self.patient.gas:
            if present:
                y = self._dome_top_cm(np.sign(x)) + below + half_y
                axes = np.diag([half_x, half_y, 2.2])
                centre = self.turn @ np.array([x, y, 2.0])
                add_ellipsoid(total, self.plane, centre, axes)
        return self.plane.blur(total, 0.2)

    def _hila(self) -> Array:
        """The knots of vessels and nodes where the tree enters each lung."""
        total = np.zeros_like(self.plane.x_cm)
        for side, x, y in ((-1.0, 4.3, -0.4), (1.0, 4.6, -1.4)):
            angle = 0.35 * side
            axes = np.array(
                [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
            )
            centre = self.turn @ np.array([side * x, y, -1.0])
            add_ellipsoid(total, self.plane, centre, axes * (1.1, 2.5, 0.9))
        return self.plane.blur(total * np.float32(self.patient.vessels), 0.45)

    def _tree(self, kind: int) -> Array:
        """Vessels (0) or airways (1) branching from the hila, thinner at every fork."""
        points, radius = _branches(self.patient.tree[kind], self._samples(4.5))
        scale = (0.95, 0.35)[kind] * self.patient.vessels
        curves = Curves.sample(
            points, scale * radius[..., None] * np.linspace(1, 0.75, points.shape[1])
        )
        return tubes(self.plane, curves.turned(self.turn)).chord_cm()

    # Bones.

    def _samples(self, length_cm: float) -> int:
        """Samples little more than a pixel apart along a line this long."""
        return max(int(np.ceil(length_cm / (1.3 * self.plane.pixel_cm))), 8)

    def _ribs(self) -> Array:
        """Twelve pairs; a rib's near and far halves cross, so they are traced apart."""
        p = self.patient
        pair = np.arange(12)
        start_y = -14.2 + p.rib_spacing_cm * pair + np.where(pair == 0, 0.9, 0)
        drop = p.rib_drop_cm * np.interp(pair, (0, 2, 6, 11), (0.4, 0.75, 1.0, 0.9))
        heights, widths = self._wall_cm()
        wall = np.interp(start_y + 0.4 * drop, heights, widths) + 0.15
        depth = p.depth * np.interp(wall / p.width, (4, 9, 13), (4.5, 7.0, 9.0))
        behind = np.linspace(0.12, 0.5 * np.pi, self._samples(18))
        # Cartilage does not show: the front half ends short of the breastbone.
        front_end = np.where(pair < 10, 0.80, 0.62) * np.pi
        front = (
            0.5 * np.pi + np.linspace(0, 1, self._samples(16)) * (front_end - 0.5 * np.pi)[:, None]
        )
        total = np.zeros_like(self.plane.x_cm)
        near_spine = np.interp(behind, (0.12, 0.35), (0.45, 1.0))
        near_cartilage = np.linspace(1, 0, front.shape[1]) ** 0.5 * 0.8
        for angle, thick, fade in (
            (np.tile(behind, (12, 1)), 1.0, near_spine),
            (front, 0.9, near_cartilage),
        ):
            lines = []
            for side in _SIDES:
                x = side * (1.2 + (wall[:, None] - 1.2) * np.sin(angle) ** 0.9)
                sag = (1 - np.cos(angle)) / 2
                y = start_y[:, None] + drop[:, None] * sag - 0.6 * np.sin(2 * angle).clip(0)
                lines.append(np.stack([x, y, -depth[:, None] * np.cos(angle)], -1))
            radius = p.rib_radius_cm * thick * np.interp(pair, (0, 3, 9, 11), (0.55, 1, 1, 0.7))
            curves = Curves.sample(np.stack(lines), np.tile(radius[:, None], (2, 1, 1)), fade)
            field = tubes(self.plane, curves.turned(self.turn))
            # A rib is flat: its depth is about half its height.
            total += field.chord_cm(wall_cm=0.16, hollow=1 - _MARROW_SHARE)
        return np.float32(0.8 * p.rib_mineral) * total

    def _spine(self) -> Array:
        """Vertebral bodies with discs between, pedicles and spinous processes."""
        p, plane = self.patient, self.plane
        total = np.zeros_like(plane.x_cm)
        near = np.flatnonzero((np.abs(plane.x_cm) < 5).any(0))
        if not len(near):
            return total
        columns = slice(near[0], near[-1] + 1)
        row = self.row[:, columns]
        bow = p.scoliosis_cm * np.sin(_TABLE_Y_CM / 9.0) + self.slide * _SPINE_Z_CM
        half = _smooth_table((-40, -18, -10, 4, 16, 40), (1.2, 1.25, 1.45, 1.75, 2.1, 2.2))
        # Vertebrae grow taller downwards: count them by a slowly slackening phase.
        phase = ((_TABLE_Y_CM + 40) / 1.95 - 0.0022 * (_TABLE_Y_CM + 40) ** 2).astype(np.float32)
        count = phase[row]
        part = count - np.floor(count)
        end = np.minimum(part, 1 - part)
        x = (plane.x_cm[:, columns] - bow.astype(np.float32)[row]) / half[row]
        waist = 1 - 0.1 * np.sin(np.pi * part)
        body = np.clip(1 - np.abs(x / waist) ** 4, 0, 1) ** 0.6 * np.clip(end * 16 - 1.2, 0, 1)
        plate = np.exp(-(((end - 0.14) / 0.05) ** 2)) * (np.abs(x) < 1.0) * 0.25
        pedicle = np.hypot((np.abs(x) - 0.62) / 0.24, (part - 0.42) / 0.2)
        ring = np.exp(-(((pedicle - 0.8) / 0.35) ** 2))
        spinous = np.exp(-((x / 0.16) ** 2) - ((part - 0.78) / 0.24) ** 2)
        lateral = np.exp(-(((part - 0.45) / 0.13) ** 2)) * np.clip((1.75 - np.abs(x)) * 4, 0, 1)
        bone = 0.75 * body + plate + 0.4 * ring + 0.45 * spinous + 0.3 * lateral
        total[:, columns] = np.float32(p.rib_mineral * 0.28) * bone
        return plane.blur(total, 0.12)

    def _humerus(self, squared_distance: Array) -> Array:
        """Bone of one upper arm, a thick-walled tube."""
        shell = round_chord_cm(squared_distance, 1.15)
        shell -= np.float32(1 - _MARROW_SHARE) * round_chord_cm(squared_distance, 0.75)
        return np.float32(0.6) * shell

    def _shoulders(self) -> Array:
        """Collar bones, shoulder blades and upper-arm bones."""
        p, w, rise = self.patient, self.patient.width, self.patient.clavicle_rise_cm
        lift = self.pose.arm_rad
        slim = []
        total = np.zeros_like(self.plane.x_cm)
        for side in _SIDES:
            # Raised arms swing the shoulder blade outwards, off the lung.
            out = 11.3 * w + 1.6 * lift / np.pi
            slim.append(
                [
                    [side * 1.5, -9.2, 6],
                    [side * 7.5, -12.2 - 0.5 * rise, 7],
                    [side * 9.0 * w, -9.0 - rise, 2],
                    [side * 14.2 * w, -11.6 - rise, 0],
                ]
            )
            slim.append(
                [
                    [side * (out + 2.2), -10.2, -6],
                    [side * (out + 0.2), -8, -6.5],
                    [side * (out + 0.8), -4.5, -7],
                    [side * (out - 1.8), -1.6, -7],
                ]
            )
            slim.append(
                [
                    [side * (out + 3.2), -10.8, -4],
                    [side * (out + 0.5), -10.4, -6],
                    [side * (out - 2.5), -9.8, -7],
                    [side * (out - 4.8), -8.8, -7],
                ]
            )
            shoulder, _ = self._arm(side)
            total += self._humerus(self.arms[side])
            blade = self.turn @ np.array([side * (out - 1.2), -6.5, -6.5])
            add_ellipsoid(total, self.plane, blade, np.diag([3.0, 5.2, 0.28]), 0.35)
            add_ellipsoid(total, self.plane, shoulder, np.diag([2.1, 2.2, 2.1]), 0.16)
        radius = np.tile(np.array([0.68, 0.42, 0.36]), 2)[:, None]
        thin = tubes(
            self.plane,
            Curves.sample(_bezier(np.array(slim), self._samples(17)), radius).turned(self.turn),
        )
        total += np.float32(0.75) * thin.chord_cm(wall_cm=0.18, hollow=1 - _MARROW_SHARE)
        return np.float32(p.rib_mineral) * self.plane.blur(total, 0.06)


def _remainder(lung: Interval, central: Interval, dome: Interval) -> Array:
    """Length of `lung` outside both others, by inclusion and exclusion, [H, W]."""
    in_central = lung.overlap(central)
    taken = in_central.chord_cm + lung.overlap(dome).chord_cm - in_central.overlap(dome).chord_cm
    return np.maximum(lung.chord_cm - taken, 0)


def _soften(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round off a table's corners over half a centimetre or so."""
    return cv2.blur(table[None], (21, 1), borderType=cv2.BORDER_REPLICATE)[0]  # pyright: ignore[reportReturnType]


def _smooth_table(heights_cm: tuple[float, ...], values: tuple[float, ...]) -> Array:
    """A table by height through the given knots, its corners rounded over about 2 cm."""
    table = np.interp(_TABLE_Y_CM, heights_cm, values)[None]
    for _ in range(2):
        table = cv2.blur(table, (41, 1), borderType=cv2.BORDER_REPLICATE)
    return table[0].astype(np.float32)


def _bezier(control: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    """Cubic curves: control points [..., 4, 3] to [..., samples, 3]."""
    t = np.linspace(0, 1, samples)[:, None]
    basis = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    return basis @ control


def _branches(
    uniform: NDArray[np.float64], samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both lungs' trees, one generation after another, all of a generation at once.

    Args:
        uniform: [512] numbers in [0, 1) that shape it.
        samples: points along each branch.

    Returns:
        Lines [branches, samples, 3] in cm, and each one's radius relative to the first's.
    """
    jitter = iter(np.split(2 * uniform - 1, 8))
    side = np.repeat(_SIDES, 6)
    angle = np.tile(np.linspace(-1.25, 1.3, 6), 2) + 0.15 * next(jitter)[:12]
    start = np.column_stack([side * 2.6, np.tile(np.linspace(-2.6, 0.6, 6), 2), -1 + np.zeros(12)])
    length, radius, lines, radii = 4.2 + next(jitter)[:12], np.ones(12), [], []
    for generation in range(4):
        heading = np.column_stack([side * np.cos(angle), np.sin(angle), 0.25 * np.cos(7 * angle)])
        bend = np.column_stack([-side * np.sin(angle), np.cos(angle), 0 * angle])
        swing = 0.18 * np.sin(np.arange(len(angle)) * 2.4 + uniform[0] * 6)
        t = np.linspace(0, 1, samples)[None, :, None]
        straight = start[:, None] + t * (length[:, None] * heading)[:, None]
        line = straight + (t * (1 - t)) * ((swing * length)[:, None] * bend * 4)[:, None]
        lines.append(line)
        radii.append(radius)
        if generation == 3:
            break
        fork = np.concatenate(
            [
                0.42 + 0.2 * _cycle(next(jitter), len(angle)),
                -0.42 + 0.2 * _cycle(next(jitter), len(angle)),
            ]
        )
        angle, side = np.tile(angle, 2) + fork, np.tile(side, 2)
        start, radius = np.tile(line[:, -1], (2, 1)), np.tile(radius, 2) * 0.68
        length = np.tile(length, 2) * (0.8 + 0.15 * np.sin(np.arange(len(angle))))
    return np.concatenate(lines), np.concatenate(radii)


def _cycle(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first `count` of `values` repeated for ever."""
    return np.resize(values, count)

"""A made-up chest, drawn from a random stream.

Nothing here was fitted to or copied from a patient: proportions are textbook ones, in centimetres
of a full-grown body; `Patient.size` scales them down to a child's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.data.simulation.projection import Array

SIDES = (-1.0, 1.0)
"""Image left (the patient's right) and image right, as the sign of x."""


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
    main_side = rng.choice(SIDES)
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

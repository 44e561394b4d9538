"""The whole chest: what each ray passes, and how much of the beam that takes away."""

from typing import NamedTuple

import numpy as np

from xraygan.data.simulation import organs, skeleton
from xraygan.data.simulation.anatomy import SIDES, Opacities
from xraygan.data.simulation.projection import (
    AIR_PER_CM,
    BONE_PER_CM,
    LUNG_PER_CM,
    SOFT_PER_CM,
    Array,
    Interval,
)
from xraygan.data.simulation.stance import Stance


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
        total = (
            np.float32(SOFT_PER_CM) * np.maximum(soft, 0)
            + np.float32(LUNG_PER_CM) * aerated
            + np.float32(AIR_PER_CM) * (self.air + bronchi)
            + np.float32(BONE_PER_CM - SOFT_PER_CM) * self.bone
        )
        return np.asarray(np.float32(size) * total, np.float32)


def thickness(stance: Stance, with_bronchi: bool) -> Thickness:
    """Trace every ray through the whole body; the bronchi matter to opacities alone."""
    central = organs.central_organs(stance)
    lungs = [organs.lung(stance, side) for side in SIDES]
    domes = [organs.dome(stance, side) for side in SIDES]
    air_filled = [_remainder(lung, central, dome) for lung, dome in zip(lungs, domes, strict=True)]
    lung = air_filled[0] + air_filled[1]
    inside = np.minimum(lung * np.float32(1 / 5.0), np.float32(1))
    body = organs.body(stance)
    skull, jaw = organs.head(stance)
    grain = np.float32(0.4) * stance.texture()
    vessel = organs.tree(stance, 0) + organs.hila(stance) + grain
    return Thickness(
        body=np.maximum(body, skull),
        lung=np.minimum(lung, body),
        air=organs.airway(stance) + organs.gas(stance),
        bone=skeleton.ribs(stance) + skeleton.spine(stance) + skeleton.shoulders(stance) + jaw,
        vessel=np.asarray(vessel * inside, np.float32),
        bronchi=organs.tree(stance, 1) * inside if with_bronchi else np.zeros_like(inside),
    )


def filled(stance: Stance, opacities: Opacities) -> Array:
    """Share of the lung's air that the pneumonia replaces, [H, W], 0 to 0.97."""
    plane = stance.plane
    grain = stance.texture()
    coarse = plane.blur(grain, 0.5)
    clear = np.ones_like(plane.x_cm)
    for k in range(len(opacities.side)):
        x, y = stance.lung_place(opacities.side[k], *opacities.place[k])
        across, down = (float(radius) for radius in opacities.radius_cm[k])
        distance = np.hypot((plane.x_cm - x) / across, (plane.y_cm - y) / down)
        reach = (1 - distance + opacities.raggedness * coarse) * (2 / opacities.softness)
        # A logistic edge, by way of tanh, which cannot overflow.
        clear *= 1 - float(opacities.filled[k]) * (0.5 + 0.5 * np.tanh(reach / 2))
    mottle = 1 - 0.35 * opacities.streaks * grain
    share = (1 - clear) * np.clip(mottle, 0.2, 1.8)
    return np.clip(share, 0, 0.97).astype(np.float32)


def _remainder(lung: Interval, central: Interval, dome: Interval) -> Array:
    """Length of `lung` outside both others, by inclusion and exclusion, [H, W]."""
    in_central = lung.overlap(central)
    taken = in_central.chord_cm + lung.overlap(dome).chord_cm - in_central.overlap(dome).chord_cm
    return np.maximum(lung.chord_cm - taken, 0)

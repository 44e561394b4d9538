"""A patient posed before the detector: what every organ needs to know to cast its shadow."""

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.data.simulation.anatomy import SIDES, Patient, Pose
from xraygan.data.simulation.projection import Array, Plane, rotation, straight_tube

# Profiles along the body's axis are tabled at this step, about the finest pixel.
_TABLE_STEP_CM = 0.04
_TABLE_REACH_CM = 40.0
TABLE_Y_CM = np.arange(-_TABLE_REACH_CM, _TABLE_REACH_CM, _TABLE_STEP_CM)
APEX_CM = -12.5


class Stance:
    """A patient in a pose, before a detector.

    Args:
        patient: the body.
        pose: how it stands.
        plane: the detector's rays.

    Attributes:
        turn: [3, 3] rotation of the body.
        slide: how far a level section slides in x per cm that it lies further forward.
        row: [H, W] index of each ray's height in a table over `TABLE_Y_CM`.
        arms: by side, [H, W] squared distance from the upper arm's axis, cm2.
    """

    def __init__(self, patient: Patient, pose: Pose, plane: Plane) -> None:
        self.patient, self.pose, self.plane = patient, pose, plane
        self.turn = rotation(pose.yaw_rad, pose.pitch_rad)
        self.slide = float(np.sin(pose.yaw_rad))
        rows = (plane.y_cm + np.float32(_TABLE_REACH_CM)) * np.float32(1 / _TABLE_STEP_CM)
        self.arms = {side: straight_tube(plane, *self.arm(side)) for side in SIDES}
        self.row = np.clip(rows, 0, len(TABLE_Y_CM) - 1).astype(np.int32)

    def profile(self, heights_cm: tuple[float, ...], values: tuple[float, ...]) -> Array:
        """A smooth quantity along the body's axis, at every ray's height, [H, W]."""
        return smooth_table(heights_cm, values)[self.row]

    def wall_cm(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Half width of the rib cage by height."""
        heights = (-13.5, -12.5, -11.0, -9.0, -6.0, -2.0, 3.0, 8.0, 13.0, 30.0)
        widths = (4.0, 5.0, 7.0, 8.8, 10.6, 12.2, 13.3, 13.8, 13.9, 13.0)
        return heights, tuple(self.patient.width * w for w in widths)

    def arm(self, side: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shoulder and elbow, in the pose."""
        lift = self.pose.arm_rad
        shoulder = np.array([side * (15.0 * self.patient.width + 1.0), -11.2 - 1.2 * lift, 0.0])
        reach = 26.0 * np.array([side * np.sin(lift), np.cos(lift), 0.0])
        return shoulder, shoulder + reach

    def dome_top_cm(self, side: float) -> float:
        """Height of a diaphragm dome's top; the left one stands lower."""
        lower = self.patient.dome_step_cm if side > 0 else 0.0
        return self.patient.dome_cm - self.pose.breath_cm + lower

    def lung_place(self, side: float, across: float, down: float) -> tuple[float, float]:
        """A spot in the picture, from shares of the lung's width and height."""
        y = APEX_CM + 1.0 + down * (self.dome_top_cm(side) + 1.5 - APEX_CM)
        wall = float(np.interp(y, *self.wall_cm()))
        return float(side * (2.0 + across * (wall - 2.5))), float(y)

    def texture(self) -> Array:
        """The patient's irregular lung density at every ray, [H, W]."""
        scale = np.float32(128 / 44.0)
        return cv2.remap(  # pyright: ignore[reportReturnType]
            self.patient.texture,
            (self.plane.x_cm + np.float32(22)) * scale,
            (self.plane.y_cm + np.float32(20)) * scale,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )

    def samples(self, length_cm: float) -> int:
        """Samples little more than a pixel apart along a line this long."""
        return max(int(np.ceil(length_cm / (1.3 * self.plane.pixel_cm))), 8)


def smooth_table(heights_cm: tuple[float, ...], values: tuple[float, ...]) -> Array:
    """A table by height through the given knots, its corners rounded over about 2 cm."""
    table = np.interp(TABLE_Y_CM, heights_cm, values)[None]
    for _ in range(2):
        table = cv2.blur(table, (41, 1), borderType=cv2.BORDER_REPLICATE)
    return table[0].astype(np.float32)


def soften(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round off a table's corners over half a centimetre or so."""
    return cv2.blur(table[None], (21, 1), borderType=cv2.BORDER_REPLICATE)[0]  # pyright: ignore[reportReturnType]


def bezier(control: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    """Cubic curves: control points [..., 4, 3] to [..., samples, 3]."""
    t = np.linspace(0, 1, samples)[:, None]
    basis = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    return basis @ control

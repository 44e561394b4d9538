"""Exposure, detection and development of one film."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from xraygan.data.simulation.anatomy import Patient, Pose
from xraygan.data.simulation.projection import Array, Plane, gaussian_blur, transmitted


@dataclass(frozen=True)
class Exposure:
    """The machine's share in one film: where it looked, how much it gave, how it was developed.

    Attributes:
        width_cm: of the field of view, in reference cm.
        height_cm: of the field of view; both become the side of a square picture.
        centre_cm: (x, y) of the body at the picture's centre.
        roll_rad: turn of the picture.
        photons_per_cm2: reaching the detector where nothing is in the way.
        scatter: strength of scattered light, relative to single scattering.
        brightness: added to the picture, of full scale.
        contrast: relative.
        local_contrast: of detail under 2 cm, over the rest.
        marker: "R", "L" or "" for none.
        marker_place: (from the marker's side, from above), share of the picture.
        marker_size: height of the letter, share of the picture.
        margins: [4] width of the collimated edge left, right, above, below, share of the picture;
            negative where it is out of sight.
    """

    width_cm: float
    height_cm: float
    centre_cm: tuple[float, float]
    roll_rad: float
    photons_per_cm2: float
    scatter: float
    brightness: float
    contrast: float
    local_contrast: float
    marker: str
    marker_place: tuple[float, float]
    marker_size: float
    margins: NDArray[np.float64]


def draw_film(rng: np.random.Generator, patient: Patient) -> tuple[Pose, Exposure]:
    """Draw a pose and an exposure."""
    u = rng.uniform
    arms_raised = rng.random() < 0.55
    pose = Pose(
        yaw_rad=float(np.radians(np.clip(rng.normal(0, 2.5), -7, 7))),
        pitch_rad=float(np.radians(u(-6, 6))),
        breath_cm=u(0, 1.6),
        arm_rad=u(1.7, 2.75) if arms_raised else u(0.12, 0.4),
        head_cm=u(-3.0, 5.5),
    )
    height = u(29, 38)
    exposure = Exposure(
        width_cm=u(29, 37.5) * (0.5 + 0.5 * patient.width),
        height_cm=height,
        centre_cm=(float(rng.normal(0, 0.7)), u(-19, -16) + height / 2),
        roll_rad=float(np.radians(np.clip(rng.normal(0, 2.0), -6, 6))),
        photons_per_cm2=10 ** u(6.2, 7.2),
        scatter=u(0.02, 0.12),
        brightness=u(-0.05, 0.05),
        contrast=u(0.9, 1.12),
        local_contrast=u(0.5, 1.1),
        marker=str(rng.choice(["", "R", "L"], p=[0.3, 0.45, 0.25])),
        marker_place=(u(0.03, 0.1), u(0.05, 0.3)),
        marker_size=u(0.045, 0.075),
        margins=np.where(rng.random(4) < 0.06, u(0.01, 0.08, 4), -1.0),
    )
    return pose, exposure


def detect(
    line_integral: Array,
    plane: Plane,
    pixel_cm: float,
    exposure: Exposure,
    rng: np.random.Generator,
) -> Array:
    """What the detector measures, as a line integral again, [H, W].

    Scatter is the blurred first collision, p exp(-p); the photon count's Gaussian noise is
    correlated by light spreading in the detector.
    """
    primary = transmitted(line_integral)
    scattered = plane.blur(line_integral * primary, 3.5)
    intensity = primary + np.float32(exposure.scatter) * np.maximum(scattered, 0)
    noise = gaussian_blur(rng.standard_normal(intensity.shape, np.float32), 0.6)
    photons = np.float32(exposure.photons_per_cm2 * pixel_cm**2)
    return -np.log(np.maximum(intensity + noise * np.sqrt(intensity / photons), 1e-5))


def develop(detected: Array, healthy: Array, plane: Plane, exposure: Exposure) -> Array:
    """Window, detail enhancement and the film's curve: [H, W], 0 black to 1 white.

    The window follows the body without its disease, so that disease can only brighten.
    """
    small = cv2.resize(healthy, (32, 32), interpolation=cv2.INTER_AREA)
    levels = np.sort(small, axis=None)
    inside = levels[levels > 0.6 * levels[len(levels) // 2]]
    lung, dense = inside[int(0.12 * len(inside))], inside[int(0.93 * len(inside))]
    detail = detected - plane.blur(detected, 1.3)
    # Detail is left alone where next to nothing is in the beam, or skin would glow.
    detail *= np.float32(exposure.local_contrast) * np.clip(detected / lung, 0, 1) ** 2
    shown = (detected - lung + detail) / (dense - lung)
    return _film_curve(0.34 + exposure.brightness + 0.55 * exposure.contrast * shown)


def _film_curve(exposed: Array) -> Array:
    """Straight in the middle, with a soft toe at 0 and a soft shoulder at 0.97."""
    half = np.float32(0.5)
    toe = half * (exposed + np.sqrt(exposed * exposed + np.float32(0.012)))
    gap = np.float32(0.97) - toe
    return np.float32(0.97) - half * (gap + np.sqrt(gap * gap + np.float32(0.016)))


def finish(picture: Array, exposure: Exposure) -> Array:
    """Add the lead marker and the collimator's edges."""
    side = len(picture)
    if exposure.marker:
        size = exposure.marker_size * side
        left = exposure.marker_place[0] * side
        if exposure.marker == "L":
            left = side - left - 0.8 * size
        origin = (int(left), int(exposure.marker_place[1] * side + size))
        letter = np.zeros((side, side), np.uint8)
        stroke = max(round(size * 0.16), 1)
        # This font's capitals are 21 units high.
        cv2.putText(
            letter,
            exposure.marker,
            origin,
            cv2.FONT_HERSHEY_SIMPLEX,
            size / 21,
            255,
            stroke,
            cv2.LINE_AA,
        )
        picture = np.maximum(picture, letter * np.float32(0.97 / 255))
    if exposure.margins.max() > 0:
        across = (np.arange(side) + 0.5) / side
        edges = [across, 1 - across, across, 1 - across]
        shares = [
            1 / (1 + np.exp((margin - at) / 0.004))
            for margin, at in zip(exposure.margins, edges, strict=True)
        ]
        frame = np.outer(shares[2] * shares[3], shares[0] * shares[1])
        picture = picture * frame.astype(np.float32)
    return picture

"""Closed forms of a parallel X-ray beam: how much of each solid lies along every pixel's ray.

Axes: x to the image's right (the patient's left), y down, z towards the detector (the patient's
front); every ray runs along z. Lengths are in reference centimetres: a full-grown body of size 1.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Linear attenuation at 50 keV, about the mean energy of a filtered 90 kVp beam: mass attenuation
# coefficient times density of ICRU-44 soft tissue, lung, cortical bone and dry air, from Hubbell
# and Seltzer, NIST X-Ray Mass Attenuation Coefficients (NISTIR 5632), tables 2 and 4.
SOFT_PER_CM = 0.2264 * 1.06
LUNG_PER_CM = 0.2270 * 0.26
BONE_PER_CM = 0.4242 * 1.92
AIR_PER_CM = 0.2080 * 0.001205

_HALF = np.float32(0.5)
# A thinner tube falls between the pixels' centres: it is drawn this wide, and fainter in proportion
# to its cross-section.
_THINNEST_RADIUS_PIXELS = 0.7


def _at_least_zero(values: Array) -> Array:
    return np.maximum(values, np.float32(0))


class Interval(NamedTuple):
    """The stretch of every ray inside a convex solid.

    Attributes:
        middle_cm: [H, W] float32, z of its middle.
        half_cm: [H, W] float32, half its length, 0 where the ray misses.
    """

    middle_cm: Array
    half_cm: Array

    @property
    def chord_cm(self) -> Array:
        """[H, W] float32 path length."""
        return 2 * self.half_cm

    def overlap(self, other: "Interval") -> "Interval":
        """The stretch inside both solids."""
        low = np.maximum(self.middle_cm - self.half_cm, other.middle_cm - other.half_cm)
        high = np.minimum(self.middle_cm + self.half_cm, other.middle_cm + other.half_cm)
        return Interval((low + high) * _HALF, np.maximum(high - low, 0) * _HALF)


def hull(solids: list[Interval]) -> Interval:
    """The stretch from the first of the solids met to the last left; for solids that touch."""
    far = np.float32(1e3)
    low, high = far, -far
    for middle, half in solids:
        outside = far * (half <= 0)
        low = np.minimum(low, middle - half + outside)
        high = np.maximum(high, middle + half - outside)
    return Interval((low + high) / 2, np.maximum(high - low, 0) / 2)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Plane:
    """The detector: where each pixel's ray passes the body, and back.

    Attributes:
        x_cm: [H, W] float32, in the body's upright frame.
        y_cm: [H, W] float32.
        to_pixel: [2, 3] affine from (x, y, 1) in cm to (column, row).
        pixel_cm: a pixel's side (the mean of its two).
    """

    x_cm: Array
    y_cm: Array
    to_pixel: NDArray[np.floating]
    pixel_cm: float

    @classmethod
    def make(
        cls,
        size_pixels: int,
        width_cm: float,
        height_cm: float,
        centre_cm: tuple[float, float],
        roll_rad: float,
    ) -> "Plane":
        """A square picture of `width_cm` x `height_cm` about `centre_cm`, turned by `roll_rad`."""
        pitch = np.array([width_cm, height_cm]) / size_pixels
        turn = np.array(
            [[np.cos(roll_rad), -np.sin(roll_rad)], [np.sin(roll_rad), np.cos(roll_rad)]]
        )
        to_body = turn * pitch
        steps = np.arange(size_pixels) + 0.5 - size_pixels / 2
        x = to_body[0, 0] * steps[None, :] + to_body[0, 1] * steps[:, None] + centre_cm[0]
        y = to_body[1, 0] * steps[None, :] + to_body[1, 1] * steps[:, None] + centre_cm[1]
        inverse = np.linalg.inv(to_body)
        offset = -inverse @ np.array(centre_cm) + size_pixels / 2 - 0.5
        to_pixel = np.column_stack([inverse, offset])
        return cls(x.astype(np.float32), y.astype(np.float32), to_pixel, float(pitch.mean()))

    def blur(self, picture: Array, sigma_cm: float) -> Array:
        """Gaussian blur of `picture`, [H, W]; a wide one is done on a coarser grid."""
        sigma = sigma_cm / self.pixel_cm
        height, width = picture.shape
        factor = int(sigma // 3)
        if factor < 2:
            return gaussian_blur(picture, sigma)
        size = (max(width // factor, 8), max(height // factor, 8))
        small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
        small = gaussian_blur(small, sigma * size[0] / width)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)  # pyright: ignore[reportReturnType]

    def window(self, centre_cm: NDArray[np.float64], reach_cm: float) -> tuple[slice, slice]:
        """Rows and columns of the pixels within `reach_cm` of a point (and some more)."""
        column, row = self.to_pixel[:, :2] @ centre_cm[:2] + self.to_pixel[:, 2]
        reach = reach_cm * float(np.abs(self.to_pixel[:, :2]).sum(1).max()) + 1
        low = np.maximum([row - reach, column - reach], 0).astype(int)
        high = np.maximum([row + reach + 1, column + reach + 1], 0).astype(int)
        return slice(low[0], high[0]), slice(low[1], high[1])


def gaussian_blur(picture: Array, sigma_pixels: float) -> Array:
    """Gaussian blur, edges repeated, [H, W].

    Not cv2.GaussianBlur, whose own threads cost more than they bring on pictures this small.
    """
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma_pixels)) + 1, sigma_pixels, cv2.CV_32F)
    return cv2.sepFilter2D(picture, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)  # pyright: ignore[reportReturnType]


def rotation(yaw_rad: float, pitch_rad: float) -> NDArray[np.float64]:
    """The patient's turn about the vertical, then the tilt forwards: [3, 3], for column vectors."""
    cy, sy, cp, sp = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    about_vertical = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    forwards = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    return forwards @ about_vertical


def ellipsoid(
    plane: Plane,
    centre_cm: NDArray[np.float64],
    axes: NDArray[np.float64],
    flat_below: bool = False,
) -> Interval:
    """Where rays run inside an ellipsoid.

    Args:
        plane: the pixels' rays.
        centre_cm: [3].
        axes: [3, 3], its semi-axes as orthogonal columns (directions times lengths in cm).
        flat_below: below the centre, go on as at the centre's height (a dome on a pillar).

    Returns:
        With the surface r^T Q r = 1, Q = (axes axes^T)^-1, the two roots in z of a quadratic.
    """
    inverse = axes / (axes * axes).sum(0)
    q = (inverse @ inverse.T).astype(np.float32)
    x = plane.x_cm - np.float32(centre_cm[0])
    y = plane.y_cm - np.float32(centre_cm[1])
    if flat_below:
        y = np.minimum(y, 0)
    middle = (q[0, 2] * x + q[1, 2] * y) * (-1 / q[2, 2])
    inside = 1 - x * (q[0, 0] * x + 2 * q[0, 1] * y) - q[1, 1] * y * y
    half = np.sqrt(np.maximum(inside / q[2, 2] + middle * middle, 0))
    return Interval(middle + np.float32(centre_cm[2]), half)


def add_ellipsoid(
    total: Array,
    plane: Plane,
    centre_cm: NDArray[np.float64],
    axes: NDArray[np.float64],
    weight: float = 1.0,
) -> None:
    """Add `weight` times the chord of a small ellipsoid to `total`, [H, W], in place."""
    window = plane.window(centre_cm, float(np.sqrt((axes[:2] ** 2).sum(1)).max()))
    part = replace(plane, x_cm=plane.x_cm[window], y_cm=plane.y_cm[window])
    if part.x_cm.size:
        total[window] += np.float32(weight) * ellipsoid(part, centre_cm, axes).chord_cm


def stacked(
    x_cm: Array,
    middle_cm: Array | float,
    half_x_cm: Array,
    half_z_cm: Array,
    z_cm: Array | float,
    power: float = 2.0,
) -> Interval:
    """Where rays run inside a solid whose level sections are (super)ellipses.

    Args:
        x_cm: [H, W], the rays.
        middle_cm: [H, W], the section's centre in x at each ray's height.
        half_x_cm: [H, W], its half width; 0 or less where there is none.
        half_z_cm: [H, W], its half depth.
        z_cm: the section's centre in z.
        power: n of |x/a|^n + |z/b|^n = 1; 2 is an ellipse.
    """
    share = np.abs(x_cm - middle_cm) / np.maximum(half_x_cm, np.float32(1e-3))
    inside = np.maximum(1 - share**power, 0)
    root = np.sqrt(inside) if power == 2 else inside ** np.float32(1 / power)
    middle = np.broadcast_to(np.asarray(z_cm, np.float32), x_cm.shape)
    return Interval(middle, half_z_cm * root)


class Curves(NamedTuple):
    """Sampled centre lines of tubes, one after another.

    Attributes:
        points_cm: [N, 3], at most about a pixel apart along each line.
        tangents: [N, 3], unit vectors.
        radius_cm: [N].
        weight: [N], a factor on the chord, for tubes that fade.
    """

    points_cm: NDArray[np.float64]
    tangents: NDArray[np.float64]
    radius_cm: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def sample(
        cls,
        points_cm: NDArray[np.float64],
        radius_cm: NDArray[np.float64] | float,
        weight: NDArray[np.float64] | float = 1.0,
    ) -> "Curves":
        """From lines [..., S, 3], their radii and weights, broadcast to [..., S]."""
        tangents = np.empty_like(points_cm)
        tangents[..., 1:-1, :] = points_cm[..., 2:, :] - points_cm[..., :-2, :]
        tangents[..., 0, :] = points_cm[..., 1, :] - points_cm[..., 0, :]
        tangents[..., -1, :] = points_cm[..., -1, :] - points_cm[..., -2, :]
        tangents /= np.sqrt(np.einsum("...i,...i", tangents, tangents) + 1e-18)[..., None]
        shape = points_cm.shape[:-1]
        radius, factor = np.broadcast_to(radius_cm, shape), np.broadcast_to(weight, shape)
        return cls(
            points_cm.reshape(-1, 3), tangents.reshape(-1, 3), radius.ravel(), factor.ravel()
        )

    def turned(self, pose: NDArray[np.float64]) -> "Curves":
        """The same after the rotation `pose`, [3, 3]."""
        return self._replace(points_cm=self.points_cm @ pose.T, tangents=self.tangents @ pose.T)


class TubeField(NamedTuple):
    """Distance of the rays near some tubes from the nearest one's centre line.

    Attributes:
        shape: of the whole picture.
        window: rows and columns of the part that holds all tubes, [h, w].
        squared_distance: [h, w] float32, cm2, in the picture plane.
        radius_cm: [h, w] float32, the nearest tube's.
        lengthening: [h, w] float32, path per perpendicular chord: weight / sin(angle to the beam).
    """

    shape: tuple[int, int]
    window: tuple[slice, slice]
    squared_distance: Array
    radius_cm: Array
    lengthening: Array

    def chord_cm(self, wall_cm: float = 0.0, hollow: float = 0.0) -> Array:
        """Path length inside the tubes, [H, W].

        Args:
            wall_cm: thickness of their wall.
            hollow: what a centimetre inside the wall counts less, 0 to 1.
        """
        outer = np.sqrt(np.maximum(self.radius_cm * self.radius_cm - self.squared_distance, 0))
        if hollow:
            radius = np.maximum(self.radius_cm - np.float32(wall_cm), 0)
            inner = np.sqrt(np.maximum(radius * radius - self.squared_distance, 0))
            outer -= np.float32(hollow) * inner
        whole = np.zeros(self.shape, np.float32)
        whole[self.window] = 2 * self.lengthening * outer
        return whole


# Where a rib runs along the beam, an endless cylinder's chord is unbounded; a bent one's is not.
_SMALLEST_SINE = 0.75
# The transform's distances are off by a few per cent: the sample it names lies this near the foot
# of the perpendicular. Further along the axis than this is beyond the tube's end.
_SLACK_PIXELS = 2.0


def tubes(plane: Plane, curves: Curves) -> TubeField:
    """The distance field of tubes that do not cross; where they do, the nearer one counts.

    The nearest sample comes from a labelled distance transform, the distance itself from the
    sample's tangent, so that edges fall between pixels. The chord of a cylinder of radius r
    whose axis passes at distance d is 2 sqrt(r^2 - d^2) / sin(angle between axis and beam).
    """
    shape: tuple[int, int] = plane.x_cm.shape  # pyright: ignore[reportAssignmentType]
    pad = int(np.ceil(curves.radius_cm.max() / plane.pixel_cm)) + 2
    spots = curves.points_cm[:, :2] @ plane.to_pixel[:, :2].T + plane.to_pixel[:, 2]
    columns, rows = np.rint(spots).astype(np.int64).T
    kept = (
        (np.minimum(columns, rows) >= -pad) & (columns < shape[1] + pad) & (rows < shape[0] + pad)
    )
    if not kept.any():
        none = np.zeros((0, 0), np.float32)
        return TubeField(shape, (slice(0), slice(0)), none, none, none)
    columns, rows = columns[kept], rows[kept]
    left, top = columns.min() - pad, rows.min() - pad
    mask = np.ones((rows.max() - top + pad + 1, columns.max() - left + pad + 1), np.uint8)
    mask[rows - top, columns - left] = 0
    _, nearest_label = cv2.distanceTransformWithLabels(
        mask, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = np.asarray(nearest_label, np.intp)
    sample_of = np.zeros(mask.size - np.count_nonzero(mask) + 1, np.intp)
    sample_of[labels[rows - top, columns - left]] = np.flatnonzero(kept)
    x0, y0 = max(left, 0), max(top, 0)
    labels = labels[y0 - top : shape[0] - top, x0 - left : shape[1] - left]
    window = (slice(y0, y0 + labels.shape[0]), slice(x0, x0 + labels.shape[1]))
    return TubeField(shape, window, *_field(plane, curves, window, labels, sample_of))


def _field(
    plane: Plane,
    curves: Curves,
    window: tuple[slice, slice],
    labels: NDArray[np.intp],
    sample_of: NDArray[np.intp],
) -> tuple[Array, Array, Array]:
    """Squared distance, radius and lengthening, given each pixel's label and its sample."""
    flat = curves.tangents[:, :2]
    sine = np.sqrt(np.einsum("ij,ij->i", flat, flat))
    unit = flat / np.maximum(sine, 1e-6)[:, None]
    thinnest = _THINNEST_RADIUS_PIXELS * plane.pixel_cm
    radius = np.maximum(curves.radius_cm, thinnest)
    fade = curves.weight * (curves.radius_cm / radius) ** 2
    table = np.empty((6, len(sample_of)), np.float32)
    points = curves.points_cm[:, :2]
    table[:2], table[2:4] = points[sample_of].T, unit[sample_of].T
    table[4] = radius[sample_of]
    table[5] = (fade / np.maximum(sine, _SMALLEST_SINE))[sample_of]
    columns: list[Array] = [column.take(labels) for column in table]
    x, y, along_x, along_y, radii, longer = columns
    dx, dy = plane.x_cm[window] - x, plane.y_cm[window] - y
    across = dx * along_y - dy * along_x
    beyond = _at_least_zero(
        np.abs(dx * along_x + dy * along_y) - np.float32(_SLACK_PIXELS * plane.pixel_cm)
    )
    return np.asarray(across * across + beyond * beyond, np.float32), radii, longer


def straight_tube(
    plane: Plane, start_cm: NDArray[np.float64], end_cm: NDArray[np.float64]
) -> Array:
    """Squared distance of every ray from a straight line across the beam, cm2, [H, W]."""
    a, b = start_cm[:2].astype(np.float32), (end_cm - start_cm)[:2].astype(np.float32)
    dx, dy = plane.x_cm - a[0], plane.y_cm - a[1]
    along = np.clip((dx * b[0] + dy * b[1]) * (1 / np.dot(b, b)), 0, 1)
    across, beside = dx - along * b[0], dy - along * b[1]
    return across * across + beside * beside


def round_chord_cm(squared_distance: Array, radius_cm: float) -> Array:
    """Chord of a circle of `radius_cm` at a distance from its centre, 0 outside, [H, W]."""
    return 2 * np.sqrt(np.maximum(np.float32(radius_cm**2) - squared_distance, 0))


def transmitted(line_integral: Array) -> Array:
    """Beer-Lambert: the share of the beam left after attenuation times length `line_integral`."""
    return np.exp(-line_integral)

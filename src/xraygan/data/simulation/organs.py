"""Soft tissue, lungs and gas: where each lies along every ray, [H, W] float32 in reference cm."""

import numpy as np
from numpy.typing import NDArray

from xraygan.data.simulation.anatomy import SIDES
from xraygan.data.simulation.projection import (
    Array,
    Curves,
    Interval,
    add_ellipsoid,
    ellipsoid,
    hull,
    round_chord_cm,
    stacked,
    tubes,
)
from xraygan.data.simulation.stance import APEX_CM, TABLE_Y_CM, Stance, bezier, soften


def body(stance: Stance) -> Array:
    """Chord of neck, shoulders and trunk; arms are apart."""
    patient, plane = stance.patient, stance.plane
    fat, w = patient.fat_cm, patient.width
    half_x = stance.profile(
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
    half_z = stance.profile(
        (-40, -20, -16, -13, -9, -3, 6, 14, 40),
        tuple(patient.depth * v for v in (5.5, 5.8, 6.2, 7.2, 9.0, 10.3, 10.8, 10.6, 10.4)),
    )
    trunk = stacked(plane.x_cm, 0.0, half_x, half_z, 0.0, power=2.3).chord_cm
    chord = trunk
    for side in SIDES:
        upper = round_chord_cm(stance.arms[side], 3.9 + 0.4 * fat)
        # Where arm and trunk touch, skin folds round off the corner.
        chord = np.sqrt(chord * chord + upper * upper)
    return plane.blur(np.minimum(chord, np.maximum(trunk, 14)), 0.25)


def head(stance: Stance) -> tuple[Array, Array]:
    """Soft chord and bone of the head where it reaches into the picture."""
    empty = np.zeros_like(stance.plane.x_cm)
    chin = -19.5 + stance.pose.head_cm
    if stance.pose.head_cm < 0:
        return empty, empty
    centre = stance.turn @ np.array([0.0, chin - 7.2, 1.0])
    soft, bone = empty, empty.copy()
    add_ellipsoid(soft, stance.plane, centre, np.diag([6.8, 7.6, 8.5]), 1.1)
    add_ellipsoid(bone, stance.plane, centre, np.diag([6.5, 7.3, 8.2]), 0.4)
    add_ellipsoid(bone, stance.plane, centre, np.diag([5.9, 6.5, 7.6]), -0.4)
    return soft, stance.plane.blur(bone, 0.3)


def central_organs(stance: Stance) -> Interval:
    """Heart, great vessels and the tissue about the spine, as one stretch of every ray."""
    patient, plane = stance.patient, stance.plane
    half_x = stance.profile(
        (-18, -12, -8, -5, -1, 4, 30),
        tuple(patient.mediastinum * v for v in (2.9, 2.8, 3.1, 3.2, 2.9, 2.5, 2.4)),
    )
    middle = stance.profile((-18, -8, -4, 2, 30), (0.0, 0.1, 0.2, 0.3, 0.3))
    column = stacked(
        plane.x_cm, middle, half_x, stance.profile((-18, -5, 2, 30), (7.5, 7.5, 5.5, 5.5)), -1.0
    )
    merged = hull([column, *_heart(stance)])
    # A beating heart has no sharper edge than this.
    return Interval(merged.middle_cm, plane.blur(merged.half_cm, 0.22))


def _heart(stance: Stance) -> list[Interval]:
    """Left ventricle, right atrium, pulmonary trunk, aortic knob."""
    p, plane = stance.patient, stance.plane
    lift = 0.35 * (p.dome_cm - 7.0 - stance.pose.breath_cm)
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
        ellipsoid(plane, stance.turn @ np.array(centre), stance.turn @ axes)
        for centre, axes in pieces
    ]


def dome(stance: Stance, side: float) -> Interval:
    """What lies under the diaphragm: a dome over a pillar of soft tissue."""
    w = stance.patient.width
    centre = np.array([side * 5.7 * w, stance.dome_top_cm(side) + 9.0, 0.8])
    axes = np.diag([8.6 * w, 9.0, 8.4 * stance.patient.depth])
    return ellipsoid(stance.plane, stance.turn @ centre, stance.turn @ axes, flat_below=True)


def lung(stance: Stance, side: float) -> Interval:
    """The space inside the pleura, before heart and diaphragm take their share."""
    plane, patient = stance.plane, stance.patient
    heights, widths = stance.wall_cm()
    outer = np.interp(TABLE_Y_CM, heights, widths) - 0.3
    rounding = np.sqrt(np.clip(1 - ((APEX_CM + 4.5 - TABLE_Y_CM) / 4.5).clip(0) ** 2, 0, 1))
    foot = stance.dome_top_cm(side) + 10.0
    rounding *= np.sqrt(np.clip(1 - ((TABLE_Y_CM - foot + 6) / 6).clip(0) ** 2, 0, 1))
    inner = 0.9
    half_x = soften(rounding * (outer - inner) / 2)
    middle = side * soften(
        (4.6 - 2.2 * (outer - inner) / 12) * (1 - rounding) + rounding * (outer + inner) / 2
    )
    half_z = soften(rounding) * np.interp(
        TABLE_Y_CM, (-13, -9, -4, 4, 13), np.array((3.5, 5.6, 7.4, 8.2, 8.2)) * patient.depth
    )
    z = np.interp(TABLE_Y_CM, (-13, -6, 4), (-2.0, -0.8, 0.0))
    table = np.stack([middle + stance.slide * z, half_x, half_z, z]).astype(np.float32)
    centre, half, deep, z_cm = (column[stance.row] for column in table)
    return stacked(plane.x_cm, centre, half, deep, z_cm, power=2.5)


def airway(stance: Stance) -> Array:
    """Windpipe and the two main bronchi."""
    shift = -0.3
    lines = np.array(
        [
            [[0.1, -24, -1], [0, -17, -1.2], [shift, -11, -2.2], [shift, -5.2, -3]],
            [[shift, -5.2, -3], [-0.8, -4.4, -3], [-2.0, -3, -3], [-3.2, -1.4, -3]],
            [[shift, -5.2, -3], [0.8, -4.2, -3], [2.4, -3.1, -3], [4.2, -2.2, -3]],
        ]
    )
    radius = np.array([[0.85], [0.6], [0.55]]) * (0.85 + 0.15 * stance.patient.size)
    curves = Curves.sample(bezier(lines, stance.samples(19)), radius)
    chord = tubes(stance.plane, curves.turned(stance.turn)).chord_cm()
    return stance.plane.blur(chord, 0.12)


def gas(stance: Stance) -> Array:
    """Stomach bubble and bowel gas under the domes."""
    total = np.zeros_like(stance.plane.x_cm)
    for present, x, below, half_x, half_y in stance.patient.gas:
        if present:
            y = stance.dome_top_cm(np.sign(x)) + below + half_y
            axes = np.diag([half_x, half_y, 2.2])
            centre = stance.turn @ np.array([x, y, 2.0])
            add_ellipsoid(total, stance.plane, centre, axes)
    return stance.plane.blur(total, 0.2)


def hila(stance: Stance) -> Array:
    """The knots of vessels and nodes where the tree enters each lung."""
    total = np.zeros_like(stance.plane.x_cm)
    for side, x, y in ((-1.0, 4.3, -0.4), (1.0, 4.6, -1.4)):
        angle = 0.35 * side
        axes = np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        centre = stance.turn @ np.array([side * x, y, -1.0])
        add_ellipsoid(total, stance.plane, centre, axes * (1.2, 2.6, 1.5))
    return stance.plane.blur(total * np.float32(stance.patient.vessels), 0.45)


def tree(stance: Stance, kind: int) -> Array:
    """Vessels (0) or airways (1) branching from the hila, thinner at every fork.

    An artery and a vein run together more often than not, hence the weight.
    """
    points, radius = _branches(stance.patient.tree[kind], stance.samples(4.5))
    scale = (0.78, 0.32)[kind] * stance.patient.vessels
    curves = Curves.sample(
        points, scale * radius[..., None] * np.linspace(1, 0.75, points.shape[1]), 1.7
    )
    return tubes(stance.plane, curves.turned(stance.turn)).chord_cm()


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
    side = np.repeat(SIDES, 6)
    angle = np.tile(np.linspace(-1.25, 1.3, 6), 2) + 0.15 * next(jitter)[:12]
    start = np.column_stack([side * 3.2, np.tile(np.linspace(-2.6, 0.6, 6), 2), -1 + np.zeros(12)])
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
        start, radius = np.tile(line[:, -1], (2, 1)), np.tile(radius, 2) * 0.72
        length = np.tile(length, 2) * (0.8 + 0.15 * np.sin(np.arange(len(angle))))
    return np.concatenate(lines), np.concatenate(radii)


def _cycle(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first `count` of `values` repeated for ever."""
    return np.resize(values, count)

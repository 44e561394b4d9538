"""Bones: the cortical bone that would attenuate as much, [H, W] float32 in reference cm."""

import numpy as np

from xraygan.data.simulation.anatomy import SIDES
from xraygan.data.simulation.projection import (
    Array,
    Curves,
    add_ellipsoid,
    round_chord_cm,
    tubes,
)
from xraygan.data.simulation.stance import TABLE_Y_CM, Stance, bezier, smooth_table

# Marrow and cancellous bone: the hollow of a rib still holds this share of cortical bone.
_MARROW_SHARE = 0.35
_SPINE_Z_CM = -5.5


def ribs(stance: Stance) -> Array:
    """Twelve pairs; a rib's near and far halves cross, so they are traced apart."""
    p = stance.patient
    pair = np.arange(12)
    start_y = -14.2 + p.rib_spacing_cm * pair + np.where(pair == 0, 0.9, 0)
    drop = p.rib_drop_cm * np.interp(pair, (0, 2, 6, 11), (0.4, 0.75, 1.0, 0.9))
    heights, widths = stance.wall_cm()
    wall = np.interp(start_y + 0.4 * drop, heights, widths) + 0.15
    depth = p.depth * np.interp(wall / p.width, (4, 9, 13), (4.5, 7.0, 9.0))
    behind = np.linspace(0.12, 0.5 * np.pi, stance.samples(18))
    # Cartilage does not show: the front half ends short of the breastbone.
    front_end = np.where(pair < 10, 0.80, 0.62) * np.pi
    front = 0.5 * np.pi + np.linspace(0, 1, stance.samples(16)) * (front_end - 0.5 * np.pi)[:, None]
    total = np.zeros_like(stance.plane.x_cm)
    near_spine = np.interp(behind, (0.12, 0.35), (0.45, 1.0))
    near_cartilage = np.linspace(1, 0, front.shape[1]) ** 0.5 * 0.8
    for angle, thick, fade in (
        (np.tile(behind, (12, 1)), 1.0, near_spine),
        (front, 0.9, near_cartilage),
    ):
        lines = []
        for side in SIDES:
            x = side * (1.2 + (wall[:, None] - 1.2) * np.sin(angle) ** 0.9)
            sag = (1 - np.cos(angle)) / 2
            y = start_y[:, None] + drop[:, None] * sag - 0.6 * np.sin(2 * angle).clip(0)
            lines.append(np.stack([x, y, -depth[:, None] * np.cos(angle)], -1))
        radius = p.rib_radius_cm * thick * np.interp(pair, (0, 3, 9, 11), (0.55, 1, 1, 0.7))
        curves = Curves.sample(np.stack(lines), np.tile(radius[:, None], (2, 1, 1)), fade)
        field = tubes(stance.plane, curves.turned(stance.turn))
        # A rib is flat: its depth is about half its height.
        total += field.chord_cm(wall_cm=0.16, hollow=1 - _MARROW_SHARE)
    return np.float32(0.8 * p.rib_mineral) * total


def spine(stance: Stance) -> Array:
    """Vertebral bodies with discs between, pedicles and spinous processes."""
    p, plane = stance.patient, stance.plane
    total = np.zeros_like(plane.x_cm)
    near = np.flatnonzero((np.abs(plane.x_cm) < 5).any(0))
    if not len(near):
        return total
    columns = slice(near[0], near[-1] + 1)
    row = stance.row[:, columns]
    bow = p.scoliosis_cm * np.sin(TABLE_Y_CM / 9.0) + stance.slide * _SPINE_Z_CM
    half = smooth_table((-40, -18, -10, 4, 16, 40), (1.2, 1.25, 1.45, 1.75, 2.1, 2.2))
    # Vertebrae grow taller downwards: count them by a slowly slackening phase.
    phase = ((TABLE_Y_CM + 40) / 1.95 - 0.0022 * (TABLE_Y_CM + 40) ** 2).astype(np.float32)
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
    total[:, columns] = np.float32(p.rib_mineral * 0.36) * bone
    return plane.blur(total, 0.08)


def _humerus(squared_distance: Array) -> Array:
    """Bone of one upper arm, a thick-walled tube."""
    shell = round_chord_cm(squared_distance, 1.15)
    shell -= np.float32(1 - _MARROW_SHARE) * round_chord_cm(squared_distance, 0.75)
    return np.float32(0.6) * shell


def shoulders(stance: Stance) -> Array:
    """Collar bones, shoulder blades and upper-arm bones."""
    p, w, rise = stance.patient, stance.patient.width, stance.patient.clavicle_rise_cm
    lift = stance.pose.arm_rad
    slim = []
    total = np.zeros_like(stance.plane.x_cm)
    for side in SIDES:
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
        shoulder, _ = stance.arm(side)
        total += _humerus(stance.arms[side])
        blade = stance.turn @ np.array([side * (out - 1.2), -6.5, -6.5])
        add_ellipsoid(total, stance.plane, blade, np.diag([3.0, 5.2, 0.28]), 0.35)
        add_ellipsoid(total, stance.plane, shoulder, np.diag([2.1, 2.2, 2.1]), 0.16)
    radius = np.tile(np.array([0.68, 0.42, 0.36]), 2)[:, None]
    thin = tubes(
        stance.plane,
        Curves.sample(bezier(np.array(slim), stance.samples(17)), radius).turned(stance.turn),
    )
    total += np.float32(0.75) * thin.chord_cm(wall_cm=0.18, hollow=1 - _MARROW_SHARE)
    return np.float32(p.rib_mineral) * stance.plane.blur(total, 0.06)

"""Made-up films for the tests of feature spaces: two classes, several films of a patient."""

import cv2
import numpy as np

from xraygan.sets import ImageSet


def films(count: int, seed: int, side: int = 64) -> ImageSet:
    """Bands across two dark ovals; class 1 has a bright blot in one of them."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    labels = (np.arange(count) % 2).astype(np.int32)
    pictures = []
    for label in labels:
        centre, tilt, phase = random.normal(0.45, 0.04), random.normal(0, 0.2), random.uniform(0, 6)
        ovals = np.exp(-(((np.abs(x) - centre) / 0.3) ** 4) - (y / 0.8) ** 4)
        bands = np.tanh(4 * np.sin((18 + random.normal()) * (y + tilt * np.abs(x)) + phase))
        ground = cv2.GaussianBlur(random.normal(size=(side, side)), (0, 0), side / 64)
        blot = np.exp(-(((x - centre) / 0.15) ** 2) - ((y - random.uniform(0, 0.4)) / 0.15) ** 2)
        values = 160 - 90 * ovals + random.uniform(8, 20) * bands * ovals + 12 * ground
        pictures.append(values + 60 * label * blot)
    images = np.clip(np.rint(np.stack(pictures)), 0, 255).astype(np.uint8)
    patients = np.array([f"p{n // 4}" for n in range(count)], object)
    return ImageSet(images, labels, patients, ("NORMAL", "PNEUMONIA"))


def phantoms(count: int, side: int) -> np.ndarray:
    """Stand-ins for simulated films: smoother, with other bands."""
    made = films(min(count, 40), 77, side).images
    soft = np.stack([cv2.GaussianBlur(image, (0, 0), side / 40) for image in made])
    return np.resize(soft, (count, side, side))


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])

"""Images from an exported generator, with NumPy and onnxruntime alone.

    python onnx_generate.py exported/generator.onnx 16 images.npy

Image i of a seed is the one that `xraygan generate --seed` numbers i: classes in turn.
"""

import json
import sys

import numpy as np
import onnxruntime

SEED = 0


def main(model: str, count: int, out: str) -> None:
    session = onnxruntime.InferenceSession(model)
    shapes = {tensor.name: tensor.shape for tensor in session.get_inputs()}
    latent, side = shapes["z"][1], shapes["noise"][1]
    said = session.get_modelmeta().custom_metadata_map
    conditions = np.array(json.loads(said["conditions"]), np.float32)  # a row a class
    images = np.empty((count, side, side), np.uint8)
    for index in range(count):
        stream = np.random.Generator(np.random.Philox(key=[SEED, index]))
        z = stream.standard_normal((1, latent), dtype=np.float32)
        noise = stream.standard_normal((1, side, side, 1), dtype=np.float32)
        condition = conditions[[index % len(conditions)]]
        made = session.run(None, {"z": z, "noise": noise, "condition": condition})[0]
        images[index] = np.clip(np.rint(made[0, ..., 0] * 127.5 + 127.5), 0, 255)
    np.save(out, images)
    print("classes in turn:", ", ".join(json.loads(said["classes"])))


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

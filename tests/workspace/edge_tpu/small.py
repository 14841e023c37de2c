"""A network in two forms beside the script, small enough to be timed in a test."""

import shutil
from pathlib import Path

import keras
import numpy as np

import splitdeconv as sd
from splitdeconv.toolchains.models.export import in_form

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "edge_tpu" / "run_edge_tpu.py"


def written(folder, forms=("native", "rows", "stacked")):
    """Write the script and files of an int8 layer of 3x5 to 6x10 pixels."""
    keras.utils.set_random_seed(2)
    up = keras.layers.Conv2DTranspose(5, (4, 3), 2, "same", bias_initializer="random_normal")
    model = keras.Sequential([keras.Input((3, 5, 4), name="image"), up], name="small")
    images = np.random.default_rng(0).normal(0.3, 1, (8, 3, 5, 4)).astype("float32")
    sd.export(model, folder / "native.tflite", "native", "int8", samples={"image": images})
    native = (folder / "native.tflite").read_bytes()
    (folder / "native.tflite").unlink()
    for form in forms:
        (folder / f"small_{form}.tflite").write_bytes(in_form(native, form)[0])
    shutil.copy(SCRIPT, folder)
    return folder

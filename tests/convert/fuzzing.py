"""Damaged model files, seeded, and what the converter makes of each of them."""

import json
import resource
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from onnx import helper

from splitdeconv import SplitDeconvError
from splitdeconv.convert import jobs
from splitdeconv.convert.detect import detect
from splitdeconv.convert.rewrite import parse
from splitdeconv.convert.verify import compare
from tests.convert import onnx_models
from tests.convert.tflite_models import Deconv, deconv_model

_UNPROVEN = (f"{jobs.UNLIKE}; it was not written", "could not be verified; it was not written")


@cache
def originals():
    """Sound files to damage: TFLite of several types, ONNX with several things around."""
    base = Deconv(sizes=(5, 4), kernel=(3, 4), cin=3, cout=5)
    changes = (
        {},
        {"kind": "int8"},
        {"kind": "int16x8", "bias": False},
        {"kind": "uint8", "activation": "RELU6"},
        {"kind": "float16"},
        {"dynamic": True},
        {"padding": "VALID", "strides": (3, 2)},
    )
    tflite = [deconv_model(base.with_(**change)) for change in changes]
    rng = np.random.default_rng(0)
    w = rng.standard_normal((4, 3, 3, 3)).astype("f4")
    x, y = onnx_models.value("x", "f4", ["n", 4, 5, 6]), onnx_models.value("y", "f4", [None] * 4)
    up = helper.make_node("ConvTranspose", ["a", "w", "b"], ["c"], name="up", strides=[2, 3], pads=[1, 0, 0, 1])
    nodes = [helper.make_node("Relu", ["x"], ["a"]), up, helper.make_node("Tanh", ["c"], ["y"])]
    stored = {"w": w, "b": rng.standard_normal(3).astype("f4")}
    onnx = [
        onnx_models.model(nodes, [x], [y], stored),
        onnx_models.single(rng.standard_normal((1, 4, 5, 6)).astype("f4"), w, group=2, dilations=[2, 1]),
        onnx_models.single(rng.standard_normal((2, 4, 7)).astype("f4"), w[..., 0], auto_pad="SAME_UPPER", strides=[2]),
    ]
    return tuple(tflite + [model.SerializeToString() for model in onnx])


def damaged(number):
    """The `number`-th damaged file: one to four injuries to one of the originals."""
    rng = np.random.default_rng([2020, number])
    data = bytearray(originals()[number % len(originals())])
    for _ in range(int(rng.integers(1, 5))):
        data = _INJURIES[int(rng.integers(len(_INJURIES)))](data, rng)
    return bytes(data)


def _flip(data, rng):
    """Flip single bits."""
    for at in rng.integers(len(data), size=int(rng.integers(1, 9))) if data else ():
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data, rng):
    """Random bytes over a short stretch."""
    at, length = (int(n) for n in (rng.integers(len(data) + 1), rng.integers(1, 17)))
    data[at : at + length] = rng.bytes(min(length, len(data) - at))
    return data


def _extreme(data, rng):
    """An aligned 32-bit number replaced by one at the edge of what there is."""
    values = (0, 1, -1, 2**31 - 1, -(2**31), 2**16, len(data), 7, 100_000)
    at = 4 * int(rng.integers(max(1, len(data) // 4)))
    data[at : at + 4] = int(rng.choice(values)).to_bytes(4, "little", signed=True)[: max(0, len(data) - at)]
    return data


def _byte(data, rng):
    """One byte replaced by one at the edge: lengths, tags and small fields are bytes in a protobuf."""
    if data:
        data[int(rng.integers(len(data)))] = int(rng.choice((0, 1, 2, 127, 128, 255)))
    return data


def _truncate(data, rng):
    """The end missing; mostly a little."""
    return data[: int(len(data) * (1 - rng.random() ** 3))]


def _delete(data, rng):
    """A stretch missing."""
    at, length = (int(n) for n in (rng.integers(len(data) + 1), rng.integers(1, 33)))
    return data[:at] + data[at + length :]


def _repeat(data, rng):
    """A stretch twice."""
    at, length = (int(n) for n in (rng.integers(len(data) + 1), rng.integers(1, 65)))
    return data[: at + length] + data[at:]


_INJURIES = (_flip, _flip, _overwrite, _extreme, _extreme, _byte, _byte, _truncate, _delete, _repeat)


def attempt(data):
    """Convert one file as the child process does, and check what comes of it independently.

    Returns:
        (outcome, detail, peak memory of this process in MiB). Outcomes: "refused" by a SplitDeconvError; "unproven",
        refused for the values; "nothing" to convert; "converted"; and what must not be: "wrong" and "error".
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").write_bytes(data)
        job = {"verb": "convert", "folder": folder, "model": f"{folder}/in", "path": None, "where": "in"}
        job |= {"options": {}, "verify": True, "samples": 2, "seed": 0, "inputs": None}
        try:
            report = json.loads(json.dumps(jobs.run(job)))
        except SplitDeconvError as error:
            outcome = "unproven" if error.problem.endswith(_UNPROVEN) else "refused"
            return outcome, error.problem, _peak()
        except MemoryError:
            return "refused", "out of memory", _peak()
        except Exception as error:  # what this is here to find
            return "error", f"{type(error).__name__}: {error}", _peak()
        result = (Path(folder) / "output").read_bytes()
    if result == data:
        return "nothing", "; ".join(report["notes"]), _peak()
    kind = detect(data)
    left = [site for site in parse(kind, result).sites() if site.problem is None]
    again = compare(kind, data, result, samples=3, seed=1)
    sound = bool(again) and not left
    return "converted" if sound else "wrong", f"{report['verification']['method']}", _peak()


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

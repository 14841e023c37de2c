"""The files that the fuzzers draw: always the same ones, sound where they say so, and of every
kind.
"""

from importlib import import_module

import numpy as np
import pytest

from benchmarks.fuzz.attempt import draw
from benchmarks.fuzz.case import FORMATS
from benchmarks.fuzz.program import FailedError, feeds

FILES = {"onnx": 150, "tflite": 150, "keras": 20}
# Keras warns of deprecated NumPy calls of its own; half precision overflows where a file is meant
# to.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),
]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_number_is_always_the_same_file(kind):
    files = [draw(kind, number) for number in range(12)]
    again = [draw(kind, number) for number in reversed(range(12))]
    assert [(f.data, f.files, f.options) for f in files] == [
        (f.data, f.files, f.options) for f in again[::-1]
    ]
    assert len({file.data for file in files}) > 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_sound_files_run_and_injured_ones_are_injured(kind, tmp_path):
    module, loader = (
        import_module(f"benchmarks.fuzz.{kind}_files"),
        import_module(f"benchmarks.fuzz.{kind}_run").loader,
    )
    ran = total = 0
    for number in range(FILES[kind]):
        case = draw(kind, number)
        sound = module.sound(number)
        if not case.sound:
            assert (case.data, case.files) != (sound.data, sound.files) or case.injuries, number
            continue
        assert case.data == sound.data
        for name, content in case.files.items():
            (tmp_path / name).write_bytes(content)
        total += 1
        try:
            program = loader(tmp_path)(
                case.data, import_module(f"benchmarks.fuzz.{kind}_run").FAMILIES[0]
            )
            program(feeds(program.ports, np.random.default_rng(0))[0])
        except FailedError:
            continue
        ran += 1
    assert total > FILES[kind] / 6
    assert ran > (0.6 if kind == "keras" else 0.85) * total  # of Keras' layers not all run on CPUs


def test_onnx_files_hold_what_exporters_write():
    stories = " ".join(
        import_module("benchmarks.fuzz.onnx_files").sound(n).story for n in range(400)
    )
    for what in (
        "branch",
        "loop",
        "scan",
        "function",
        "QDQ",
        "DynamicQuantizeLinear",
        "ConvInteger",
        "per axis",
        "zero point",
        "overridable",
        "open sizes",
        "stale value_info",
        "sparse",
        "external",
        "custom domain",
        "shared filters",
        "edge filters",
        "depends on nothing",
    ):
        assert what in stories, what


def test_tflite_files_hold_what_converters_write():
    stories = " ".join(
        import_module("benchmarks.fuzz.tflite_files").sound(n).story for n in range(300)
    )
    for what in (
        "int8 behind DEQUANTIZE",
        "zero point",
        "constant as input",
        "signature",
        "IF",
        "shared filters",
        "two sites",
        "dynamic",
        "int16x8",
        "uint8",
        "float16",
        "MediaPipe",
        "edge filters",
    ):
        assert what in stories, what

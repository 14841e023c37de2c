"""Pythons on a Keras backend of their own, and Keras' own tests of its layers with the twins."""

import os
import re
import subprocess
import sys
from pathlib import Path

from keras.src.layers import convolutional

ROOT = Path(__file__).resolve().parents[1]

_WITH_TWINS = """
import sys
import pytest
import splitdeconv.layers as ours
from keras.src import layers
for rank in (1, 2, 3):
    setattr(layers, f"Conv{rank}DTranspose", getattr(ours, f"SplitConv{rank}DTranspose"))
convolve, calls = ours._SplitConvTranspose._convolve, []
ours._SplitConvTranspose._convolve = lambda *given: calls.append(1) or convolve(*given)
code = pytest.main(sys.argv[1:])
print("the twins computed", len(calls), "results")
sys.exit(code)
"""
QUIET = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]


def run(backend, *command, folder=ROOT):
    """What a Python on a backend of Keras prints."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def own_tests(backend, folder):
    """How many results the twins computed in Keras' own tests, which pass, in an empty folder."""
    file = Path(convolutional.__file__).with_name("conv_transpose_test.py")
    printed = run(backend, "-c", _WITH_TWINS, *QUIET, "-c", os.devnull, str(file), folder=folder)
    assert " passed" in printed
    return int(re.search(r"the twins computed (\d+) results", printed)[1])

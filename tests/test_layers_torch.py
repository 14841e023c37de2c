"""Keras' layers and their twins on its torch backend, which gets processes of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from keras.src.layers import convolutional

ROOT = Path(__file__).resolve().parents[1]

OWN_TESTS = """
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


def run(*command, folder=ROOT):
    """What a Python on Keras' torch backend prints."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
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


@pytest.mark.slow
def test_the_twins_on_kerass_torch_backend():
    files = [str(ROOT / "tests" / name) for name in ("test_layers.py", "test_layers_models.py")]
    printed = run("-m", "pytest", *QUIET, *files)
    assert " passed" in printed
    assert "skipped" not in printed


@pytest.mark.slow
def test_kerass_own_tests_of_its_layers_pass_with_the_twins(tmp_path):
    file = Path(convolutional.__file__).with_name("conv_transpose_test.py")
    printed = run("-c", OWN_TESTS, *QUIET, "-c", os.devnull, str(file), folder=tmp_path)
    assert " passed" in printed
    computed = re.search(r"the twins computed (\d+) results", printed)
    assert int(computed[1]) > 10

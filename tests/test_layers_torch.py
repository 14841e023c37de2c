"""Keras' layers and their twins on its torch backend, which gets processes of its own."""

import pytest

from tests.kerass_tests import QUIET, ROOT, own_tests, run


@pytest.mark.slow
def test_the_twins_on_kerass_torch_backend():
    files = [str(ROOT / "tests" / name) for name in ("test_layers.py", "test_layers_models.py")]
    printed = run("torch", "-m", "pytest", *QUIET, *files)
    assert " passed" in printed
    assert "skipped" not in printed


@pytest.mark.slow
def test_kerass_own_tests_of_its_layers_pass_with_the_twins(tmp_path):
    assert own_tests("torch", tmp_path) > 10

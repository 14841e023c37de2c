"""Which library computes where nobody chose one, and when Keras is told to take JAX."""

import json
import os
import sys

import pytest

from splitdeconv import extras

NO_TENSORFLOW, BOTH, NEITHER = {"jax"}, {"jax", "tensorflow"}, set()
ONLY_TORCH = {"torch"}


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has not imported Keras yet, with these modules and settings."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "")
    monkeypatch.delenv("KERAS_BACKEND")

    def arrange(installed, settings=None, variable=None):
        monkeypatch.setattr(extras, "_installed", lambda module: module in installed)
        monkeypatch.setattr(extras, "import_module", lambda module: module)
        if settings is not None:
            (tmp_path / "keras.json").write_text(settings)
        if variable is not None:
            monkeypatch.setenv("KERAS_BACKEND", variable)

    return arrange


@pytest.mark.parametrize(
    ("installed", "settings", "variable", "chosen"),
    [
        (NO_TENSORFLOW, None, None, "jax"),
        # Keras writes this file itself when it is first imported.
        (NO_TENSORFLOW, json.dumps({"backend": "tensorflow", "floatx": "float32"}), None, "jax"),
        (NO_TENSORFLOW, "{", None, "jax"),
        (NO_TENSORFLOW, "[]", None, "jax"),
        (NO_TENSORFLOW, None, "tensorflow", "jax"),
        (NO_TENSORFLOW, None, "torch", "torch"),
        (NO_TENSORFLOW, json.dumps({"backend": "torch"}), None, None),
        (BOTH, None, None, None),
        (BOTH, None, "tensorflow", "tensorflow"),
        (NEITHER, None, None, None),
        (ONLY_TORCH, None, None, "torch"),
        (ONLY_TORCH | NO_TENSORFLOW, None, None, "jax"),
    ],
)
def test_keras_takes_jax_where_tensorflow_is_missing(fresh, installed, settings, variable, chosen):
    fresh(installed, settings, variable)
    assert extras.require("keras", "tensorflow") == "keras"
    assert os.environ.get("KERAS_BACKEND") == chosen


def test_other_modules_and_a_keras_that_runs_already_change_nothing(fresh, monkeypatch):
    fresh(NO_TENSORFLOW)
    extras.require("kerasify", "tensorflow")
    assert "KERAS_BACKEND" not in os.environ
    monkeypatch.setitem(sys.modules, "keras", json)
    extras.require("keras", "tensorflow")
    assert "KERAS_BACKEND" not in os.environ


@pytest.mark.parametrize(
    ("installed", "library"),
    [
        (NO_TENSORFLOW, "jax"),
        (BOTH, "tensorflow"),
        (NEITHER, "tensorflow"),
        (ONLY_TORCH, "torch"),
        (ONLY_TORCH | BOTH, "tensorflow"),
        (ONLY_TORCH | NO_TENSORFLOW, "jax"),
    ],
)
def test_the_default_library(fresh, installed, library):
    fresh(installed)
    assert extras.default_library() == library


def test_a_module_that_cannot_be_imported_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert extras.default_library() == "jax"

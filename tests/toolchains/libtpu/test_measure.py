"""The measuring scripts for what JAX runs on tell in a line why they measure nothing."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from splitdeconv.toolchains import libtpu

FOLDER = Path(__file__).parents[3] / "benchmarks"


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("jax", "found"),
    [
        (
            "raise RuntimeError('jaxlib is of another version')",
            "JAX ended with code 1: RuntimeError: jaxlib is of",
        ),
        ("import os; os.kill(os.getpid(), 9)", "JAX ended with code -9: "),
        ("import time; time.sleep(60)", "JAX has not named a device after 2 s"),
        ("print('hello')\ndef devices(): return []", "IndexError"),
    ],
)
def test_a_device_that_cannot_be_asked_is_a_reason(monkeypatch, tmp_path, jax, found):
    (tmp_path / "jax.py").write_text(jax)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    device, reason = libtpu.find_device(timeout=2)
    assert device is None
    assert found in reason


def test_the_device_is_told_from_what_jax_prints(monkeypatch, tmp_path):
    device = "class Device: platform, device_kind = 'gpu', 'Some Card'\n"
    (tmp_path / "jax.py").write_text(
        f"print('hello', end='')\n{device}def devices(): return [Device]\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert libtpu.find_device() == ("gpu Some Card", None)


@pytest.mark.parametrize("told", [("cpu cpu", None), (None, "JAX ended with code 1: gone")])
def test_without_an_accelerator_nothing_is_timed(monkeypatch, capsys, told):
    module = script("measure_accelerator")
    monkeypatch.setattr(libtpu, "available", lambda generation=None: None)
    monkeypatch.setattr(module, "find_device", lambda: told)
    monkeypatch.setattr(libtpu, "measure", None)
    module.main([])
    said = capsys.readouterr().out
    assert said.startswith("nothing is timed: ")
    assert (told[0] or told[1]) in said


@pytest.mark.parametrize(
    ("reason", "said"),
    [(None, "unknown generation: v1; known: v2, v3"), ("libtpu not installed", "^libtpu not inst")],
)
def test_unknown_generations_are_refused(monkeypatch, reason, said):
    monkeypatch.setattr(libtpu, "available", lambda: reason)
    with pytest.raises(SystemExit, match=said):
        script("measure_libtpu").main(["v2", "v1"])


def test_what_is_printed_is_of_this_device_alone(monkeypatch, capsys):
    module = script("measure_accelerator")
    key = {
        "network": "dcgan",
        "layer": "deconv1",
        "generation": libtpu.HERE,
        "batch": 1,
        "dtype": "float32",
    }
    key |= {"interleave": "concat", "compiler": libtpu.compiler(), "reason": None}
    seconds = {
        ("native", "gpu A"): 3.0,
        ("split", "gpu A"): 1.0,
        ("native", "gpu B"): 0.5,
        ("split", "gpu B"): 0.1,
    }
    table = pd.DataFrame(
        [{**key, "form": form, "device": at, "seconds": s} for (form, at), s in seconds.items()]
    )
    monkeypatch.setattr(libtpu, "available", lambda generation=None: None)
    monkeypatch.setattr(module, "find_device", lambda: ("gpu A", None))
    monkeypatch.setattr(module.measured, "read", lambda name: table)
    monkeypatch.setattr(module, "BATCHES", ())
    module.main(["dcgan"])
    assert "3.0" in capsys.readouterr().out

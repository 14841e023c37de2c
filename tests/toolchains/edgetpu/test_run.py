"""A device is asked in a process of its own; what goes wrong becomes a reason in its row."""

import time

import numpy as np
import pytest

from splitdeconv import convert
from splitdeconv.formats.tflite.flatbuffer import file as tflite_file
from splitdeconv.toolchains import edgetpu
from tests.toolchains.tflite_layer import exported

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected:UserWarning"),
]


@pytest.fixture(scope="module")
def native():
    return exported()


def test_models_run_in_turn_in_a_process_of_their_own(native):
    found = edgetpu.run({"native": native, "broken": b"no model"}, turns=2, rounds=2, delegate=None)
    assert found["turns"].tolist() == [4, 0]
    assert found["seconds"][0] > 0
    assert found["skipped"][0] is None or found["skipped"].isna()[0]
    assert found["skipped"][1]


def mapped(data):
    """The file as the compiler writes it if it maps one operator, the first."""
    model, tail = tflite_file.read(data, "a test")
    code = model.operatorCodes[model.subgraphs[0].operators[0].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = 32  # CUSTOM
    code.customCode = edgetpu.MAPPED_OPERATOR.encode()
    return tflite_file.write(model, tail)


def test_without_a_device_there_is_a_reason(native):
    found = edgetpu.run({"native": mapped(native)}, delegate="libno_such_edgetpu.so.1")
    assert "libno_such_edgetpu.so.1" in found["skipped"][0]
    assert np.isnan(found["seconds"][0])


def test_what_the_cpu_would_run_is_no_time_of_the_device(native):
    rows = convert(native, form="rows", verify=False).model
    found = edgetpu.run(
        {"native": native, "rows": mapped(rows)}, delegate="libno_such_edgetpu.so.1"
    )
    assert "the whole model would run on the CPU" in found["skipped"][0]
    assert found["turns"].tolist() == [0, 0]
    assert found["on_cpu"][0] == "TRANSPOSE_CONV 1"
    assert edgetpu.MAPPED_OPERATOR not in found["on_cpu"][1]
    assert "CONCATENATION" in found["on_cpu"][1]


def test_a_delegate_that_runs_nothing_is_a_reason(native):
    """Any library can be named as the one that drives the device; one cannot be this."""
    found = edgetpu.run({"native": mapped(native)}, delegate="libc.so.6")
    assert "tflite_plugin_create_delegate" in found["skipped"][0]


def test_a_model_that_fails_at_the_first_run_is_a_reason(native):
    """The custom operator has no kernel without the device's library."""
    found = edgetpu.run(
        {"compiled": mapped(native), "native": native}, turns=1, rounds=2, delegate=None
    )
    assert edgetpu.MAPPED_OPERATOR in found["skipped"][0]
    assert found["turns"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ("sys.exit(7)", "the process ended with code 7"),
        ("time.sleep(60)", "took longer than 2 s"),
        ("os.kill(os.getpid(), 11)", "the process was ended by signal 11 (Segmentation fault)"),
        ("os.system('sleep 60 & sleep 60')", "took longer than 2 s"),
        ("(os.close(1), time.sleep(60))", "the process closed its output but did not end"),
        ("print('a driver greets', flush=True)", "unexpected answer: 'a driver greets'"),
        ("print(5, flush=True)", "unexpected answer: 5"),
        ("print('{}', flush=True)", "unexpected answer: {}"),
        ("os.write(1, b'\\xff\\n')", "unexpected answer"),
    ],
)
def test_a_device_that_is_unplugged_is_a_reason(tmp_path, monkeypatch, native, then, reason):
    """The stand-in answers the first task and is lost at the second; the third has a new one."""
    (tmp_path / "unplugged_tpu.py").write_text(
        "import json, os, pathlib, sys, time\n"
        f"count = pathlib.Path({str(tmp_path)!r}, 'count')\n"
        "for line in sys.stdin:\n"
        "    seen = len(count.read_text()) if count.exists() else 0\n"
        "    count.write_text('x' * (seen + 1))\n"
        f"    {then} if seen == 1 else None\n"
        "    print(json.dumps({'seconds': [0.25, 0.5, 3.0]}), flush=True)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(edgetpu, "_RUNNER", "unplugged_tpu")
    start = time.monotonic()
    # Only what hangs has to be waited for: elsewhere a busy machine may take its time.
    models = {"native": native, "split": native, "rows": native}
    limit = 2 if "sleep" in then else 30
    found = edgetpu.run(models, rounds=1, timeout=limit, delegate=None)
    assert (
        time.monotonic() - start < 40
    )  # of the 60 that what it started would take, were it waited for
    assert found["turns"].tolist() == [3, 0, 3]
    assert found["seconds"].tolist()[::2] == [0.5, 0.5]
    assert reason in found["skipped"][1]
    (tmp_path / "count").unlink()
    again = edgetpu.run({"native": native}, rounds=2, timeout=2, delegate=None)
    assert again["turns"][0] == 3
    assert np.isnan(again["seconds"][0])  # half of the runs do not time the whole
    assert reason in again["skipped"][0]


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ("raise RuntimeError('transfer on tag 2 failed')", "transfer on tag 2 failed"),
        ("raise AttributeError('no such symbol')", "no such symbol"),
        ("raise AssertionError", "AssertionError"),
        ("os._exit(3)", "the process ended with code 3: a complaint of the driver"),
    ],
)
def test_what_a_driver_raises_is_told_and_what_it_prints_is_no_answer(
    tmp_path, monkeypatch, native, then, reason
):
    """A stand-in for the runtime, whose driver greets on the stream of answers, then fails."""
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(
        "import os\n"
        "def load_delegate(name):\n"
        "    os.write(1, b'a greeting of the driver\\n')\n"
        "    os.write(2, b'a complaint of the driver\\n')\n"
        f"    {then}\n"
    )
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = edgetpu.run({"native": mapped(native)}, turns=1, rounds=1)
    assert reason in found["skipped"][0]
    assert "Traceback" not in found["skipped"][0]


def test_without_the_runtime_there_is_a_reason(tmp_path, monkeypatch, native):
    (tmp_path / "ai_edge_litert.py").write_text(
        "raise ModuleNotFoundError(name='ai_edge_litert')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = edgetpu.run({"native": mapped(native)}, turns=1, rounds=1)
    assert found["skipped"][0].startswith(
        "ai_edge_litert is not installed: pip install 'splitdeconv[tflite]'"
    )

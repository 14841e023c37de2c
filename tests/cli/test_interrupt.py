"""Signals end the command with their exit code, in silence, and nothing is left of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from splitdeconv.cli import streams
from tests.limits.test_guard import wait_until


def endless():
    """A model whose loop takes longer than anybody waits, 387 bytes of it."""
    value, node = helper.make_tensor_value_info, helper.make_node
    nodes = [node("Identity", ["c"], ["c_out"]), node("Identity", ["v"], ["v_out"])]
    flags = [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, [])]
    outputs = [value("c_out", TensorProto.BOOL, []), value("v_out", TensorProto.FLOAT, None)]
    body = helper.make_graph(nodes, "body", [*flags, value("v", TensorProto.FLOAT, None)], outputs)
    graph = helper.make_graph(
        [
            node("ConvTranspose", ["x", "w"], ["up"], strides=[2, 2]),
            node("Loop", ["n", "", "up"], ["y"], body=body),
        ],
        "graph",
        [value("x", TensorProto.FLOAT, [1, 2, 4, 4])],
        [value("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.ones((2, 3, 2, 2), "f4"), "w"),
            numpy_helper.from_array(np.int64(2**62), "n"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def processes(mark):
    """The ids of processes whose environment holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_all_of_it(tmp_path, number):
    (tmp_path / "endless.onnx").write_bytes(endless())
    temporary, home = tmp_path / "tmp", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    command = subprocess.Popen(
        [sys.executable, "-m", "splitdeconv", "convert", "endless.onnx", "-o", "out.onnx"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary), "HOME": str(home)},
    )
    running = lambda: any("verifying" in stage.read_text() for stage in temporary.glob("*/stage"))  # noqa: E731
    assert wait_until(running, 1200)
    time.sleep(0.3)
    command.send_signal(number)
    out, err = command.communicate(timeout=60)
    assert (out, err) == (b"", b"")
    assert command.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert wait_until(lambda: not processes(str(temporary)))
    assert wait_until(lambda: not list(temporary.iterdir()))
    assert not list(home.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endless.onnx", "home", "tmp"]


def test_an_interruption_while_everything_is_being_imported(tmp_path):
    (tmp_path / "typer.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(60)"
    )
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from splitdeconv.cli import main; main(['networks'])"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout.readline() == b"importing\n"
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=60) == (b"", b"")
    assert command.returncode == 130


def test_handlers_are_put_back_and_what_is_ignored_stays_ignored():
    before = {number: signal.getsignal(number) for number in streams._SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with streams.interruptible() as begin:
            begin()
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            with pytest.raises(streams.Interrupted) as caught:
                signal.raise_signal(signal.SIGTERM)
        assert caught.value.code == 143
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert {number: signal.getsignal(number) for number in streams._SIGNALS} == before


def test_a_thread_has_no_signals():
    entered = []

    def run():
        with streams.interruptible() as begin:
            begin()
            entered.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == [before]


def test_the_last_block_leaves_no_handler_to_raise_while_python_ends():
    script = (
        "import signal\nfrom splitdeconv.cli.streams import interruptible\n"
        "with interruptible(last=True) as begin:\n    begin()\n"
        "assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")

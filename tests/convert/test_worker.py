"""Whatever goes wrong in the child is one clear answer."""

import json

import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.convert import _worker, job as jobs
from splitdeconv.convert.rewrite import Options
from splitdeconv.convert.task import Files, Inspect, Task
from splitdeconv.errors import one_line
from splitdeconv.limits import allowance, sandbox


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """What the worker answers where the job raises an error."""
    monkeypatch.setattr(allowance, "begin", lambda *_: None)
    task = Task(Inspect(Options()), Files(tmp_path / "up.onnx", "up.onnx"))
    order = sandbox.Order(task.to_json(), sandbox.Limits(5, 1 << 30), task.files.where)
    (tmp_path / sandbox.TASK).write_text(json.dumps(order.to_json()))

    def answer(error):
        def run(*_):
            (tmp_path / "stage").write_text("rewriting the model")
            raise error

        monkeypatch.setattr(jobs, "run", run)
        assert _worker.main(tmp_path) == 0
        return json.loads((tmp_path / sandbox.RESULT).read_text())["error"]

    return answer


@pytest.mark.parametrize(
    "error", [IndexError("list index\nout of range"), TypeError("x" * 1000), RecursionError()]
)
def test_an_unforeseen_error_is_named_with_its_stage_and_place(answer, error):
    said = answer(error)
    assert said["problem"] == "internal error while rewriting the model; nothing was written"
    assert said["where"] == "up.onnx"
    assert said["got"].startswith(f"{one_line(error, typed=True)} (")
    assert "(test_worker.py, line " in said["got"]
    assert "report" in said["fix"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libx.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
    ],
)
def test_a_lack_of_memory_is_named_as_such(answer, error):
    said = answer(error)
    assert said["problem"] == "the model needs more memory than allowed; nothing was written"
    assert said["expected"] == "at most 1.0 GiB"
    assert "--memory" in said["fix"]


def test_the_exchange_folder_is_not_named(answer, tmp_path):
    """As ONNX Runtime does: "External data path does not exist: FOLDER/weights.bin"."""
    said = answer(
        SplitDeconvError(
            "no data", where="m.onnx", got=f"'{tmp_path}/weights.bin' and {tmp_path}/tmp/a"
        )
    )
    assert said["got"] == "'weights.bin' and tmp/a"

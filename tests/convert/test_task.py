"""A task is the same on both sides of the process boundary."""

import json
from pathlib import Path

import pytest

from splitdeconv.convert import exchange, job as jobs
from splitdeconv.convert.rewrite import Options
from splitdeconv.convert.task import Convert, Files, Inspect, Layers, Task, Time, Verify, verb_of
from splitdeconv.limits.answer import Answer, Refusal
from tests.formats.onnx.models import arrays, single
from tests.formats.tflite.models import Deconv, deconv_model

OPTIONS = Options("xnnpack", "rows", "concat", "up.*", None, {"x": (1, 80, 100), "": (3, 2)})
FILES = Files(Path("/a/m.onnx"), "m.onnx", Path("/a/m.onnx"), Path("/b/in.npz"), Path("/c"))


@pytest.mark.parametrize(
    "verb",
    [
        Inspect(Options()),
        Inspect(OPTIONS),
        Convert(OPTIONS, False, 3, 7),
        Verify(5, 6),
        Time((1, 4), 9, 2.5, 3),
        Layers((5, 7)),
        Layers(),
    ],
)
@pytest.mark.parametrize("files", [FILES, Files(Path("/a"))])
def test_a_task_survives_json(verb, files):
    task = Task(verb, files)
    again = Task.from_json(json.loads(json.dumps(task.to_json())))
    size = getattr(verb, "size", None)
    assert again == (task if size is None else Task(Layers(list(size)), files))


def test_what_has_a_default_may_be_left_out():
    assert verb_of("convert", {"options": {}}) == Convert(Options())
    assert verb_of("verify", {}) == Verify()
    with pytest.raises(TypeError, match="sample"):
        verb_of("verify", {"sample": 3})


@pytest.mark.parametrize(
    "answer", [Answer({"a": [1, None]}), Answer(refusal=Refusal("p", "w", None, "g"))]
)
def test_an_answer_survives_json(answer):
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


def bytes_read():
    """Bytes that this process has read from files, whoever in it read them."""
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar:")[1].split()[0])


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
@pytest.mark.parametrize("verb", [Inspect(Options()), Convert(Options(), verify=False), Layers()])
def test_a_model_given_by_path_is_read_once(tmp_path, kind, verb):
    def write(channels):
        path = tmp_path / f"{channels}.{kind}"
        if kind == "tflite":
            path.write_bytes(deconv_model(Deconv(cin=channels, cout=channels)))
        else:
            x, w, bias = arrays(1, (5, 4), (3, 3), 1, (channels, channels))
            path.write_bytes(single(x, w, bias, strides=[2, 2]).SerializeToString())
        return path

    def run(path):
        before = bytes_read()
        jobs.run(Task(verb, Files(path, path.name, beside=path)), tmp_path)
        return bytes_read() - before

    run(write(2))  # what has to be imported is
    large = write(384)
    size, count = large.stat().st_size, run(large)
    assert size > 5 << 20
    # What the arena of a .tflite file will be is told by the result, which was written to a file.
    written = size if kind == "tflite" and verb.name == "convert" else 0
    assert size <= count - written < 1.2 * size


def test_the_parent_reads_the_first_bytes_of_a_file_only(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(deconv_model(Deconv(cin=384, cout=384)))
    before = bytes_read()
    with exchange.job("verify", path, converted=str(path), samples=2, seed=0) as job:
        assert bytes_read() - before < 10_000
        assert job.task.files == Files(path, str(path), path, None, path)
        assert not list(job.folder.iterdir())

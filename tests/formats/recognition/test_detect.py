"""Formats are told by content; for every other kind of file the next command."""

import os
from pathlib import Path

import pytest

from splitdeconv.formats.recognition.detect import detect, look, read_model
from tests.formats import files
from tests.formats.onnx import models as onnx_models
from tests.refusals import refused


def test_the_three_formats():
    assert detect(b"\x1c\x00\x00\x00TFL3" + bytes(100)) == "tflite"
    assert detect(files.zipped(config_json=b"{}", metadata_json=b"{}")) == "keras"
    graph = files.field(1, b"node")
    assert detect(files.field(1, 8) + files.field(2, b"pytorch") + files.field(7, graph)) == "onnx"
    # Writers may order fields as they like.
    assert detect(files.field(7, graph) + files.field(8, b"\x10\x0d") + files.field(1, 8)) == "onnx"
    # A truncated model is one: its parser knows best what is missing.
    assert detect((files.field(1, 8) + files.field(7, graph * 10))[:20]) == "onnx"


@pytest.mark.parametrize("name", files.ODD)
def test_everything_else_is_refused_with_what_it_is(name):
    content, what, fix = files.ODD[name]
    with refused("unsupported model format") as caught:
        detect(content, "folder/some.model")
    assert caught.value.got.startswith(what)
    assert caught.value.where == "folder/some.model"
    assert fix in caught.value.fix


@pytest.mark.parametrize("number", [n for n in range(1, 16) if n != 7])
def test_a_protobuf_without_a_graph_is_no_onnx(number):
    with refused("unsupported model format"):
        detect(files.field(number, b"text") + files.field(2, b"text"))


def test_models_are_read_from_paths_and_bytes(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"abc")
    assert read_model(path) == read_model(str(path)) == (b"abc", str(path))
    assert read_model(b"abc") == read_model(bytearray(b"abc")) == (b"abc", None)


def test_what_cannot_be_read_is_refused(tmp_path):
    with refused("the model cannot be read") as caught:
        read_model(tmp_path / "missing.tflite")
    assert caught.value.got == "No such file or directory"
    assert "check path" in caught.value.fix
    with refused("unsupported model format") as caught:
        read_model(tmp_path)
    assert caught.value.got == "a directory"
    assert "the model file" in caught.value.fix
    with refused("not a recognised model"):
        read_model(5)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with refused("unsupported model format") as caught:
        read_model(tmp_path)
    assert caught.value.got == "a SavedModel folder"
    assert "from_saved_model" in caught.value.fix


def test_an_unreadable_file_is_refused(tmp_path):
    # Permissions do not stop root; a link to itself stops everyone.
    path = tmp_path / "model.tflite"
    path.symlink_to(path)
    with refused("the model cannot be read") as caught:
        read_model(path)
    assert "symbolic links" in caught.value.got


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_an_impossible_name_is_refused(name):
    with refused("the model cannot be read") as caught:
        read_model(name)
    assert caught.value.got in ("File name too long", "embedded null byte")


def test_a_folder_without_permission_is_refused(monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)  # which root is never denied
    with refused("the model cannot be read") as caught:
        read_model("private/model.tflite")
    assert caught.value.got == "Permission denied"


def test_what_need_not_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with refused("unsupported model format") as caught:
            read_model(path)
        assert caught.value.got == "a pipe, a socket or a device"


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_onnx_runtime_itself_is_named(tmp_path):
    import onnxruntime as ort

    x, w, _ = onnx_models.arrays(2, (4,), (3,), 1, (2, 3))
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "m")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.save_model_format", "ORT")
    model = onnx_models.single(x, w, strides=[2]).SerializeToString()
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with refused("unsupported model format") as caught:
        detect(*read_model(tmp_path / "m"))
    assert caught.value.got == "an ONNX Runtime model (.ort)"


def test_weights_beside_an_openvino_model_are_told(tmp_path):
    (tmp_path / "m.bin").write_bytes(bytes(range(128, 228)))
    with refused("unsupported model format") as caught:
        detect(*read_model(tmp_path / "m.bin"))
    assert "100 bytes that begin with" in caught.value.got
    (tmp_path / "m.xml").write_text('<?xml version="1.0"?><net name="a"/>')
    with refused("unsupported model format") as caught:
        detect(*read_model(tmp_path / "m.bin"))
    assert "the weights of an OpenVINO model" in caught.value.got


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("Data/com.apple.CoreML/weights", "a Core ML package"),
        ("coremldata.bin", "a compiled Core ML model"),
        ("other", "a directory"),
    ],
)
def test_folders_are_named(tmp_path, inside, what):
    (tmp_path / inside).mkdir(parents=True)
    with refused("unsupported model format") as caught:
        read_model(tmp_path)
    assert caught.value.got == what


def test_a_file_is_refused_by_its_size_without_being_read(tmp_path):
    for name, head, fix in (
        ("a", b"\x08\x08:\x90N", "a part of the model"),
        ("b", b"PK\x03\x04", "PyTorch"),
        ("c", b"\x89HDF\r\n\x1a\n", "keras.models.load_model"),
        ("d", b"\x80\x02}.", "torch.export.save"),
    ):
        path = tmp_path / name
        path.write_bytes(head)
        os.truncate(path, 1 << 40)  # all of it holes
        for given in (read_model, look):
            with refused("the model is too large|unsupported model format") as caught:
                given(path)
            assert fix in caught.value.fix


def test_a_file_of_proc_is_not_read(tmp_path):
    # Some of these wait for what is to come, and say that they are empty.
    with refused("unsupported model format") as caught:
        look("/proc/self/status")
    assert caught.value.got == "an empty file"


def test_a_look_takes_the_first_bytes_only(tmp_path):
    (tmp_path / "model").write_bytes(b"x" * 1000)
    assert look(tmp_path / "model") == (b"x" * 64, 1000, str(tmp_path / "model"))
    assert look(b"y" * 1000) == (b"y" * 64, 1000, None)


def test_a_large_tflite_file_is_told_how_to_become_smaller(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    os.truncate(path, 3 << 30)
    with refused("the model is too large") as caught:
        look(path)
    assert caught.value.got == "3,221,225,472 bytes"
    assert "float16 or int8 weights" in caught.value.fix

"""What notebooks make of the parameters that papermill, or a reader, gives them."""

import json
import os

import pytest

from splitdeconv import SplitDeconvError, figures
from splitdeconv.networks import names
from splitdeconv.study import parameters

TYPES = {
    "network": str,
    "networks": list[str],
    "processor": str,
    "processors": list[str],
    "zeros": str,
    "model": str,
    "turns": int,
    "sizes": list[int],
    "seconds": float,
    "rates": list[float],
    "quick": bool,
    "seed": int,
    "scheduler": str,
}


@pytest.fixture(autouse=True)
def described(monkeypatch):
    """What figures are told of the run, forgotten after the test."""
    told = {}
    monkeypatch.setattr(figures, "_described", told)
    for variable in parameters._QUIET:  # what a test sets is taken back
        monkeypatch.setenv(variable, "1")
    return told


def settled(models=True, **values):
    """The namespace of a notebook that declares these parameters, once they are settled."""
    namespace = {"__annotations__": {name: TYPES[name] for name in values}, "unrelated": 1}
    namespace |= values
    parameters.settle(namespace, "03_benchmark", models=models)
    return {name: namespace[name] for name in values}


@pytest.mark.parametrize(
    "given",
    [
        ["dcgan", "fst"],
        ("dcgan", "fst"),
        '["dcgan", "fst"]',
        "[dcgan, fst]",
        "['dcgan', 'fst', 'dcgan']",
        "- dcgan\n- fst",
    ],
)
def test_lists_are_read_as_json_and_yaml(given):
    assert settled(networks=given) == {"networks": ["dcgan", "fst"]}


def test_one_value_stands_for_a_list_and_none_for_all_choices():
    assert settled(networks="mde", sizes=64, rates="[1, 2.5]") == {
        "networks": ["mde"],
        "sizes": [64],
        "rates": [1.0, 2.5],
    }
    assert settled(networks=[]) == {"networks": names()}
    assert settled(sizes=[]) == {"sizes": []}


def test_text_is_read_as_the_type_that_is_declared():
    given = {"turns": "7", "quick": "true", "seconds": "2", "seed": "0", "scheduler": "12"}
    expected = {"turns": 7, "quick": True, "seconds": 2.0, "seed": 0, "scheduler": "12"}
    assert settled(**given) == expected
    assert isinstance(settled(seconds=3)["seconds"], float)


def test_variables_without_a_type_are_none_of_its_business():
    namespace = {"network": "resnet50", "__annotations__": {"absent": int, "odd": dict}, "odd": {}}
    parameters.settle(namespace, "01_the_split")
    assert namespace["network"] == "resnet50"


@pytest.mark.parametrize(
    ("name", "value", "expected", "got"),
    [
        ("network", "resnet50", ", ".join(names()), "'resnet50'"),
        ("network", 5, "a text", "5"),
        (
            "networks",
            ["dcgan", "resnet"],
            "or the path of a .keras, .onnx, .pt2 or .tflite file",
            "resnet",
        ),
        ("networks", "[dcgan", ", ".join(names()), "'[dcgan'"),
        ("processor", "tpu", "pe_array_32x7", "'tpu'"),
        ("zeros", "store", "generated, expanded, stored, pass", "'store'"),
        ("model", "model.pb", "the path of a .keras, .onnx, .pt2 or .tflite file", "'model.pb'"),
        ("turns", 0, "an integer, 1 or more", "0"),
        ("turns", 2.5, "an integer, 1 or more", "2.5"),
        ("turns", True, "an integer, 1 or more", "True"),
        ("turns", "many", "an integer, 1 or more", "'many'"),
        ("seed", -1, "an integer, 0 or more", "-1"),
        ("seconds", -2, "a number above 0", "-2.0"),
        ("seconds", float("nan"), "a number above 0", "nan"),
        ("quick", 1, "True or False", "1"),
        ("sizes", [1, "two"], "an integer, 1 or more", "'two'"),
    ],
)
def test_a_wrong_value_is_refused_with_the_choices(name, value, expected, got):
    with pytest.raises(SplitDeconvError) as refused:
        settled(**{name: value})
    assert refused.value.where == parameters.WHERE
    assert expected in refused.value.expected
    assert got in refused.value.got


def test_frameworks_write_only_errors_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("TPU_MIN_LOG_LEVEL", raising=False)
    settled()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["TPU_MIN_LOG_LEVEL"] == "3"


def test_a_notebook_that_takes_no_model_files_says_so():
    with pytest.raises(SplitDeconvError) as refused:
        settled(models=False, network="own.onnx")
    assert refused.value.expected == ", ".join(names())


@pytest.mark.parametrize("variable", [False, True])
def test_paths_start_where_make_or_papermill_was_started(
    tmp_path, monkeypatch, described, variable
):
    start, kernel = tmp_path / "start", tmp_path / "kernel"
    for folder in (start / "models", kernel):
        folder.mkdir(parents=True)
    (start / "models" / "own.TFLite").write_bytes(b"model")
    (start / "mine.yaml").write_text("name: mine\n")
    monkeypatch.chdir(kernel if variable else start)
    monkeypatch.delenv("SPLITDECONV_START", raising=False)
    if variable:
        monkeypatch.setenv("SPLITDECONV_START", str(start))
    found = settled(networks=["models/own.TFLite", "fst"], processor="mine.yaml", seed=4)
    assert found["networks"] == [str(start / "models" / "own.TFLite"), "fst"]
    assert found["processor"] == str(start / "mine.yaml")
    # The manifest has what was given, and the files that were read.
    given = {"networks": ["models/own.TFLite", "fst"], "processor": "mine.yaml", "seed": 4}
    assert (described["notebook"], described["parameters"]) == ("03_benchmark", given)
    assert described["inputs"] == [start / "models" / "own.TFLite", start / "mine.yaml"]
    json.dumps(described["parameters"])
    with pytest.raises(SplitDeconvError) as refused:
        settled(model="models/absent.onnx")
    assert str(start) in refused.value.expected
    assert refused.value.got == "'models/absent.onnx'"


def test_absolute_paths_and_no_model_are_themselves(tmp_path):
    path = tmp_path / "own.keras"
    path.touch()
    assert settled(model=str(path)) == {"model": str(path)}
    assert settled(model="") == {"model": ""}


def test_titles_tell_files_apart():
    networks = ["/a/one.onnx", "sngan", "/b/one.onnx", "/b/two.keras"]
    expected = ["a/one.onnx", "SNGAN", "b/one.onnx", "two.keras"]
    assert list(parameters.titles(networks).values()) == expected


@pytest.mark.parametrize(
    ("network", "expected"),
    [("sngan", "sngan"), ("/m/sngan.tflite", "sngan_tflite"), ("Ärger.keras", "rger_keras")],
)
def test_slugs_name_figures(network, expected, tmp_path):
    assert parameters.slug(network) == expected
    assert figures._name(f"03_{parameters.slug(network)}_layers")

"""Commands that errors suggest: quoted, and names are never options."""

import shlex
from pathlib import Path

import pytest

from splitdeconv.suggested import command, named


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("a.onnx", "a.onnx"),
        ("it's up.onnx", "it's up.onnx"),
        ("-x.onnx", "./-x.onnx"),
        ("--target", "./--target"),
        ("models/-x.onnx", "models/-x.onnx"),
        ("/tmp/-x.onnx", "/tmp/-x.onnx"),
    ],
)
def test_a_path_is_one_word_and_no_option(path, word):
    assert named(path) == word
    made = shlex.split(command("inspect", Path(path), "--check"))
    assert made == ["splitdeconv", "inspect", word, "--check"]

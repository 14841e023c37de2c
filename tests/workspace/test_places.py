"""Refusals say where in words of the user: an argument, an option or a file, no inner name."""

import ast
import re
from pathlib import Path

import splitdeconv

PACKAGE = Path(splitdeconv.__file__).parent
CHECKS = {"check_choice": 3, "check_count": 2, "check_seconds": 2}
#: Attributes that a user reads, and the endings of files.
KNOWN = {"result.model"}
INNER = re.compile(r"(?<![\w.])[a-z_]+\.[a-z_]\w*")


def texts(source):
    """The literal parts of every `where` of a refusal or a check."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        named = [each.value for each in call.keywords if each.arg == "where"]
        place = CHECKS.get(getattr(call.func, "id", ""))
        for value in named + (call.args[place : place + 1] if place else []):
            parts = value.values if isinstance(value, ast.JoinedStr) else [value]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def inner(source):
    return [text for text in texts(source) if text not in KNOWN and INNER.search(text)]


def test_no_refusal_is_placed_by_a_module_or_function():
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if (names := inner(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_inner_names_are_found():
    source = """
raise SplitDeconvError("no", where="vela.compile_model")
raise SplitDeconvError("no", where=f"models.export, layer {name}")
check_count(turns, "number of turns", "cpu.measure")
check_choice(form, FORMS, "form", where="plan.macs")
raise SplitDeconvError("no", where="the .onnx model")
raise SplitDeconvError("no", where="result.model")
check_seconds(timeout, "timeout", "timeout")
"""
    assert inner(source) == [
        "vela.compile_model",
        "models.export, layer ",
        "cpu.measure",
        "plan.macs",
    ]

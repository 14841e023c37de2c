"""Public names stay themselves, whatever submodules are imported and by which lazy_loader."""

import json
import os
import subprocess
import sys

import pytest

import splitdeconv

# As lazy_loader was before 0.6: nothing is kept, and submodules take the places of functions.
OLD = """
import ast, importlib
from pathlib import Path

def attach_stub(package, file):
    origins = {}
    for node in ast.parse(Path(file).with_suffix(".pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            origins |= {alias.name: node.module for alias in node.names}

    def get(name):
        if name not in origins:
            raise AttributeError(name)
        if origins[name] is None:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(f"{package}.{origins[name]}"), name)

    return get, lambda: sorted(origins), sorted(origins)
"""
ASK = """
import json
import splitdeconv.convert.targets, splitdeconv.dlp.simulate, splitdeconv.dlp.design_space.sweep
import lazy_loader, splitdeconv as sd, splitdeconv.dlp as dlp
sd.dlp.workload, sd.verify, splitdeconv.convert
names = [sd.convert, sd.plan, sd.dlp, dlp.simulate, dlp.compare, dlp.sweep, dlp.cycles]
print(json.dumps([lazy_loader.__file__, [callable(one) for one in names]]))
"""
CALLABLE = [True, True, False, True, True, True, False]  # the others are modules


@pytest.mark.parametrize("old", [False, True])
def test_functions_named_like_modules_stay_functions(tmp_path, old):
    if old:
        (tmp_path / "lazy_loader.py").write_text(OLD)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    loader, found = json.loads(told)
    assert loader.startswith(str(tmp_path)) is old
    assert found == CALLABLE


def test_other_attributes_can_be_set_and_names_be_replaced(monkeypatch):
    monkeypatch.setattr(splitdeconv, "convert", 7)
    assert splitdeconv.convert == 7
    monkeypatch.undo()
    assert callable(splitdeconv.convert)
    monkeypatch.setattr(splitdeconv, "remark", "new", raising=False)
    assert splitdeconv.remark == "new"

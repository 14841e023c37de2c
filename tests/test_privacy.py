"""Libraries report nothing to their makers: not in this process, not from one that loads them."""

import os
import subprocess
import sys

import pytest

from splitdeconv import extras, privacy


def test_loading_an_optional_library_switches_its_telemetry_off_first(monkeypatch):
    for name in privacy.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    seen = {}

    def load(name):
        seen.update(os.environ, blocked=sys.modules["openvino_telemetry"] is None)

    monkeypatch.setattr(extras, "import_module", load)
    extras.require("onnxruntime", "onnx")
    assert {name: seen[name] for name in privacy.VARIABLES} == privacy.VARIABLES
    assert seen["blocked"]


def test_a_reporter_in_use_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", os)
    privacy.protect()
    assert sys.modules["openvino_telemetry"] is os


@pytest.mark.parametrize(("module", "extra"), [("onnxruntime", "onnx"), ("openvino", "npu")])
def test_a_library_writes_nothing_at_home(tmp_path, module, extra):
    pytest.importorskip(module)
    # Neither this process' settings nor those of a build server, under which OpenVINO reports
    # nothing.
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in {*privacy.VARIABLES, "CI", "TF_BUILD", "JENKINS_URL"}
    }
    script = f"from splitdeconv.extras import require; require({module!r}, {extra!r})"
    subprocess.run([sys.executable, "-c", script], env={**kept, "HOME": str(tmp_path)}, check=True)
    assert not list(tmp_path.rglob("*"))

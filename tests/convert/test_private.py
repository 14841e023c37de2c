"""A conversion leaves nothing behind and calls nobody beyond this machine."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from splitdeconv import privacy
from tests.formats.keras.models import sequential
from tests.formats.onnx.models import arrays, single
from tests.formats.tflite.models import Deconv, deconv_model

pytestmark = pytest.mark.slow


@pytest.fixture
def trace(tmp_path):
    """A command that notes whom a program and its children call; empty if that is not allowed."""
    command = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg"]
    command += ["-o", str(tmp_path / "calls")]
    if shutil.which("strace") is None:
        return []
    allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if allowed else []


def model(kind):
    if kind == "tflite":
        return deconv_model(Deconv())
    return single(*arrays(1, (5, 4), (4, 3), 1, (3, 2)), strides=[2, 2]).SerializeToString()


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("kind", ["tflite", "onnx", "keras"])
def test_nothing_is_left_and_nobody_is_called(tmp_path, trace, kind):
    given, out = tmp_path / f"given.{kind}", tmp_path / f"out.{kind}"
    if kind == "keras":
        sequential().save(given)
    else:
        given.write_bytes(model(kind))
    # Neither this process' settings nor those of a build server, under which some libraries report
    # nothing.
    hidden = {
        *privacy.VARIABLES,
        "CI",
        "TF_BUILD",
        "JENKINS_URL",
        "KERAS_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    }
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    for variable in ("HOME", "TMPDIR"):
        (tmp_path / variable).mkdir()
        environment[variable] = str(tmp_path / variable)
    command = [*trace, sys.executable, "-m", "splitdeconv", "convert", str(given), "-o", str(out)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert out.is_file()
    assert not list((tmp_path / "HOME").rglob("*"))
    assert not list((tmp_path / "TMPDIR").rglob("*"))
    if trace:
        calls = (tmp_path / "calls").read_text()
        addresses = re.findall(r'inet_(?:addr|pton)\((?:AF_INET6, )?"([^"]+)"', calls)
        assert set(addresses) <= {"127.0.0.1", "::1"}

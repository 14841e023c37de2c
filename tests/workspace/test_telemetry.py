"""No telemetry and no news: what make, the notebooks' kernels, JupyterLab and Colab are told."""

import json
import sys

import nbformat
import pytest
from jupyterlab.handlers.announcements import NeverCheckForUpdate
from jupyterlab.labapp import LabApp

from splitdeconv import privacy
from tools import colab

pytestmark = pytest.mark.slow

TELL = f"""\
import json, os
print(json.dumps({{name: os.environ.get(name) for name in {list(privacy.VARIABLES)}}}))
"""
# What a user's shell may hold, which does not count here.
CONTRARY = {"ORT_DISABLE_TELEMETRY": "0", "ENABLE_RUNTIME_UPTIME_TELEMETRY": "1"}


def test_the_contrary_is_of_every_variable():
    assert set(CONTRARY) == set(privacy.VARIABLES)
    assert all(CONTRARY[name] != value for name, value in privacy.VARIABLES.items())


@pytest.mark.parametrize("target", ["bench", "measure"])
def test_scripts_that_make_runs_have_the_variables(checkout, target):
    checkout.write(f"benchmarks/{'measure_' * (target == 'measure')}all.py", TELL)
    result = checkout.make(target, set=CONTRARY)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == privacy.VARIABLES


def test_kernels_of_notebooks_have_the_variables(checkout):
    checkout.notebook("tells", TELL)
    checkout.write("params/tells.yaml", "notebook: tells\nminutes: 1\n")
    # Without make, whose own export the kernel would inherit as well.
    command = (
        sys.executable,
        "-m",
        "tools.run_notebook",
        "params/tells.yaml",
        "build/executed/tells.ipynb",
    )
    result = checkout.run(*command, set=CONTRARY)
    assert result.returncode == 0, result.stderr
    cells = nbformat.read(checkout.root / "build" / "executed" / "tells.ipynb", as_version=4).cells
    assert json.loads(cells[-1].outputs[0].text) == privacy.VARIABLES


def test_lab_has_the_variables_and_fetches_no_news(checkout):
    checkout.write("environment/bin/python", "#!/bin/sh\n")
    checkout.write(
        "environment/bin/jupyter",
        f"#!{sys.executable}\nimport sys\n{TELL}print(json.dumps(sys.argv[2:]))\n",
    )
    for name in ("python", "jupyter"):
        (checkout.root / "environment" / "bin" / name).chmod(0o755)
    result = checkout.run("make", "ENVIRONMENT=environment", "lab", set=CONTRARY)
    assert result.returncode == 0, result.stderr
    variables, options = map(json.loads, result.stdout.splitlines())
    assert variables == privacy.VARIABLES
    lab = LabApp()
    lab.parse_command_line([option for option in options if option.startswith("--LabApp.")])
    assert lab.news_url is None
    assert lab.check_for_updates_class is NeverCheckForUpdate
    assert lab.extension_manager == "readonly"


def test_kernels_on_colab_have_the_variables(checkout):
    content = checkout.root / "home" / "content"
    (content / "checkout" / "notebooks").mkdir(parents=True)  # the clone, as after a restart
    checkout.write("home/content/checkout/tools/colab_setup.py", "def install(_): pass\n")
    start = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('colab')\n"
    code = start + colab.cell("01_the_split", "https://example.org") + "\n" + TELL
    result = checkout.run(sys.executable, "-c", code, cwd=content, set=CONTRARY)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == privacy.VARIABLES

"""What `make setup` does on machines it cannot serve, and when it is interrupted."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Answers what tools/setup.sh asks: its version, whether it can make environments, to make one, and
# to install.
PYTHON = """\
#!/bin/bash
echo "$*" >> "{log}"
case "$*" in
    *version_info*) echo {version} ;;
    *ensurepip*) exit {ensurepip} ;;
    "-m venv --clear "*)
        rm -rf "${{@: -1}}"
        mkdir -p "${{@: -1}}/bin"
        for name in python python{version}; do cp "$0" "${{@: -1}}/bin/$name"; done ;;
    *"pip install"*"-r requirements.lock")
        mkdir -p "$(dirname "$0")/../lib/python{version}/site-packages/numpy/core"
        touch "$(dirname "$0")/../lib/python{version}/site-packages/numpy/"{{__init__,core/deep}}.py
        exit {pip} ;;
esac
"""


@pytest.fixture
def setup(checkout):
    """A function that runs `make setup` with a pretended Python: the result and the calls."""
    shutil.copy(ROOT / "pyproject.toml", checkout.root)
    checkout.write("requirements.lock", "numpy==1\n")

    def run(version="3.12", ensurepip=0, pip=0, machine="Linux x86_64"):
        log = checkout.root / "log"
        log.unlink(missing_ok=True)
        checkout.write(
            "bin/python", PYTHON.format(log=log, version=version, ensurepip=ensurepip, pip=pip)
        )
        checkout.write("bin/uname", f"#!/bin/bash\necho {machine}\n")
        for name in ("python", "uname"):
            (checkout.root / "bin" / name).chmod(0o755)
        path = f"{checkout.root / 'bin'}:/usr/bin:/bin"
        result = checkout.run(
            "make", "setup", f"PYTHON={checkout.root / 'bin' / 'python'}", env={"PATH": path}
        )
        return result, log.read_text() if log.exists() else ""

    run.mark = checkout.root / ".venv" / "requirements.lock"
    run.root = checkout.root
    return run


def test_setup_installs_the_lock_once(setup):
    result, asked = setup()
    assert result.returncode == 0, result.stderr
    assert (
        "-m pip install --disable-pip-version-check --require-hashes -r requirements.lock" in asked
    )
    assert "--no-deps --no-build-isolation -e ." in asked
    assert setup.mark.read_text() == "numpy==1\n"
    result, asked = setup()
    assert "install" not in asked
    assert "Nothing to be done" in result.stdout


def test_a_touched_lock_installs_nothing_a_changed_one_everything(setup):
    setup()
    (setup.root / "requirements.lock").touch()
    assert "--require-hashes" not in setup()[1]
    (setup.root / "requirements.lock").write_text("numpy==2\n")
    asked = setup()[1]
    assert "venv --clear" in asked
    assert "--require-hashes" in asked
    assert setup.mark.read_text() == "numpy==2\n"


def test_another_python_makes_another_environment(setup):
    setup()
    asked = setup(version="3.13")[1]
    assert "venv --clear" in asked
    assert "--require-hashes" in asked


def test_a_failed_installation_is_not_taken_for_a_finished_one(setup):
    result, _ = setup(pip=1)
    assert result.returncode != 0
    assert "the packages were not installed" in result.stderr
    assert not setup.mark.exists()
    result, asked = setup()
    assert result.returncode == 0
    assert "venv --clear" in asked
    # Nor is an environment still marked as finished while a changed lock is being installed into
    # it.
    (setup.root / "requirements.lock").write_text("numpy==2\n")
    assert setup(pip=1)[0].returncode != 0
    assert not setup.mark.exists()


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ("lib/python3.12/site-packages/numpy", "numpy/__init__.py"),
        ("lib/python3.12/site-packages/numpy/__init__.py", "numpy/__init__.py"),
        ("lib/python3.12/site-packages/numpy/core/deep.py", "numpy/core/deep.py"),
        ("lib", "numpy/__init__.py"),
        ("bin/python3.12", "python3.12"),
        ("bin/python", "bin/python, which does not start"),
    ],
)
def test_an_environment_that_has_lost_files_is_made_again(setup, lost, named):
    setup()
    path = setup.root / ".venv" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if lost == "bin/python":
        path.symlink_to("/nowhere/python")  # as when the Python it was made of was removed
    result, asked = setup()
    assert result.returncode == 0, result.stderr
    assert f".venv lacks {named}: it is installed again" in result.stderr
    assert "venv --clear" in asked
    assert "--require-hashes" in asked
    assert "install" not in setup()[1]


def test_every_target_notices_a_package_that_is_gone(setup):
    setup()
    assert "lacks" not in make_lab(setup).stderr
    shutil.rmtree(setup.root / ".venv" / "lib" / "python3.12" / "site-packages" / "numpy")
    printed = make_lab(setup)
    assert ".venv lacks numpy/__init__.py: it is installed again" in printed.stderr
    assert "tools/setup.sh" in printed.stdout


def make_lab(setup):
    command = ["make", "--dry-run", "lab", f"PYTHON={setup.root / 'bin' / 'python'}"]
    return subprocess.run(command, cwd=setup.root, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ({"version": "3.10"}, r"Python 3.11 to 3.13 is needed; .*/bin/python is 3.10"),
        ({"version": "3.14"}, r"Python 3.11 to 3.13 is needed; .*/bin/python is 3.14"),
        ({"ensurepip": 1}, r"cannot make virtual environments.*\n.*apt install python3.12-venv"),
        ({"machine": "Linux aarch64"}, r"is for Linux on x86-64; this is Linux aarch64"),
        (
            {"machine": "Darwin arm64"},
            r"is for Linux on x86-64; this is Darwin arm64.\n.*environment.yml",
        ),
    ],
)
def test_a_machine_that_cannot_serve_is_told_why(setup, machine, problem):
    result, asked = setup(**machine)
    assert result.returncode != 0
    assert result.stderr.startswith("splitdeconv: ")
    assert re.search(problem, result.stderr), result.stderr
    assert "install" not in asked
    assert not setup.mark.exists()

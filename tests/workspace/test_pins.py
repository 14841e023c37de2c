"""What make installs is pinned by hash, each file complete, and pip is told to insist on it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = (
    "requirements.lock",
    "tests/lowest.txt",
    "tools/peers/requirements.txt",
    "tools/peers/sources.txt",
    "tools/peers/accelforge.txt",
)


def pins(path):
    """The packages of a pinned file, each with its version and hashes."""
    text = (ROOT / path).read_text().replace("\\\n", " ")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, version = re.match(r"([a-z0-9.-]+)==([^\s;]+)", line).groups()
        assert name not in found or path == "requirements.lock", (
            name
        )  # where versions differ by Python's
        found[name] = (version, re.findall(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)", line))
    return found


@pytest.mark.parametrize("path", PINNED)
def test_every_package_has_a_version_and_hashes(path):
    found = pins(path)
    assert found
    assert not [name for name, (_, hashes) in found.items() if not hashes]


def test_the_simulators_are_pinned_as_asked():
    folder = ROOT / "tools" / "peers"
    for stem in ("requirements", "sources", "accelforge"):
        asked, pinned = f"{stem}.in", f"{stem}.txt"
        wanted = dict(
            re.findall(r"^([a-z0-9-]+)==(\S+)", (folder / asked).read_text(), re.MULTILINE)
        )
        assert wanted
        found = {name: version for name, (version, _) in pins(f"tools/peers/{pinned}").items()}
        assert {name: found.get(name) for name in wanted} == wanted
    # A source runs code when it is built: these are all there are, and pip takes no others.
    assert list(pins("tools/peers/sources.txt")) == ["multiprocessing-on-dill"]


@pytest.fixture
def asked(checkout):
    """A function that runs a target with a Python that notes its arguments, and returns them."""
    log = checkout.root / "log"
    python = '#!/bin/bash\necho "$*" >> "{log}"\n'
    python += 'case "$*" in "-m venv"*) mkdir -p "${{@: -1}}/bin"; \\\n'
    python += 'cp "$0" "${{@: -1}}/bin/python";; esac\n'
    checkout.write("bin/python", python.format(log=log))
    (checkout.root / "bin" / "python").chmod(0o755)

    def run(target):
        for path in PINNED[1:]:
            checkout.write(path, (ROOT / path).read_text())
        options = {"set": {"PIP_USER": "1", "PIP_REQUIRE_HASHES": "0"}}
        names = [f"{name}={checkout.root / 'bin' / 'python'}" for name in ("PYTHON", "PYTHON312")]
        result = checkout.run("make", target, *names, **options)
        assert result.returncode == 0, result.stderr
        return [line for line in log.read_text().splitlines() if "pip install" in line]

    return run


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("test-lowest", ["tests/lowest.txt"]),
        ("build/peers/.installed", ["tools/peers/requirements.txt", "tools/peers/sources.txt"]),
        ("build/accelforge/.installed", ["tools/peers/accelforge.txt"]),
    ],
)
def test_pip_installs_by_hash_and_builds_nothing_but_what_is_named(asked, target, files):
    commands = [line for line in asked(target) if " -r " in line]
    assert [line.split(" -r ")[1] for line in commands] == files
    for line in commands:
        assert "--require-hashes" in line
        assert "--no-user" in line
        assert ("--only-binary :all:" in line) != line.endswith("sources.txt")


def test_what_is_built_is_built_by_what_is_pinned(asked):
    built = asked("build/peers/.installed")[-1]
    assert "--no-build-isolation" in built
    assert "setuptools" in pins("tools/peers/requirements.txt")

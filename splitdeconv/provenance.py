"""Where results come from: the machine, the versions, the files."""

import hashlib
import os
import platform
import re
from importlib import metadata
from pathlib import Path

from .release import version

_PACKAGES = (
    "numpy",
    "pandas",
    "matplotlib",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "jax",
    "torch",
    "ai-edge-litert",
    "onnxruntime",
    "openvino",
    "ethos-u-vela",
    "libtpu",
)


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed(package: str) -> str | None:
    """The version of an installed package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of Python and of those packages that results depend on and that are installed."""
    packages = {package: installed(package) for package in _PACKAGES}
    own = {"python": platform.python_version(), "splitdeconv": version()}
    return own | {package: number for package, number in packages.items() if number is not None}


def device() -> str:
    """The processor's model and how many logical cores this machine has.

    Virtual machines often reduce the model name to the maker's, such as "AMD EPYC". The family and
    model numbers, which they leave alone, still identify the generation.
    """
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        described = ""
    name = _cpu_field(described, "model name") or platform.processor() or platform.machine()
    numbers = {key: _cpu_field(described, key) for key in ("cpu family", "model", "stepping")}
    known = ", ".join(
        f"{key.removeprefix('cpu ')} {value}" for key, value in numbers.items() if value
    )
    return f"{name}{f' ({known})' if known else ''}, {os.cpu_count()} logical cores"


def _cpu_field(described: str, key: str) -> str | None:
    """One value of /proc/cpuinfo, of the first core."""
    line = re.search(rf"^{key}[ \t]*:[ \t]*(.+)$", described, re.MULTILINE)
    return line[1].strip() if line else None

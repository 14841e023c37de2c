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
    """Versions of Python and of the packages that results depend on, as far as they are installed."""
    packages = {package: installed(package) for package in _PACKAGES}
    own = {"python": platform.python_version(), "splitdeconv": version()}
    return own | {package: number for package, number in packages.items() if number is not None}


def device() -> str:
    """The processor's name as Linux gives it, and how many logical cores this machine has."""
    try:
        described = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        described = None
    name = described[1] if described else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} logical cores"

"""The device that JAX finds here, and the generation of Cloud TPU that it is."""

import subprocess
import sys

#: A TPU's name in JAX, and its generation in `libtpu.GENERATIONS`.
_NAMES = {
    "TPU v2": "v2",
    "TPU v3": "v3",
    "TPU v4": "v4",
    "TPU v5 lite": "v5e",
    "TPU v5e": "v5e",
    "TPU v5": "v5p",
    "TPU v5p": "v5p",
    "TPU v6 lite": "v6e",
    "TPU v6e": "v6e",
}
_ASK = "import jax; device = jax.devices()[0]; print(); print(device.platform, device.device_kind)"


def find_device(timeout: float = 120) -> tuple[str | None, str | None]:
    """The first device that JAX finds, or why it finds none.

    A process of its own is asked: whoever asks a TPU holds it until it ends.

    Args:
        timeout: seconds to wait for an answer.

    Returns:
        (device, reason), one of them None; a device is its platform and its kind, as "tpu TPU v4".
    """
    command = [sys.executable, "-P", "-c", _ASK]  # -P: a file named jax.py here is not imported
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"JAX has not named a device after {timeout:g} s"
    lines = (result.stderr if result.returncode else result.stdout).strip().splitlines()
    last = lines[-1].strip() if lines else ""
    if result.returncode:
        return None, f"JAX ended with code {result.returncode}: {last[:200]}"
    return last, None


def generation_of(device: str | None) -> str | None:
    """The generation of a TPU as `find_device` names it; None for all else.

    Example:
        >>> generation_of("tpu TPU v5 lite"), generation_of("cpu cpu")
        ('v5e', None)
    """
    platform, _, kind = (device or "").partition(" ")
    return _NAMES.get(kind) if platform == "tpu" else None

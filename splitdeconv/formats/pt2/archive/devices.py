"""The devices of a program, which must be there to read it."""

from __future__ import annotations

from ....errors import SplitDeconvError
from ....extras import require

#: Devices that need no hardware.
_ALWAYS = ("cpu", "meta")


def check(name: str, where: str) -> None:
    """Refuse a program for a device that this machine, or this PyTorch, does not have.

    Args:
        name: the type of the device, as the file gives it.
        where: the name of the file in errors.

    Raises:
        SplitDeconvError: it is not available.
    """
    torch = require("torch", "torch")
    if name in _ALWAYS:
        return
    library = getattr(torch, name, None)
    available = getattr(library, "is_available", None)
    if callable(available) and available():
        return
    raise SplitDeconvError(
        "the .pt2 file is for a device that is not available here",
        where=where,
        expected="a program on the CPU, or that device",
        got=name,
        fix="move it before saving: program = torch.export.passes.move_to_device_pass(program, "
        "'cpu')",
    )

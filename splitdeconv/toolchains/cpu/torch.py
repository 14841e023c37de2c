"""PyTorch on this CPU: run the exported program in a .pt2 file, operator by operator."""

from functools import partial

from ...errors import SplitDeconvError
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "torch", "torch", (2, 13)


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """Load a .pt2 for fixed inputs; as `Runtime.load`. Shapes and types must be fixed.

    The number of threads is PyTorch's in the whole process.
    """
    from ...formats.pt2 import runtime
    from ...formats.pt2.archive import file

    where = "the .pt2 model"
    run = runtime.load(file.load(data, where), threads)[""]
    feed = {}
    for place, port in enumerate(run.inputs):
        if port.dtype is None:
            raise SplitDeconvError(
                f"the input {port.name} cannot be drawn",
                where=f"{where}, input {port.name}",
                expected="an element type that NumPy has, or bfloat16",
                got="another one",
            )
        shape = package.fixed(port.name, port.shape or (), where)
        feed[port.name] = draw(place, shape, port.dtype)
    named = partial(run, feed)
    return named, lambda: list(named().values())

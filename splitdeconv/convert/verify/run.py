"""Models that are run for a proof: every run is a sign of life to the process that waits for it."""

from pathlib import Path
from typing import Any

from ...formats.format import Format
from ...formats.port import KERNELS, Runner
from ...limits import allowance


def load(
    format: Format,
    model: Any,
    path: str | Path | None = None,
    kernels: str = KERNELS[0],
    native: bool = False,
    threads: int | None = None,
) -> dict[str, Runner]:
    """The entry points of a model, each ready to run; see `Format.load`.

    Raises:
        RejectedError: the runtime does not take the model.
    """
    loaded = format.load(model, path, kernels, native, threads)
    return {name: Runner(run.inputs, allowance.watched(run)) for name, run in loaded.items()}

"""The process that has every framework: it makes files, and compares them with the original.

`tools.survey.__main__` asks it; a library that crashes, or never ends, takes only this process
along.
"""

from pathlib import Path

import numpy as np

from splitdeconv.limits.loop import serve

from . import independent
from .entries import Entry
from .makers import make


def answer(task):
    """Do what ``do`` names, with the rest of the task as arguments."""
    return {"make": made, "compare": compared}[task.pop("do")](**task)


def made(entry, folder):
    """Make one file in a folder, with its inputs beside it.

    Returns:
        ``path`` of the file, ``inputs`` (path of an .npz file, or None), the ``version`` of the
        library, and ``rounding``: the largest difference between the file and the network in its
        own framework, over the largest value.
    """
    entry, folder = Entry(**entry), Path(folder)
    result = make(entry, folder)
    _check(result.expected)
    inputs = folder / "inputs.npz"
    np.savez(inputs, **result.inputs)
    rounding = None
    if result.expected is not None:
        given = independent.outputs(result.path, result.inputs)
        first = [[np.asarray(sample)] for sample in result.expected]
        rounding = independent.difference(first, [sample[:1] for sample in given])
    return {
        "path": str(result.path),
        "inputs": str(inputs) if result.inputs else None,
        "version": result.version,
        "rounding": rounding,
    }


def _check(expected):
    """Reject a network whose outputs could not show a difference."""
    if expected is None:
        return
    if not np.isfinite(expected).all() or expected.max() == expected.min():
        raise ValueError("the outputs of the network do not vary, or are not finite")


def compared(path, others, inputs):
    """The largest differences of other files from one, as `independent.difference`."""
    with np.load(inputs) as values:
        samples = dict(values)
    right = independent.outputs(Path(path), samples)
    return {
        "errors": [
            independent.difference(right, independent.outputs(Path(other), samples))
            for other in others
        ]
    }


if __name__ == "__main__":
    serve(answer)

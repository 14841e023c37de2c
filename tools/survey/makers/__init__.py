"""Make the file of an entry, its inputs, and the outputs that its own framework gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

SAMPLES = 2


@dataclass(frozen=True)
class Made:
    """A model file with what it is to be compared with.

    Attributes:
        path: of the file.
        inputs: by name, with the samples along a new first axis.
        expected: outputs of the network in its own framework, or None where it has no other
            framework than the file's own.
        version: the library and its version.
    """

    path: Path
    inputs: Mapping[str, np.ndarray]
    expected: np.ndarray | None
    version: str


def make(entry, folder: Path) -> Made:
    """Make the file of an entry in a folder."""
    maker = import_module(f".{entry.framework}", __name__)
    made: Made = maker.make(entry, folder)
    return made

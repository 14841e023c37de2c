"""Check whether a converted .tflite file still runs with a batch of 0 if the original does.

LiteRT was not designed for empty batches. What an operator does with one depends on the operator,
its type and its kernels, and some divide by a length of 0, which kills the process. Both files are
therefore tried, one after the other, in a separate process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formats.content import content
from ...formats.port import Arrays, Input, RejectedError
from ...formats.registry import format_of
from ...limits import sandbox, temporary
from ...limits.guard import Guarded
from .run import load

if TYPE_CHECKING:
    from .entry import Entry
    from .inputs import Recipe

#: The note for a file that no longer accepts an empty batch.
EMPTY_BATCH = (
    "the original runs with a batch of 0 on LiteRT's default kernels, the converted file does not; "
    "batches of 1 and more are verified"
)
_SECONDS = 60


def note(entry: Entry, ports: Sequence[Input], recipe: Recipe, seed: int) -> tuple[str, ...]:
    """The notes on a batch of 0 for the report.

    Args:
        entry: an `Entry` of two .tflite models.
        ports: its inputs.
        recipe: a `Recipe` that the model accepts.
        seed: seed of the inputs.
    """
    if not any(port.shape and port.shape[0] is None for port in ports):
        return ()
    feed = replace(recipe, batch=0).draw(ports, 0, seed)
    lost = loses(entry.pair.original, entry.pair.converted, entry.name, feed)
    return (EMPTY_BATCH,) if lost else ()


def loses(original: bytes | Path, converted: bytes | Path, name: str, feed: Arrays) -> bool:
    """Whether the converted model rejects an input of the original, or gives other output shapes.

    Args:
        original, converted: bytes or paths of .tflite files.
        name: name of the entry point.
        feed: arrays by input name.
    """
    with temporary.folder() as folder, temporary.writing(folder):
        paths = [
            _as_path(model, folder / part)
            for model, part in ((original, "original"), (converted, "converted"))
        ]
        (folder / "tmp").mkdir()
        # Tensor names may not be valid file names in an archive.
        arrays: dict[str, Any] = {f"v{i}": v for i, v in enumerate(feed.values())}
        np.savez(folder / "feed.npz", names=np.array(list(feed)), **arrays)
        arguments = [*map(str, paths), str(folder / "feed.npz"), name]
        command = [sys.executable, "-P", "-m", __name__, *arguments]
        with (folder / "ran").open("wb") as ran:
            streams: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": ran,
                "stderr": subprocess.DEVNULL,
            }
            with (
                suppress(OSError, subprocess.TimeoutExpired),
                Guarded(command, env=sandbox.variables(folder / "tmp"), **streams) as child,
            ):
                child.wait(_SECONDS)
        return (folder / "ran").read_bytes().split() == [b"original"]


def _as_path(model: bytes | Path, path: Path) -> Path:
    if isinstance(model, Path):
        return model
    path.write_bytes(content(model))
    return path


def _try(original: str, converted: str, feed: str, name: str) -> None:
    """Run both models; print the name of each that ran and gave outputs of the same shapes."""
    with np.load(feed) as file:
        arrays = {key: file[f"v{i}"] for i, key in enumerate(file["names"].tolist())}
    shapes: dict[str, tuple[int, ...]] | None = None
    for model, path in (("original", original), ("converted", converted)):
        try:
            outputs = load(format_of("tflite"), Path(path), threads=1)[name](arrays)
        except (RejectedError, KeyError):
            return
        # XNNPACK may run without an error but return meaningless shapes.
        returned = {key: value.shape for key, value in outputs.items()}
        if shapes not in (None, returned):
            return
        shapes = returned
        print(model, flush=True)


if __name__ == "__main__":
    _try(*sys.argv[1:])

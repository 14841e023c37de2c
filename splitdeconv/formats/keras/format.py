"""The format of Keras: models in memory and .keras files, run by Keras itself."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...extras import require
from ..cut import Cut
from ..format import Format
from ..recognition import archives

if TYPE_CHECKING:
    import keras

    from ..content import Bytes, Source
    from ..port import Arrays, Runner
    from ..row import Row
    from ..site import Site
    from .model import KerasModel
    from .runtime import Part


class Keras(Format):
    """See `splitdeconv.formats.format`; Keras is imported when a method is called."""

    name = "keras"
    loads_tensorflow = True
    kernels = ("default",)
    runs_files = False
    float_tokens = True

    def begins(self, head: Bytes) -> bool:
        return head[:4] == b"PK\x03\x04"

    def holds(self, data: Bytes) -> bool:
        """Whether the archive has a configuration and metadata at its top level."""
        # A mapped file serves as the open file that it is a view of.
        file: Any = io.BytesIO(data) if isinstance(data, bytes) else data
        try:
            with zipfile.ZipFile(file) as archive:
                return {"config.json", "metadata.json"} <= set(archive.namelist())
        except archives.BROKEN:
            return False

    def owns(self, model: object) -> bool:
        # One can only exist if keras has been imported.
        return "keras" in sys.modules and isinstance(model, sys.modules["keras"].Model)

    def source(self, path: Path) -> Path:
        return path

    def parse(self, data: keras.Model | bytes | Path, path: str | Path | None = None) -> KerasModel:
        from .model import KerasModel

        return KerasModel.parse(data, path=path)

    def load(
        self,
        model: keras.Model | Part,
        path: str | None = None,
        kernels: str = "default",
        native: bool = False,
        threads: int | None = None,
    ) -> dict[str, Runner]:
        from .runtime import load

        return load(model, native)

    def opened(self, original: Source, converted: Source) -> tuple[keras.Model, keras.Model]:
        """Large weights that are equal in both are held once if the second is a file."""
        from .model import KerasModel

        ours = self.parse(original).serialize()
        return ours, KerasModel.parse(converted, like=ours).serialize()

    def cut(
        self, original: keras.Model, converted: keras.Model, site: Site, folder: Path | None = None
    ) -> Cut:
        """The layer in both models, with its input shape."""
        from .copy import layers_of

        old, new = (layers_of(model)[site.key] for model in (original, converted))
        spatial, channels = tuple(axis.n for axis in site.known_axes), site.in_channels
        first = old.data_format == "channels_first"
        image = (channels, *spatial) if first else (*spatial, channels)
        part = old, (site.batch, *image)
        return Cut(part, part if new is old else (new, part[1]))

    def tables(self, model: keras.Model | Part) -> Iterator[tuple[str, int]]:
        """(input, rows) for every Embedding that reads an input."""
        from .copy import layers_of

        if isinstance(model, tuple):  # a single layer
            return
        for layer in layers_of(model):
            if type(layer).__name__ == "Embedding":
                for node in layer._inbound_nodes:
                    for tensor in node.input_tensors:
                        yield tensor._keras_history.operation.name, layer.input_dim

    def keeps_state(
        self,
        model: keras.Model | Part,
        run: Runner,
        fresh: Callable[[], Runner],
        feed: Arrays,
        same: Callable[[Arrays, Arrays], bool],
    ) -> bool:
        """Whether a run changes a variable, other than those of random generators."""
        if isinstance(model, tuple):  # a single layer
            return False
        values_of = require("keras", "tensorflow").ops.convert_to_numpy
        kept = [variable for variable in model.variables if "seed_generator" not in variable.path]
        before = [np.copy(values_of(variable)) for variable in kept]
        run(feed)
        return any(
            not np.array_equal(old, values_of(variable))
            for old, variable in zip(before, kept, strict=True)
        )

    def result(self, content: keras.Model | bytes, folder: Path | None) -> keras.Model:
        """A `keras.Model`."""
        return self.parse(content).serialize() if isinstance(content, bytes) else content

    def save(
        self,
        content: keras.Model | bytes,
        folder: Path | None,
        path: str | Path,
        overwrite: bool = False,
        external: bool = False,
    ) -> Path:
        file = content if isinstance(content, bytes) else content.save
        return super().save(file, folder, path, overwrite)

    def layers(
        self,
        data: bytes | Path,
        where: str,
        path: str | Path | None = None,
        size: Sequence[int] | None = None,
    ) -> list[Row]:
        from ...networks import layer_table

        table = layer_table(self.parse(data, path).serialize())
        rows: list[Row] = table.to_dict("records")
        return rows


FORMAT = Keras()

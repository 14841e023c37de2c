"""The format of Keras: models in memory and .keras files, run by Keras itself."""

import io
import zipfile
from pathlib import Path

import numpy as np

from ...extras import require
from ..cut import Cut
from ..format import Format
from ..recognition import archives


class Keras(Format):
    """See `splitdeconv.formats.format`; Keras is imported when a method is called."""

    name = "keras"
    loads_tensorflow = True
    kernels = ("default",)
    runs_files = False
    float_tokens = True

    def begins(self, head):
        return head[:4] == b"PK\x03\x04"

    def holds(self, data):
        """Whether the archive has a configuration and metadata at its top level."""
        try:
            with zipfile.ZipFile(io.BytesIO(data) if isinstance(data, bytes) else data) as archive:
                return {"config.json", "metadata.json"} <= set(archive.namelist())
        except archives.BROKEN:
            return False

    def source(self, path):
        return path

    def parse(self, data, path=None):
        from .model import KerasModel

        return KerasModel.parse(data, path=path)

    def load(self, model, path=None, kernels="default", native=False, threads=None):
        from .runtime import load

        return load(model, native)

    def opened(self, original, converted):
        """Share equal weights between the two models if one was loaded from a file."""
        from .model import share

        models = tuple(self.parse(model).serialize() for model in (original, converted))
        if isinstance(converted, Path):
            share(*models)
        return models

    def cut(self, original, converted, site, folder=None):
        """The layer in both models, with its input shape."""
        from .copy import layers_of

        layers = [layers_of(model)[site.key] for model in (original, converted)]
        spatial = tuple(axis.n for axis in site.axes)
        first = layers[0].data_format == "channels_first"
        shape = (
            site.batch,
            *((site.in_channels, *spatial) if first else (*spatial, site.in_channels)),
        )
        parts = [(layer, shape) for layer in layers]
        return Cut(parts[0], parts[0] if layers[0] is layers[1] else parts[1])

    def tables(self, model):
        """(input, rows) for every Embedding that reads an input."""
        from .copy import layers_of

        if isinstance(model, tuple):  # a single layer
            return
        for layer in layers_of(model):
            if type(layer).__name__ == "Embedding":
                for node in layer._inbound_nodes:
                    for tensor in node.input_tensors:
                        yield tensor._keras_history.operation.name, layer.input_dim

    def keeps_state(self, model, run, fresh, feed, same):
        """Whether a run changes a variable, other than those of random generators."""
        if isinstance(model, tuple):  # a single layer
            return False
        values_of = require("keras", "tensorflow").ops.convert_to_numpy
        kept = [v for v in model.variables if "seed_generator" not in v.path]
        before = [np.copy(values_of(variable)) for variable in kept]
        run(feed)
        return any(
            not np.array_equal(old, values_of(variable))
            for old, variable in zip(before, kept, strict=True)
        )

    def result(self, content, folder):
        """A `keras.Model`."""
        return self.parse(content).serialize() if isinstance(content, bytes) else content

    def save(self, content, folder, path, overwrite=False):
        return super().save(
            content if isinstance(content, bytes) else content.save, folder, path, overwrite
        )

    def layers(self, data, where, path=None, size=None):
        from ...networks import layer_table

        return layer_table(self.parse(data, path).serialize()).to_dict("records")


FORMAT = Keras()

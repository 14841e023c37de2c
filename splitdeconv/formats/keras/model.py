"""Keras models: a copy whose transposed convolutions become their twins from `splitdeconv.layers`.

A layer is swapped by changing the class of the object to its twin. Name, weights, trainable flag,
dtype policy, its place in every graph, list and attribute, and the optimizer's references to its
variables thereby stay as they were; only the computation changes. Sequential and functional models
are copied first. In a subclassed model, whose code only its author knows, the layers are swapped in
place.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...errors import SplitDeconvError
from ...extras import require
from ..input_shapes import ModelInput
from ..model import Model
from . import file as keras_file, sparing, unseen
from .copy import KNOWN, copy_of, layers_of
from .ops import called_directly, operations_of
from .sites import TWINS, is_twin, kind_of, site_of

if TYPE_CHECKING:
    import keras

    from ..input_shapes import Shape
    from ..site import Decision, Site
else:
    keras = require("keras", "tensorflow")


class KerasModel(Model):
    """A Keras model and the places of its transposed convolutions; see `parse`."""

    def __init__(self, model: keras.Model, path: str | None = None) -> None:
        self._model, self._path = model, path
        self._own = path is not None or not _is_graph(model)  # whether it may be modified

    @classmethod
    def parse(
        cls,
        data: keras.Model | bytes | Path,
        *,
        path: str | Path | None = None,
        like: keras.Model | None = None,
    ) -> KerasModel:
        """Wrap a model.

        Args:
            data: a `keras.Model`, or a .keras file (bytes or path), loaded in Keras' safe mode.
            path: of the file, which only errors name: a .keras file is self-contained.
            like: a model that a file's model shares equal large weights with; neither may be
                trained afterwards.

        Raises:
            SplitDeconvError: Keras cannot load the file, or not safely; see `keras_file.load`.
        """
        if keras.backend.backend() not in ("tensorflow", "jax"):
            raise SplitDeconvError(
                "the split layers do not support this Keras backend",
                where="KERAS_BACKEND",
                expected="tensorflow or jax",
                got=keras.backend.backend(),
                fix="set KERAS_BACKEND=tensorflow before importing keras",
            )
        if isinstance(data, keras.Model):
            return cls(data)
        where = "a .keras file" if path is None else str(path)
        return cls(keras_file.load(data, where, like), "a file")

    def sites(self) -> list[Site]:
        """Every built-in transposed convolution, also nested or wrapped; shared layers once."""
        layers = enumerate(layers_of(self._model))
        sites = [site_of(index, layer) for index, layer in layers if kind_of(layer)]
        return sites + called_directly(self._model)

    def operators(self) -> list[tuple[str, int]]:
        """The layers without sublayers, by class; the version is 1, as Keras has no versions."""
        leaves = [
            layer
            for layer in layers_of(self._model)
            if not list(layer._flatten_layers(include_self=False))
        ]
        return [
            (f"Split{type(leaf).__name__}" if is_twin(leaf) else type(leaf).__name__, 1)
            for leaf in leaves
        ]

    def unseen(self) -> list[str]:
        """Layers and operations that run custom code, except those listed as sites."""
        every = [*layers_of(self._model), *operations_of(self._model)]
        return unseen.names((layer for layer in every if not kind_of(layer)), KNOWN)

    def inputs(self) -> list[ModelInput]:
        """The inputs as a flat list; empty for a model that does not declare them."""
        struct = inputs_of(self._model)
        tensors = [] if struct is None else keras.tree.flatten(struct)
        return [
            ModelInput(name, tuple(x.shape))
            for name, x in zip(input_names(tensors), tensors, strict=True)
        ]

    def fix(self, shapes: list[Shape | None]) -> None:
        """Rebuild the model for inputs of these shapes.

        Args:
            shapes: one per input, with None for lengths that stay; None for an input that stays.

        Raises:
            SplitDeconvError: Keras cannot build it, or it is a subclassed model.
        """
        if not _is_graph(self._model):
            raise SplitDeconvError(
                "a subclassed Keras model has no inputs to fix",
                where=self._model.name,
                expected="a Sequential or functional model",
                got=type(self._model).__name__,
                fix="call it on arrays of the shape you want",
            )
        struct = inputs_of(self._model)
        tensors = [
            keras.Input(batch_shape=shape or x.shape, dtype=x.dtype, name=x.name, sparse=x.sparse)
            for x, shape in zip(keras.tree.flatten(struct), shapes, strict=True)
        ]
        inputs = keras.tree.pack_sequence_as(struct, tensors)
        sharing = self._path is not None
        self._model, self._own = copy_of(self._model, inputs, sharing), True

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Swap the layers whose verdict is "convert"."""
        if not self._own:
            self._model, self._own = copy_of(self._model), True
        layers = layers_of(self._model)
        for decision in decisions:
            if decision.verdict == "convert":
                layer = layers[decision.site.key]
                layer.__class__ = TWINS[type(layer)]
                layer.form, layer.interleave = decision.form, decision.interleave
                kernels = decision.kernels
                layer.pad_to = None if kernels is None else kernels.plain()
        for model in (layer for layer in layers if isinstance(layer, keras.Model)):
            # Functions compiled before would still use the old computation.
            model.train_function = model.test_function = model.predict_function = None

    def serialize(self) -> keras.Model:
        """The model."""
        return self._model

    def write(self, path: Path) -> None:
        """Write the .keras file; see the function `write` in this module."""
        write(self._model, path)

    def notes(self) -> tuple[str, ...]:
        """Notes for the user of the converted model."""
        layers = layers_of(self._model)
        if not any(map(is_twin, layers)):
            return ()
        authors = [x for x in layers if not type(x).__module__.startswith(KNOWN)]
        holders = {
            type(x).__name__
            for x in authors
            if any(map(is_twin, x._flatten_layers(include_self=False)))
        }
        loading = "import splitdeconv.layers before keras.saving.load_model loads the saved model"
        again = [
            f"{name} creates layers in its own code: convert it again after loading"
            for name in sorted(holders)
        ]
        return (loading, *again)


def to_bytes(model: keras.Model, date: str | None = None) -> bytes:
    """The .keras file of a model; see `write`."""
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        path = Path(folder) / "model"
        write(model, path, date)
        return path.read_bytes()


def write(model: keras.Model, path: str | Path, date: str | None = None) -> None:
    """Write the .keras file of a model: equal models give identical bytes.

    The weights go from the model to the disk; the file is never held in memory.

    Args:
        model: a `keras.Model`.
        path: of the file.
        date: the date of saving to store in the file; None for a fixed date.
    """
    with TemporaryDirectory(prefix="splitdeconv-") as folder:
        with sparing.writing():
            keras.saving.save_model(model, folder, zipped=False)
        members = {
            p.relative_to(folder).as_posix(): p for p in Path(folder).rglob("*") if p.is_file()
        }
        with zipfile.ZipFile(path, "w") as archive:
            for name in sorted(members):
                entry = zipfile.ZipInfo(name)
                if name == "metadata.json":
                    metadata = members[name].read_bytes()
                    archive.writestr(entry, _dated(metadata, date or "1980-01-01@00:00:00"))
                    continue
                entry.file_size = members[name].stat().st_size
                with members[name].open("rb") as file, archive.open(entry, "w") as place:
                    shutil.copyfileobj(file, place)


@contextmanager
def natively(model: keras.Layer) -> Iterator[keras.Layer]:
    """A context in which the model's split layers compute with Keras' own operator."""
    split = [layer for layer in layers_of(model) if is_twin(layer)]
    forms = [layer.form for layer in split]
    try:
        for layer in split:
            layer.form = "native"
        yield model
    finally:
        for layer, form in zip(split, forms, strict=True):
            layer.form = form


def _dated(metadata: bytes, date: str) -> bytes:
    return json.dumps({**json.loads(metadata), "date_saved": date}).encode()


def inputs_of(model: keras.Model) -> Any:
    """The symbolic inputs of a model in the structure of its call; None if not declared."""
    if isinstance(model, keras.Sequential):
        # A model that was never built has no such attribute.
        inputs = getattr(model, "inputs", None)
        return inputs and inputs[0]
    return getattr(model, "_inputs_struct", None)


def input_names(tensors: Sequence[Any]) -> list[str]:
    """Names of symbolic inputs, from their layers: copying a Sequential model renames tensors."""
    return [getattr(getattr(x, "_keras_history", None), "operation", x).name for x in tensors]


def _is_graph(model: keras.Model) -> bool:
    """Whether the model is only a graph of layers: of Keras' own classes, without custom code."""
    return type(model).__module__.startswith("keras.")

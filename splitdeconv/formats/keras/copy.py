"""A complete copy of a Keras model: names, flags, values and compile state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ...errors import SplitDeconvError, one_line
from ...extras import require
from . import sparing

if TYPE_CHECKING:
    import keras
else:
    keras = require("keras", "tensorflow")

#: Modules whose classes Keras finds by itself; other classes belong to the author of a model.
KNOWN = ("keras.", "splitdeconv.")


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """The model and all layers in it, each once, always in the same order."""
    return list(model._flatten_layers(include_self=True, recursive=True))


def copy_of(model: keras.Model, inputs: Any = None, sharing: bool = False) -> keras.Model:
    """A complete copy of a Sequential or functional model.

    It has the same structure, sharing, names, weights, flags and compile state.

    Args:
        model: the model.
        inputs: the inputs of the copy, in the structure of the model's; None for similar ones.
        sharing: whether the model is not needed afterwards, so that large weights are held once.

    Raises:
        SplitDeconvError: Keras cannot build it.
    """
    if not model.built:
        raise SplitDeconvError(
            "the model must be built before it is copied",
            where=model.name,
            expected="a model with a known input shape",
            got="a model that was never built",
            fix="call it once on data, or begin it with keras.Input",
        )
    known = {
        cls.__name__: cls
        for cls in map(type, layers_of(model))
        if not cls.__module__.startswith(KNOWN)
    }
    try:
        # The author's code may use variables before the copy has values.
        with sparing.reading() if sharing and not known else nullcontext():
            with keras.saving.custom_object_scope(known), _uncompiled(model):
                clone = keras.models.clone_model(
                    model,
                    input_tensors=inputs,
                    clone_function=lambda layer: type(layer).from_config(layer.get_config()),
                    recursive=True,
                )
            _copy_state(model, clone)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        reason = one_line(error, most=400)
        if inputs is not None:
            raise SplitDeconvError(
                "Keras cannot build the model for this input shape",
                where=model.name,
                expected="sizes that every layer accepts, and layers with a complete get_config()",
                got=reason,
                fix="choose other sizes, or omit the option to keep the input shapes open",
            ) from error
        raise SplitDeconvError(
            "Keras cannot copy the model",
            where=model.name,
            expected="layers, metrics and an optimizer whose get_config() is complete",
            got=reason,
            fix="complete get_config() of the custom classes, or save and load the model first",
        ) from error
    return clone


@contextmanager
def _uncompiled(model: keras.Model) -> Iterator[None]:
    """A context in which Keras treats the model, and models in it, as not compiled."""
    compiled = [layer for layer in layers_of(model) if getattr(layer, "compiled", False)]
    try:
        for layer in compiled:
            layer.compiled = False
        yield
    finally:
        for layer in compiled:
            layer.compiled = True


def _copy_state(model: keras.Model, clone: keras.Model) -> None:
    """Copy names, flags, variables, the values that layers derive from them, and compile state."""
    layers = list(zip(layers_of(model), layers_of(clone), strict=True))
    for old, new in layers:
        new.name, new.trainable = old.name, old.trainable  # Keras renames inputs
        if new.dtype_policy != old.dtype_policy:  # a model has the policy of its creation
            new.dtype_policy = old.dtype_policy
    variables = list(zip(model.variables, clone.variables, strict=True))
    for old, new in variables:
        new.trainable = old.trainable  # the flag of a layer sets those of all its variables
        new._path = old.path  # Keras shortens the path of a layer inside a wrapper
        new.assign(old)
    for old, new in layers:
        # Normalization, for example, derives numbers from its variables whenever they are loaded.
        store: dict[str, Any] = {}
        old.save_own_variables(store)
        new.load_own_variables(store)
    counterparts = {id(old): new for old, new in variables}
    for old, new in layers:
        if getattr(old, "compiled", False) and type(old).__module__.startswith(KNOWN):
            _compile_like(old, new, counterparts)


def _compile_like(
    model: keras.Model, clone: keras.Model, counterparts: dict[int, keras.Variable]
) -> None:
    """Compile a copy like its model.

    Optimizer and metrics are copied with their state; losses, which have none, are shared. The
    compile configuration is not used for this: it does not find the author's functions, and a Huber
    loss loses its delta in it.
    """

    def again(item: Any) -> Any:
        stateful = isinstance(item, keras.optimizers.Optimizer | keras.metrics.Metric)
        return type(item).from_config(item.get_config()) if stateful else item

    # Keras may have wrapped the given optimizer in another one.
    given = model._compile_config.config | {"optimizer": model.optimizer}
    clone.compile(**keras.tree.map_structure(again, given), auto_scale_loss=False)
    if model.optimizer is not None and model.optimizer.built:
        clone.optimizer.build([counterparts[id(v)] for v in model.optimizer._trainable_variables])
        for old, new in zip(model.optimizer.variables, clone.optimizer.variables, strict=True):
            new.assign(old)

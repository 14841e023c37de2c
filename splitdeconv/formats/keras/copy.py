"""A copy of a Keras model that lacks nothing: names, flags, values, and what it was compiled with."""

from contextlib import contextmanager

from ...errors import SplitDeconvError, one_line
from ...extras import require

keras = require("keras", "tensorflow")

#: Modules whose classes Keras finds by itself; all others are a model's author's.
KNOWN = ("keras.", "splitdeconv.")


def layers_of(model):
    """The model and every layer in it, each once, always in the same order."""
    return list(model._flatten_layers(include_self=True, recursive=True))


def copy_of(model, inputs=None):
    """A copy of a Sequential or functional model: structure, sharing, names, weights, flags, compile state.

    Args:
        model: the model.
        inputs: what the copy is to be built on, in the structure of the model's inputs; None for inputs like its own.

    Raises:
        SplitDeconvError: Keras cannot build it.
    """
    if not model.built:
        raise SplitDeconvError(
            "the model has to be built before it is copied",
            where=model.name,
            expected="a model that knows the shape of its input",
            got="one that was never built",
            fix="call it once on data, or begin it with keras.Input",
        )
    known = {cls.__name__: cls for cls in map(type, layers_of(model)) if not cls.__module__.startswith(KNOWN)}
    try:
        with keras.saving.custom_object_scope(known), _uncompiled(model):
            clone = keras.models.clone_model(
                model,
                input_tensors=inputs,
                clone_function=lambda layer: type(layer).from_config(layer.get_config()),
                recursive=True,
            )
        _copy_state(model, clone)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        said = one_line(error, most=400)
        if inputs is not None:
            raise SplitDeconvError(
                "Keras cannot build the model for this input shape",
                where=model.name,
                expected="sizes that every layer takes, and layers whose get_config() is complete",
                got=said,
                fix="choose other sizes; leave the option out to convert the model as open as it is",
            ) from error
        raise SplitDeconvError(
            "Keras cannot copy the model",
            where=model.name,
            expected="layers, metrics and an optimizer whose get_config() is complete",
            got=said,
            fix="complete the get_config() of its author's classes, or save and load the model first",
        ) from error
    return clone


@contextmanager
def _uncompiled(model):
    """Within this context Keras takes the model, and those in it, for models that are not compiled."""
    compiled = [layer for layer in layers_of(model) if getattr(layer, "compiled", False)]
    try:
        for one in compiled:
            one.compiled = False
        yield
    finally:
        for one in compiled:
            one.compiled = True


def _copy_state(model, clone):
    """Names, flags, values of all variables, what layers derive from these, and compile state."""
    layers = list(zip(layers_of(model), layers_of(clone), strict=True))
    for old, new in layers:
        new.name, new.trainable = old.name, old.trainable  # Keras renames inputs
        if new.dtype_policy != old.dtype_policy:  # a model's own, which is that of the day it was made
            new.dtype_policy = old.dtype_policy
    variables = list(zip(model.variables, clone.variables, strict=True))
    for old, new in variables:
        new.trainable = old.trainable  # a layer's flag sets those of all its variables
        new._path = old.path  # which Keras shortens for a layer inside a wrapper
        new.assign(old)
    for old, new in layers:
        # A Normalization, for one, computes with numbers it makes of its variables whenever they are loaded.
        store = {}
        old.save_own_variables(store)
        new.load_own_variables(store)
    counterparts = {id(old): new for old, new in variables}
    for old, new in layers:
        if getattr(old, "compiled", False) and type(old).__module__.startswith(KNOWN):
            _compile_like(old, new, counterparts)


def _compile_like(model, clone, counterparts):
    """Compile a copy as its model is: optimizer and metrics copied with their state, losses, which have none, shared.

    Not by way of the configuration: it finds no functions of the author's, and a Huber loss forgets its delta in it.
    """

    def again(item):
        stateful = isinstance(item, keras.optimizers.Optimizer | keras.metrics.Metric)
        return type(item).from_config(item.get_config()) if stateful else item

    # The optimizer that trains may be one that Keras put around the one given.
    given = model._compile_config.config | {"optimizer": model.optimizer}
    clone.compile(**keras.tree.map_structure(again, given), auto_scale_loss=False)
    if model.optimizer is not None and model.optimizer.built:
        clone.optimizer.build([counterparts[id(v)] for v in model.optimizer._trainable_variables])
        for old, new in zip(model.optimizer.variables, clone.optimizer.variables, strict=True):
            new.assign(old)

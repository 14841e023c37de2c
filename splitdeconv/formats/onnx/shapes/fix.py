"""Fix the shapes of an ONNX model's inputs, and what the file says of all other values.

A symbol means one length wherever it occurs: it is fixed in the whole model once an input fixes it.
What shape inference then tells of a value replaces what was declared.
"""

from collections.abc import Sequence

from ....errors import SplitDeconvError
from ...input_shapes import ModelInput, Shape, text_of
from ..graph import scopes
from .types import contradiction, declared, known_types, length, restate, withdraw

# Some exporters write these where they know no symbol.
_NO_SYMBOLS = ("", "?")


def inputs_of(model) -> list[ModelInput]:
    """The inputs of a ModelProto; those with a stored value have its shape, and are left out."""
    found = []
    for value in _given(model):
        kind = value.type.tensor_type
        known = value.type.HasField("tensor_type") and kind.HasField("shape")
        found.append(ModelInput(value.name, tuple(map(length, kind.shape.dim)) if known else None))
    return found


def fix(model, shapes: Sequence[Shape | None]) -> None:
    """Fix inputs, in place.

    Args:
        model: a ModelProto.
        shapes: of each of `inputs_of`, None in them for a length that stays; None for an input that
            does.

    Raises:
        SplitDeconvError: two sizes for one symbol, an input that is no tensor, or sizes that an
            operator does not take.
    """
    values, symbols = _given(model), {}
    for value, shape in zip(values, shapes, strict=True):
        if shape is not None:
            _learn(value, shape, symbols)
    found, odd = scopes(model), contradiction(model)
    # Once every input is fixed, what is declared is believed where inference stops: nothing that is
    # stale may be left.
    withdraw(found, known_types(model, found))
    for value, shape in zip(values, shapes, strict=True):
        if shape is not None:
            _set(value, shape)
    for scope in found:
        for value in declared(scope.graph):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param in symbols:
                    dim.dim_value = symbols[dim.dim_param][0]
    said = contradiction(model)
    if said and not odd:
        raise SplitDeconvError(
            "ONNX shape inference cannot give the model this input shape",
            where=", ".join(f"input {v.name} of {text_of(s)}" for v, s in zip(values, shapes, strict=True) if s),
            expected="sizes that every operator of the model takes",
            got=said,
            fix="choose other sizes; leave the option out to convert the model as open as it is",
        )
    restate(found, known_types(model, found))


def _given(model):
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _learn(value, shape, symbols):
    """Note the size of each symbol of an input, with the input's name."""
    if not value.type.HasField("tensor_type"):
        raise SplitDeconvError(
            "the input has no shape to fix",
            where=f"input {value.name}",
            expected="a tensor",
            got=value.type.WhichOneof("value") or "nothing that is known",
            fix="leave it out of the input shapes",
        )
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=False):
        if size is None or dim.HasField("dim_value") or dim.dim_param in _NO_SYMBOLS:
            continue
        known, name = symbols.setdefault(dim.dim_param, (size, value.name))
        if known != size:
            raise SplitDeconvError(
                "invalid input shapes: expected one size for each symbol",
                where=f"input {value.name}, dimension {dim.dim_param}",
                expected=f"{known}, which input {name} has for {dim.dim_param}",
                got=f"{size} in {text_of(shape)}",
                fix=f"give {dim.dim_param} the same size wherever it occurs",
            )


def _set(value, shape):
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        kind.shape.SetInParent()
        kind.shape.dim.extend(type(kind.shape).Dimension() for _ in shape)
    for dim, size in zip(kind.shape.dim, shape, strict=True):
        if size is not None:
            dim.dim_value = size

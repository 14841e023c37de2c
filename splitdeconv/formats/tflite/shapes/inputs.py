"""The inputs of a TFLite model: those of every signature, and those of the main subgraph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...input_shapes import ModelInput
from ..graph import dimensions, ports

if TYPE_CHECKING:
    from ..flatbuffer.objects import ModelT

#: Problems that fixed inputs may solve: the advice about the first, and the text of the second.
EXPORT = "export the model with a fixed image size"
COMPUTED = "its output shape depends on more than constants and shapes"


@dataclass(frozen=True)
class Entrance:
    """One input and its location.

    Args:
        port: the input as shown to the user.
        subgraph, tensor: indices.
    """

    port: ModelInput
    subgraph: int
    tensor: int


def entrances(model: ModelT) -> list[Entrance]:
    """The inputs of a `ModelT`, each once, under the names that the interpreter uses."""
    inputs_at: dict[tuple[int, int], ModelInput] = {}
    for signature in model.signatureDefs or ():
        for entry in signature.inputs or ():
            place = int(signature.subgraphIndex), int(entry.tensorIndex)
            tensor = model.subgraphs[place[0]].tensors[place[1]]
            name, own = _text(entry.name), _text(tensor.name)
            if place in inputs_at:
                inputs_at[place] = replace(
                    inputs_at[place], others=(*inputs_at[place].others, name)
                )
            else:
                inputs_at[place] = ModelInput(name or own, tuple(dimensions(tensor)), (own,))
    main = model.subgraphs[0]
    inputs = [(index, main.tensors[index]) for index in ports(main.inputs)]
    names = [_text(tensor.name) for _, tensor in inputs]
    unique = len(set(names)) == len(names) and all(names)
    for number, (index, tensor) in enumerate(inputs):
        name = names[number] if unique else f"{number}:{names[number]}"
        inputs_at.setdefault((0, index), ModelInput(name, tuple(dimensions(tensor))))
    return [Entrance(port, *place) for place, port in inputs_at.items()]


def _text(name: bytes | None) -> str:
    return (name or b"").decode(errors="replace")


def advised(problem: str | None, way: str | None) -> str | None:
    """A problem, with the options that fix the model's inputs where these may solve it."""
    if way is None or problem is None:
        return problem
    if problem == COMPUTED:
        return f"{problem}; if it follows from the input sizes, fix these with {way}"
    return problem.replace(EXPORT, f"fix it with {way}")

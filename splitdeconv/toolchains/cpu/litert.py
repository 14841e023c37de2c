"""LiteRT on this CPU: find the operators that XNNPACK computes, and run a .tflite file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import SplitDeconvError
from ...extras import require
from ...formats.tflite.arena import arena_peak
from . import package
from .interface import Draw, Outputs, Run

PACKAGE, EXTRA, OLDEST = "ai-edge-litert", "tflite", (2, 0)


def available() -> str | None:
    """Why nothing can be run here, as one sentence, or None if it can."""
    return package.reason(PACKAGE, EXTRA, OLDEST)


def describe(data: bytes) -> dict[str, Any]:
    """Describe a file, and which of its operators the default delegate, XNNPACK, computes.

    The interpreter lists the tensors at the border of each delegate but not the operators in it, so
    these are traced from the outputs back to the inputs.

    Args:
        data: bytes of a .tflite.

    Returns:
        dict of ``ops`` (operators of the first subgraph), ``delegated`` (those that XNNPACK
        computes), ``delegates`` (number of parts), ``left`` (the other operators, counted by
        name), ``bytes`` of the file and ``arena`` (peak bytes of activations,
        `splitdeconv.formats.tflite.arena`).

    Raises:
        SplitDeconvError: LiteRT is missing, rejected the file, or does not list its operators.
    """
    interpreter = _interpreter(data, 1)
    try:
        listed = interpreter._get_ops_details()  # no public function lists what is delegated
        pieces = [op for op in listed if op["op_name"] == "DELEGATE"]
        plain = {op["index"]: op for op in listed if op["op_name"] != "DELEGATE"}
        makers = {int(tensor): index for index, op in plain.items() for tensor in op["outputs"]}
        inside = set[int]().union(*(_between(piece, plain, makers) for piece in pieces))
    except (AttributeError, KeyError, TypeError) as error:
        raise SplitDeconvError(
            "LiteRT's list of operators has an unknown format",
            where="LiteRT's list of operators",
            expected="a list of operators with names, indices, inputs and outputs",
            got=repr(error),
            fix="install a supported version: pip install 'splitdeconv[tflite]'",
        ) from None
    names = [op["op_name"] for index, op in plain.items() if index not in inside]
    return {
        "ops": len(plain),
        "delegated": len(inside),
        "delegates": len(pieces),
        "left": ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names))),
        "bytes": len(data),
        "arena": arena_peak(data),
    }


def load(data: bytes, threads: int, draw: Draw) -> tuple[Run, Outputs]:
    """Load a .tflite for fixed inputs; as `Runtime.load`."""
    interpreter = _interpreter(data, threads)
    for place, port in enumerate(interpreter.get_input_details()):
        values = draw(place, tuple(port["shape"]), np.dtype(port["dtype"]))
        interpreter.set_tensor(port["index"], values)
    sinks = [port["index"] for port in interpreter.get_output_details()]
    return interpreter.invoke, lambda: [interpreter.get_tensor(sink) for sink in sinks]


def _interpreter(data: bytes, threads: int) -> Any:
    library = require("ai_edge_litert.interpreter", EXTRA)
    with package.rejections("LiteRT", "the .tflite model", "a .tflite"):
        interpreter = library.Interpreter(model_content=data, num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


def _between(
    piece: Mapping[str, Any], plain: Mapping[int, Mapping[str, Any]], makers: Mapping[int, int]
) -> set[int]:
    """The operators between the outputs and the inputs of a delegate."""
    border, inside = set(map(int, piece["inputs"])), set[int]()
    waiting = [int(tensor) for tensor in piece["outputs"]]
    while waiting:
        tensor = waiting.pop()
        index = makers.get(tensor)
        if tensor not in border and index is not None and index not in inside:
            inside.add(index)
            waiting += [int(source) for source in plain[index]["inputs"]]
    return inside

"""A .tflite model in LiteRT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...errors import one_line
from ...extras import require
from ..content import content
from ..port import Input, RejectedError, Runner, number_type
from .flow import sets_constants

if TYPE_CHECKING:
    from ..port import Arrays

#: The details of one input or output from LiteRT: index, name, shape, type and so on.
Detail: TypeAlias = dict[str, Any]


def load(
    model: bytes | Path, kernels: str = "default", threads: int | None = None
) -> dict[str, Runner]:
    """The entry points of a model: its signatures, or the main subgraph under the name "".

    Args:
        model: bytes or the path of a file.
        kernels: one of `splitdeconv.formats.port.KERNELS`.
        threads: number of threads for the kernels; None for all processors.

    Raises:
        RejectedError: LiteRT rejects the model.
    """
    interpreter = require("ai_edge_litert.interpreter", "tflite")
    resolvers = interpreter.OpResolverType
    try:
        loaded = interpreter.Interpreter(
            **_source(model),
            num_threads=threads or os.cpu_count(),
            experimental_op_resolver_type={
                "default": resolvers.AUTO,
                "reference": resolvers.BUILTIN_REF,
                "builtin": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            }[kernels],
        )
        signatures = loaded.get_signature_list()
        if not signatures:
            main = _TFLite(loaded)
            if not main.is_open:  # an open length is stated as 1, at which a model need not run
                loaded.allocate_tensors()
            return {"": Runner(main.inputs, main)}
        entries = {name: _Signature(loaded.get_signature_runner(name)) for name in signatures}
        return {name: Runner(entry.inputs, entry) for name, entry in entries.items()}
    except (ValueError, RuntimeError, TypeError) as error:
        raise RejectedError(one_line(error, typed=True)) from None


def _source(model: bytes | Path) -> dict[str, Any]:
    """The arguments of an interpreter that give the location of a model.

    A file is memory-mapped. But if a constant is also an input, setting it writes into the memory
    of the model, so such a model is copied.
    """
    if isinstance(model, Path) and not sets_constants(np.memmap(model, np.uint8, "r")):
        return {"model_path": str(model)}
    return {"model_content": bytes(bytearray(content(model)))}


class _TFLite:
    """A model without signatures: its main subgraph."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._ports = dict(_named(interpreter.get_input_details()))
        self._shapes = {name: tuple(detail["shape"]) for name, detail in self._ports.items()}
        self.inputs = tuple(_input(name, detail) for name, detail in self._ports.items())

    @property
    def is_open(self) -> bool:
        """Whether the length of an input's axis is chosen by the caller."""
        return any(None in (port.shape or ()) for port in self.inputs)

    def __call__(self, feed: Arrays) -> Arrays:
        run = self._interpreter
        try:
            for name, detail in self._ports.items():
                if self._shapes[name] != feed[name].shape:
                    self._shapes[name] = feed[name].shape
                    run.resize_tensor_input(detail["index"], feed[name].shape)
            run.allocate_tensors()
            for name, detail in self._ports.items():
                run.set_tensor(detail["index"], feed[name])
            run.invoke()
            return {
                name: run.get_tensor(detail["index"])
                for name, detail in _named(run.get_output_details())
            }
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise RejectedError(one_line(error, typed=True)) from None


class _Signature:
    """One signature of a TFLite model."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.inputs = tuple(
            _input(name, detail) for name, detail in runner.get_input_details().items()
        )

    def __call__(self, feed: Arrays) -> Arrays:
        try:
            return {name: np.array(value) for name, value in self._runner(**feed).items()}
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            raise RejectedError(one_line(error, typed=True)) from None


def _named(details: list[Detail]) -> list[tuple[str, Detail]]:
    """Details with their names, numbered if the file repeats a name or has none."""
    names = [detail["name"] for detail in details]
    unique = len(set(names)) == len(names) and all(names)
    return [
        (name if unique else f"{i}:{name}", detail)
        for i, (name, detail) in enumerate(zip(names, details, strict=True))
    ]


def _input(name: str, detail: Detail) -> Input:
    declared = detail["shape_signature" if "shape_signature" in detail else "shape"]
    shape = tuple(None if n < 0 else int(n) for n in declared)
    if len(shape) == 0 and len(detail["shape"]):
        shape = tuple(int(n) for n in detail["shape"])
    return Input(name, number_type(detail["dtype"]), shape, detail["quantization"][0] != 0)

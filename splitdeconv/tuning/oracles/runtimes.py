"""Runtimes on this CPU: times of a layer in every variant, in turn, with intervals."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ...convert.exchange import Inputs, ModelFile
from ...convert.timing import time_files
from ...convert.variants.variant import NATIVE, Variant
from ...errors import SplitDeconvError
from ...formats.registry import beginning_with
from ...limits.bounds import machine_memory
from ...provenance import device
from ...toolchains import cpu
from ..oracle import Cost, Oracle, Subject, data_of

#: Turns of the first look at every variant, and of the comparison of the best with native.
_FIRST, _SECOND = 5, 31
_KEPT = 3
_BUDGETS = 3.0, 8.0  # seconds of each
_TIMEOUT = 60.0  # seconds after which a variant counts as hanging
#: Whole models are timed so often where an interval's ends are further apart than this factor.
_ATTEMPTS, _WIDE = 3, 1.25
_BOTH = "original", "converted"
_FORMATS = {
    "litert": ("tflite",),
    "onnxruntime": ("onnx",),
    "openvino": ("onnx",),
    "torch": ("pt2",),
}


class Runtime(Oracle):
    """A runtime of `splitdeconv.toolchains.cpu`.

    Args:
        name: of the runtime.
        threads: how many it may use.
        seed: of inputs and intervals.
    """

    unit = "s"

    def __init__(self, name: str, threads: int, seed: int) -> None:
        self.name, self._threads, self._seed = name, threads, seed
        self.target, self.formats = cpu.TARGETS[name], _FORMATS[name]
        counted = f"{threads} thread{'s' if threads > 1 else ''}"
        self.evidence = f"measured here, {cpu.version(name)}, {counted}"

    def missing(self) -> str | None:
        return cpu.RUNTIMES[self.name].available()

    def facts(self) -> dict[str, Any]:
        return {
            "device": device(),
            "version": cpu.version(self.name),
            "threads": self._threads,
            "turns": [_FIRST, _SECOND],
        }

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        """A short look at all; the fastest are then timed against native for longer."""
        costs = {variant: Cost.missing(reason) for variant, reason in subject.reasons.items()}
        if NATIVE not in subject.files:
            return costs
        first = self._timed(subject.files, _FIRST, _BUDGETS[0])
        ran = {variant: cost for variant, cost in first.items() if cost.amount is not None}
        best = sorted(ran.keys() - {NATIVE}, key=lambda variant: ran[variant].amount or 0)[:_KEPT]
        again = {v: subject.files[v] for v in (NATIVE, *best) if v in ran}
        second = self._timed(again, _SECOND, _BUDGETS[1]) if best else {}
        # A look is too short for an interval that decides.
        looked = {v: replace(cost, low=None, high=None) for v, cost in first.items()}
        if NATIVE in again and second and second[NATIVE].amount is None:
            # Lost as a whole: native runs, as the first look shows.
            lost = {v: replace(looked[v], reason=cost.reason) for v, cost in second.items()}
            looked, second = looked | lost, {}
        return costs | looked | second

    def _timed(
        self, files: Mapping[Variant, Path], turns: int, budget: float
    ) -> dict[Variant, Cost]:
        models = {str(variant): path.read_bytes() for variant, path in files.items()}
        rows = cpu.measure(
            self.name,
            models,
            threads=[self._threads],
            turns=turns,
            budget=budget,
            timeout=_TIMEOUT,
            seed=self._seed,
        )
        return {Variant.of(row["form"]): _cost(row) for row in rows.to_dict("records")}

    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        """Both models in turn, on the same inputs, with the memory that the layers alone had.

        Where the interval is wide, they are timed again, and the narrowest of the intervals counts:
        what disturbs a machine for a while makes it wide, whichever model it hits.
        """
        best = self._compared(original, tuned, inputs)
        for _ in range(_ATTEMPTS - 1):
            if _width(best) < _WIDE:
                break
            best = min(best, self._compared(original, tuned, inputs), key=_width)
        return best

    def _compared(self, original: ModelFile, tuned: bytes, inputs: Inputs | None) -> Cost:
        options: dict[str, Any] = {"threads": [self._threads], "turns": _SECOND, "seed": self._seed}
        most = machine_memory()
        try:
            original, tuned = _completed(original, tuned)
            if self.name == "openvino":
                models = {"original": data_of(original), "converted": tuned}
                rows = cpu.measure(self.name, models, **options)
            else:
                memory = None if most is None else most / (1 << 30)
                rows = time_files(original, tuned, inputs=inputs, memory=memory, **options)
        except SplitDeconvError as error:
            return Cost.missing(f"{error.problem}: {error.got}" if error.got else error.problem)
        before, after = (rows[rows["form"] == f].to_dict("records")[0] for f in _BOTH)
        if isinstance(before["skipped"], str):  # then there is nothing to compare with
            return Cost.missing(f"the original as a whole: {before['skipped']}")
        return _cost(after)


def _width(cost: Cost) -> float:
    """The factor between the ends of the interval; 1 without one."""
    return cost.high / cost.low if cost.low and cost.high else 1.0


def _completed(original: ModelFile, tuned: bytes) -> tuple[ModelFile, bytes]:
    """Both models with what an .onnx file keeps beside it inside: elsewhere, it is not found."""
    data = data_of(original)
    kind = beginning_with(data)
    if not isinstance(original, str | os.PathLike) or kind is None or kind.name != "onnx":
        return original, tuned
    folder = Path(os.path.abspath(original)).parent
    return kind.result(data, folder), kind.result(tuned, folder)


def _cost(row: Mapping[Any, Any]) -> Cost:
    """The cost in a row of `cpu.measure` or `splitdeconv.convert.timing.time_models`."""
    if isinstance(row["skipped"], str):
        return Cost.missing(row["skipped"])
    if pd.isna(row["speedup"]):
        return Cost(float(row["seconds"]))
    gain, low, high = (float(row[name]) for name in ("speedup", "low", "high"))
    return Cost(float(row["seconds"]), gain, low, high)

"""Run models in a runtime on this CPU, in a process that may crash or hang; see `cpu.measure`."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ... import bench
from ...core.typing import NumpyArray
from ...limits.loop import serve


def answer(task: Mapping[str, Any]) -> dict[str, Any]:
    """The timed calls, and each form's difference from the first one, or a reason."""
    runtime = import_module(f"{__package__}.{task['module']}")
    loaded = {}
    for form, path in task["files"].items():
        data = Path(path).read_bytes()
        loaded[form] = runtime.load(data, task["threads"], partial(draw, task["seed"]))
    first: list[NumpyArray] | None = None
    facts: dict[str, dict[str, Any]] = {}
    for form, (run, outputs) in loaded.items():
        run()
        results = [np.array(values) for values in outputs()]
        first = results if first is None else first
        facts[form] = compare(results, first)
    functions = {form: run for form, (run, _) in loaded.items() if "reason" not in facts[form]}
    calls = []
    if functions and task["turns"]:
        times = bench.interleaved(functions, turns=task["turns"], budget=task["budget"])
        calls = times.values.tolist()
    return {"facts": facts, "calls": calls}


def draw(seed: int, place: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NumpyArray:
    """Draw an input: standard normal floats, or integers from the full range of the type."""
    rng = np.random.default_rng([seed, place])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.standard_normal(shape).astype(dtype)


def compare(results: Sequence[NumpyArray], first: Sequence[NumpyArray]) -> dict[str, Any]:
    """The largest difference, or a reason why there is none.

    It is in steps for integers, and relative to the largest value for floats.
    """
    shapes = [[list(values.shape) for values in outputs] for outputs in (results, first)]
    if shapes[0] != shapes[1]:
        return {"reason": f"invalid output: shapes {shapes[0]}, but the first form has {shapes[1]}"}
    error = 0.0
    for values, right in zip(results, first, strict=True):
        if not np.isfinite(values).all():
            return {"reason": "invalid output: some values are not finite"}
        difference = np.abs(values.astype("float64") - right).max(initial=0)
        largest = 1.0 if right.dtype.kind in "iu" else np.abs(right).max(initial=0)
        error = max(error, float(difference / max(largest, 1e-30)))
    return {"error": error}


def main() -> None:
    """Answer every task."""
    serve(answer)


if __name__ == "__main__":
    main()

"""The process that converts, tunes and times one file, as its users would.

It loads no framework itself, so that the memory of its children is that of the conversions:
`tools.survey.__main__` asks it.
"""

import resource
import time
from pathlib import Path

import splitdeconv as sd
from splitdeconv.convert.api import report as inspected
from splitdeconv.errors import SplitDeconvError, one_line
from splitdeconv.limits.loop import serve
from splitdeconv.tuning.oracles import oracle

#: The target of each format's runtime on this CPU, and the oracle that measures there.
TARGETS = {".onnx": "onnxruntime", ".tflite": "xnnpack", ".keras": "generic", ".pt2": "generic"}
ORACLES = {".onnx": "onnxruntime", ".tflite": "litert", ".keras": "keras", ".pt2": "torch"}
#: GiB for each child process, and seconds for costing the layers of a model.
MEMORY, BUDGET = 2.0, 10.0


def answer(task):
    """Do what ``do`` names, with the rest of the task as arguments."""
    return {"convert": converted, "time": timed}[task.pop("do")](**task)


def converted(path, inputs):
    """Inspect a file and convert it, for the generic target and for that of its runtime.

    Returns:
        Columns of the table, with ``outcome`` "converted", "nothing to convert" or "refused" and
        its ``reason``; and ``made``, the paths of the two converted files.
    """
    path = Path(path)
    columns = {"bytes": path.stat().st_size, "target": TARGETS[path.suffix], "made": []}
    try:
        report = inspected(path, memory=MEMORY)
        columns |= {
            "operators": sum(report.operators_before.values()),
            "layers": len(report.decisions),
            "axes": max((len(d.site.axes or ()) for d in report.decisions), default=0),
        }
        if not report.decisions:
            return columns | {"outcome": "nothing to convert"}
        for name in dict.fromkeys(("generic", columns["target"])):
            columns |= _conversion(path, inputs, name, columns["made"])
    except SplitDeconvError as error:
        return columns | {"outcome": "refused", "reason": _said(error, path)}
    return columns


def _said(error, path):
    """An error on one line, without the folder that the file was in."""
    return one_line(error).replace(f"{path.parent}/", "")


def _conversion(path, inputs, target, made):
    """Convert for one target, verified; the columns for generic, or for the other target."""
    to = path.with_suffix(f".{target}{path.suffix}")
    start = time.perf_counter()
    result = sd.convert(path, target, samples=2, memory=MEMORY, inputs=inputs)
    seconds = time.perf_counter() - start
    result.save(to, overwrite=True)
    made.append(str(to))
    report = result.report
    if target != "generic":
        return {"target_converted": report.converted}
    reasons = (d.reason for d in report.decisions if d.verdict == "refuse")
    return {
        "outcome": "converted" if report.converted else "refused",
        "converted": report.converted,
        "refused": report.count("refuse"),
        "reason": "; ".join(dict.fromkeys(reasons)),
        "bytes_after": to.stat().st_size,
        "seconds": seconds,
        "memory_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }


def timed(path, made, inputs):
    """Gains over the original: of the generic conversion, and of the model that `tune` chose."""
    path = Path(path)
    on = ORACLES[path.suffix]
    columns = _gain("gain", on, path, Path(made), inputs)
    try:
        tuned = sd.tune(path, on=on, threads=1, budget=BUDGET, inputs=inputs)
    except SplitDeconvError as error:
        return columns | {"tuned": "refused", "tuned_reason": _said(error, path)}
    variants = [str(layer.variant) for layer in tuned.layers]
    counts = (f"{name} {variants.count(name)}" for name in dict.fromkeys(variants))
    columns |= {"tuned": ", ".join(counts)}
    if not tuned.changed:
        return columns | {"tuned_gain": 1.0, "tuned_gain_low": 1.0, "tuned_gain_high": 1.0}
    best = path.with_suffix(f".tuned{path.suffix}")
    tuned.save(best, overwrite=True)
    # The times that the layers were chosen by flatter the chosen ones.
    return columns | _gain("tuned_gain", on, path, best, inputs)


def _gain(name, on, path, made, inputs):
    """Columns of a gain with its 95 % interval: both files in turn, on one thread."""
    cost = oracle(on, threads=1).whole(path, made.read_bytes(), [], inputs)
    columns = {name: cost.gain, f"{name}_low": cost.low, f"{name}_high": cost.high}
    return columns if cost.reason is None else columns | {f"{name}_reason": cost.reason}


if __name__ == "__main__":
    serve(answer)

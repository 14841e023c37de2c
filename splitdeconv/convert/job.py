"""What the child process does: read a file; list its layers, inspect, convert or verify it. In and out go plain values
and files.
"""

import gc
import shutil
from pathlib import Path

from ..errors import SplitDeconvError
from ..formats.content import content
from ..formats.detect import detect, read_model
from ..limits import allowance
from .rewrite import Options, examine, rewrite
from .verify.whole import REJECTED, UNFIT

UNLIKE = "does not compute what the original does"


def run(job) -> dict | list:
    """Do one job.

    Args:
        job: "verb" ("inspect", "convert", "verify", "time" or "layers"), "folder" for results and stages, "model" (a
            path), "where" (what to call it), and what the verb needs of "options" (of `Options`; of `layer_rows`; of
            `time_models`), "verify", "samples", "seed", "inputs" (path of an .npz file), "converted" (a path) and
            "path" (where the model's external data are).

    Returns:
        The report, the verification, the times or the list of layers, as plain values. "convert" also leaves the model
        in the file "output".
    """
    verbs = {"inspect": _inspect, "convert": _convert, "verify": _verify, "time": _time, "layers": _layers}
    return verbs[job["verb"]](job, Path(job["folder"]))


def _inspect(job, folder):
    data, kind = _read(job, folder)
    _, report = examine(kind, data, job["path"], Options(**job["options"]))
    return report.to_dict()


def _convert(job, folder):
    options = Options(**job["options"])
    options.check()
    data, kind = _read(job, folder)
    _enter(folder, "rewriting the model")
    output = folder / "output"
    result, report = rewrite(kind, data, job["path"], options, output)
    size = _save(result, output)
    if report.bytes_after is None:  # of a model in memory
        report = report.with_(bytes_after=size)
    if job["verify"] and (report.converted or options.fixes):
        _enter(folder, "verifying the result")
        # Runtimes read files themselves: nothing is held twice.
        data, result = Path(job["model"]), output
        gc.collect()  # models in memory may be in cycles
        report = report.with_(verification=_compare(kind, data, result, job, report))
        check(report.verification, job["where"], options.fixes)
    return report.to_dict()


def _save(result, output):
    """Put a model (bytes, a file's path or a Keras model) into the file `output`; returns its size in bytes."""
    if isinstance(result, bytes):
        output.write_bytes(result)
    elif not isinstance(result, Path):
        from ..formats.keras.model import write

        write(result, output)
    elif result != output:
        shutil.copyfile(result, output)
    return output.stat().st_size


def _layers(job, folder):
    from .rows import read

    data, kind = _read(job, folder)
    return read(kind, content(data), job["where"], job["path"], **job["options"])


def _verify(job, folder):
    data, kind = _read(job, folder)
    converted, path = read_model(job["converted"])
    other = detect(converted, path)
    if other != kind:
        raise SplitDeconvError(
            "the two models are of different formats",
            where=path,
            expected=f"a model in {kind}",
            got=f"one in {other}",
            fix="give two files of the same format",
        )
    _enter(folder, "verifying")
    data, converted = Path(job["model"]), Path(job["converted"])
    return _compare(kind, data, converted, job).to_dict()


def _time(job, folder):
    from .timing import time_models

    data, _ = _read(job, folder)
    converted, path = read_model(job["converted"])
    _enter(folder, "timing")
    models, paths = {"original": content(data), "converted": converted}, {"original": job["path"], "converted": path}
    return time_models(models, paths=paths, inputs=job["inputs"], **job["options"]).to_dict("records")


def check(verification, where, fixed=False):
    """Refuse a conversion whose result does not compute what the original does.

    Args:
        verification: what was found.
        where: what to call the model.
        fixed: whether inputs were fixed, at sizes that the model may not take.

    Raises:
        SplitDeconvError: with the first output that differs.
    """
    if verification:
        return
    first = next((output for output in verification.outputs if not output.passed), None)
    unknown = first is None or (first.values == 0 and "operators" in verification.method)
    if fixed and first is not None and first.finding.startswith((REJECTED, UNFIT)):
        raise SplitDeconvError(
            "the model does not run at the input shape that it was to be fixed at; it was not written",
            where=where,
            expected="sizes that the model takes",
            got=first.finding,
            fix="choose other sizes; leave the option out to convert the model as open as it is",
        )
    wanted = "an output to compare" if unknown else f"a difference of at most {first.tolerance:.3g}"
    raise SplitDeconvError(
        f"the converted model {'could not be verified' if unknown else UNLIKE}; it was not written",
        where=f"{where}, output {first.name}" if first else where,
        expected=wanted,
        got=first.finding if first else "none",
        fix=_way_out(first, unknown),
    )


def _way_out(first, unknown):
    """What to do about a result that was not written; inputs are no help where no runtime has the kernels."""
    if first is not None and first.finding.startswith("the runtime does not take the original"):
        return (
            "write it unverified (--no-verify, in Python verify=False) and compare the two models in a runtime that "
            "takes the original"
        )
    way = "give inputs that suit the model (--inputs), or convert a part of it (--layers)"
    if unknown:
        return f"{way}, or write it unverified (--no-verify, in Python verify=False)"
    return f"{way}; please report the model"


def _read(job, folder):
    _enter(folder, "reading the model")
    data, _ = read_model(job["model"])
    kind = detect(data, job["where"])
    if kind == "tflite":
        return data, kind
    if kind == "keras":
        return Path(job["model"]), kind
    # A field of every tensor that lies in another file.
    refers = job["path"] and b"location" in data
    data = Path(job["model"])  # what is parsed of it need not be held twice
    if refers:
        from ..formats.onnx.model import OnnxModel

        allowance.outside(OnnxModel.parse(data, path=job["path"]).bytes_outside)
    return data, kind


def _compare(kind, original, converted, job, report=None):
    from .verify.compare import compare

    return compare(
        kind,
        original,
        converted,
        path=job["path"],
        converted_path=job.get("converted"),
        samples=job["samples"],
        seed=job["seed"],
        inputs=job["inputs"],
        decisions=None if report is None else report.decisions,
    )


def _enter(folder, stage):
    """Say what is being done; the parent reads it."""
    (folder / "stage").write_text(stage)

"""The work of the child process: read a model, then list its layers, inspect, convert or verify it.

Tasks and results are plain values and files.
"""

import gc
import mmap
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import SplitDeconvError
from ..formats.content import content
from ..formats.recognition.detect import detect, look
from ..formats.registry import format_of, holding
from ..limits import allowance, shortage
from ..limits.sandbox import STAGE
from .report import Report, Verification
from .rewrite import examine, rewrite
from .task import Candidates, Convert, Files, Inspect, Layers, Task, Time, Verify
from .verify.difference import Output
from .verify.whole import REJECTED, UNFIT

UNLIKE = "does not compute the same as the original"


def run(task: Task, folder: Path) -> dict[str, Any] | list[dict[str, Any]]:
    """Do one task.

    Args:
        task: what to do, and the files to do it with.
        folder: where to write the current stage and, for "convert", the model, as "output".

    Returns:
        The report, verification, times or list of layers, as plain values.
    """
    match task.verb:
        case Inspect():
            return _inspect(task.verb, task.files, folder)
        case Convert():
            return _convert(task.verb, task.files, folder)
        case Verify():
            return _verify(task.verb, task.files, folder)
        case Time():
            return _time(task.verb, task.files, folder)
        case Layers():
            return _layers(task.verb, task.files, folder)
        case Candidates():
            return _candidates(task.verb, task.files, folder)


def _inspect(verb: Inspect, files: Files, folder: Path) -> dict[str, Any]:
    kind = _begin(files, folder)
    _, report = examine(kind, format_of(kind).source(files.model), _beside(files), verb.options)
    return report.to_dict()


def _convert(verb: Convert, files: Files, folder: Path) -> dict[str, Any]:
    options = verb.options
    options.check()
    kind = _begin(files, folder)
    report = _rewritten(kind, verb, files, folder)
    proof = report.verification
    if proof is not None and not proof and report.folded:
        unfolded = replace(verb, options=replace(options, fold=False))
        report = _rewritten(kind, unfolded, files, folder)
        report = report.with_(notes=(*report.notes, unproven(proof)))
    if report.verification is not None:
        check(report.verification, files.where, options.fixes, options.choices is not None)
    return report.to_dict()


def _rewritten(kind: str, verb: Convert, files: Files, folder: Path) -> Report:
    """Write the converted model as "output"; verify it if requested."""
    _enter(folder, "rewriting the model")
    output, options = folder / "output", verb.options
    result, report = rewrite(
        kind, format_of(kind).source(files.model), _beside(files), options, output
    )
    size = _save(result, output)
    if report.bytes_after is None:  # a model in memory
        report = report.with_(bytes_after=size)
    if verb.verify and (report.converted or options.fixes):
        _enter(folder, "verifying the result")
        # Runtimes read the files themselves, so free the memory first.
        del result
        gc.collect()  # models may be part of reference cycles
        report = report.with_(verification=_compare(kind, files, output, verb, report))
    return report


def unproven(verification: Verification) -> str:
    """The note on operators that were not folded, because the result differed from the original."""
    first = next((output for output in verification.outputs if not output.passed), None)
    why = "could not be verified" if first is None else f"output {first.name}: {first.finding}"
    return f"nothing was folded into the layers: the result would not agree ({why})"


def _save(result: bytes | Path, output: Path) -> int:
    """Write a model, given as bytes or as the path of a file, to `output`; return its size."""
    if isinstance(result, bytes):
        output.write_bytes(result)
    elif result != output:
        shutil.copyfile(result, output)
    return output.stat().st_size


def _layers(verb: Layers, files: Files, folder: Path) -> list[dict[str, Any]]:
    from .rows import read

    kind = _begin(files, folder)
    return read(kind, content(files.model), files.where, _beside(files), verb.size)


def _candidates(verb: Candidates, files: Files, folder: Path) -> dict[str, Any]:
    from .variants.candidates import write

    kind = _begin(files, folder)
    source = format_of(kind).source(files.model)
    return write(kind, source, _beside(files), verb.options, folder)


def _verify(verb: Verify, files: Files, folder: Path) -> dict[str, Any]:
    kind = _begin(files, folder)
    converted = _other(files)
    other = _format(converted, str(converted))
    if other != kind:
        raise SplitDeconvError(
            "the two models are of different formats",
            where=str(converted),
            expected=f"a .{kind} model, as the original",
            got=f"a model in the format .{other}",
            fix="give two files of the same format",
        )
    _enter(folder, "verifying")
    return _compare(kind, files, converted, verb).to_dict()


def _time(verb: Time, files: Files, folder: Path) -> list[dict[str, Any]]:
    from .timing import time_models

    _begin(files, folder)
    converted = _other(files)
    look(converted)
    _enter(folder, "timing")
    return time_models(
        {"original": content(files.model), "converted": content(converted)},
        paths={"original": _beside(files), "converted": str(converted)},
        inputs=_inputs(files),
        threads=verb.threads,
        turns=verb.turns,
        budget=verb.budget,
        seed=verb.seed,
    ).to_dict("records")


def differs(error: SplitDeconvError) -> bool:
    """Whether a model was not written because it computes something else than the original."""
    return UNLIKE in error.problem


def check(verification: Verification, where: str, fixed: bool = False, tuned: bool = False) -> None:
    """Raise an error if the converted model does not compute the same as the original.

    Args:
        verification: the result of the comparison.
        where: the name of the model in error messages.
        fixed: whether inputs were fixed, possibly at sizes that the model does not accept.
        tuned: whether the forms were chosen by cost.

    Raises:
        SplitDeconvError: naming the first output that differs.
    """
    if verification:
        return
    first = next((output for output in verification.outputs if not output.passed), None)
    lacking = first is not None and shortage.of_memory(first.finding)
    unknown = first is None or (first.values == 0 and "operators" in verification.method)
    unknown = unknown or lacking
    if fixed and not lacking and first is not None and first.finding.startswith((REJECTED, UNFIT)):
        raise SplitDeconvError(
            "the model does not run at the requested input shape; it was not written",
            where=where,
            expected="sizes that the model accepts",
            got=first.finding,
            fix="choose other sizes, or omit the option to keep the open dimensions",
        )
    expected = "an output to compare"
    if first is not None and not unknown:
        expected = f"a difference of at most {first.tolerance:.3g}"
    raise SplitDeconvError(
        f"the converted model {'could not be verified' if unknown else UNLIKE}; it was not written",
        where=f"{where}, output {first.name}" if first else where,
        expected=expected,
        got=first.finding if first else "none",
        fix=_way_out(first, unknown, "tune" if tuned else "convert"),
    )


def _way_out(first: Output | None, unknown: bool, verb: str) -> str:
    """How to proceed after a failed verification; other inputs cannot help without kernels.

    Options that only `splitdeconv convert` has are named with it: others convert as well.
    """
    unverified = "write it unverified (splitdeconv convert --no-verify, in Python verify=False)"
    if first is not None and shortage.of_memory(first.finding):
        return (
            f"allow more with --memory or, where input sizes are open, {verb} it at a smaller "
            "--input-shape"
        )
    if first is not None and first.finding.startswith("the runtime rejected the original"):
        return f"{unverified} and compare the two models in a runtime that supports the original"
    some = f"{verb} only some layers (splitdeconv {verb} --layers)"
    way = f"pass inputs that suit the model (--inputs), or {some}"
    return f"{way}, or {unverified}" if unknown else f"{way}; please report the model"


def _begin(files: Files, folder: Path) -> str:
    """Find the format of the model, and allow memory for its external data.

    The file is only memory-mapped here; the parser reads it.
    """
    _enter(folder, "reading the model")
    kind = _format(files.model, files.where)
    if files.beside is not None:
        allowance.outside(format_of(kind).bytes_outside(files.model, _beside(files)))
    return kind


def _format(model: Path, where: str) -> str:
    """The format of a model file.

    Raises:
        SplitDeconvError: it cannot be read, or its format is not supported.
    """
    look(model)
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        likely = holding(mapped)
        # To describe any other file, the whole of it is needed.
        return detect(mapped[:], where) if likely is None else likely.name


def _compare(
    kind: str, files: Files, converted: Path, verb: Convert | Verify, report: Report | None = None
) -> Verification:
    from .verify.compare import compare

    return compare(
        kind,
        files.model,
        converted,
        path=_beside(files),
        converted_path=None if files.converted is None else str(files.converted),
        samples=verb.samples,
        seed=verb.seed,
        inputs=_inputs(files),
        decisions=None if report is None else report.decisions,
    )


def _other(files: Files) -> Path:
    """The second model of a verb that takes two."""
    assert files.converted is not None, "the verb needs a second model"
    return files.converted


def _beside(files: Files) -> str | None:
    return None if files.beside is None else str(files.beside)


def _inputs(files: Files) -> str | None:
    return None if files.inputs is None else str(files.inputs)


def _enter(folder: Path, stage: str) -> None:
    """Write the current stage to a file that the parent process reads."""
    (folder / STAGE).write_text(stage)

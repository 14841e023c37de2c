"""The Coral Edge TPU: which operators it takes, what its compiler maps, how long a device takes, what was published.

The check needs neither compiler nor device: it holds a file against the target profile. `edgetpu_compiler` (x86-64
Linux, version 16.0 is the last) is run where it is on PATH, and a device where libedgetpu finds one. Where neither is,
`published` replays the measurements of the authors of split deconvolution.
"""

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from shutil import which

import numpy as np
import pandas as pd

from ..convert.targets import load_target
from ..convert.tflite import TFLiteModel
from ..errors import SplitDeconvError, check_choice
from ._child import Child

COMPILER = "edgetpu_compiler"
DELEGATE = "libedgetpu.so.1"
REFERENCE = Path(__file__).resolve().parents[2] / "data" / "reference"
PUBLISHED = ("published_edge_tpu", "published_ncs2", "published_conv_efficiency_edge_tpu")

_RUNNER = f"{__package__}._edgetpu_child"
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = r"([\d.]+)([KMG]?i?B)"
_TOTALS = {  # what the compiler prints behind each text
    "compiled_ms": r"Model compiled successfully in (\d+) ms",
    "input_bytes": rf"Input size: {_SIZE}",
    "output_bytes": rf"Output size: {_SIZE}",
    "on_chip_bytes": rf"On-chip memory used for caching model parameters: {_SIZE}",
    "on_chip_left_bytes": rf"On-chip memory remaining for caching model parameters: {_SIZE}",
    "off_chip_bytes": rf"Off-chip memory used for streaming uncached model parameters: {_SIZE}",
    "subgraphs": r"Number of Edge TPU subgraphs: (\d+)",
    "operations": r"Total number of operations: (\d+)",
    "mapped": r"Number of operations that will run on Edge TPU: (\d+)",
    "unmapped": r"Number of operations that will run on CPU: (\d+)",
}
_ROW = re.compile(r"^([A-Za-z][\w-]*) +(\d+) +(\S.*?) *$", re.MULTILINE)
# What it says when it fails, the most telling first.
_FAILURES = (
    r"^ERROR: (.+)$",
    r"^(Compilation failed: .+)$",
    r"^(Internal compiler error.*)$",
    r"^(Invalid model: .+)$",
    r"^(Compilation failed!)",
)
MAPPED = "Mapped to Edge TPU"


def available(compiler=None) -> str | None:
    """Why nothing can be compiled here, as one sentence, or None if it can."""
    if which(compiler or COMPILER) is None:
        return f"{compiler or COMPILER} is not on PATH: see coral.ai/docs/edgetpu/compiler (x86-64 Linux only)"
    return None


def check(model, target="edge_tpu") -> pd.DataFrame:
    """Hold the operators of a .tflite file against a target profile, without a compiler.

    Args:
        model: the file's bytes.
        target: as for `splitdeconv.convert`.

    Returns:
        One row an operator and version: ``operator, version, count, verdict`` ("taken", "refused" or "unknown") and
        ``reason`` with its source; for what is taken, the limits the profile states, which are not checked.

    Raises:
        SplitDeconvError: not a sound .tflite file, or no such target.
    """
    profile = load_target(target) if isinstance(target, str) else target
    rows = []
    for (name, version), count in sorted(Counter(TFLiteModel.parse(model).operators()).items()):
        entry, objections = profile.operators.get(name), profile.objections([(name, version)])
        if objections:
            verdict, reason = "refused", objections[0][1]
        elif entry is not None:
            known = entry.versions != "unknown"
            limits = "" if entry.limits == "unknown" else f"; {entry.limits}"
            verdict = "taken"
            reason = ("in a version it knows" if known else "listed, versions unknown") + f"{limits} ({entry.source})"
        else:
            verdict = "taken" if profile.others == "taken" else "unknown"
            reason = f"not in the profile ({profile.others_source})"
        rows.append({"operator": name, "version": version, "count": count, "verdict": verdict, "reason": reason})
    return pd.DataFrame(rows)


def checks(models, target="edge_tpu") -> pd.DataFrame:
    """`check` of several files; one that cannot be read costs its own row only.

    Args:
        models: dict of form to the bytes of a .tflite.
        target: as for `check`.

    Returns:
        The rows of `check` with the column ``form`` before, and ``skipped``: why a file has none.
    """
    tables = []
    for form, model in models.items():
        try:
            found = check(model, target).assign(skipped=None)
        except SplitDeconvError as error:
            found = pd.DataFrame([{"skipped": error.problem}])
        tables.append(found.assign(form=form))
    table = pd.concat(tables, ignore_index=True)
    return table[["form", *(column for column in table if column != "form")]]


def parse(text):
    """Read what `edgetpu_compiler -s` prints.

    Args:
        text: its output, of any version.

    Returns:
        (dict of totals: ``compiler`` (version), ``compiled_ms``, sizes in bytes, ``subgraphs``, ``operations``,
        ``mapped`` and ``unmapped``, each None where it is not stated; DataFrame ``operator, count, mapped, status``,
        where the status of what is not mapped is the compiler's reason).

    Raises:
        SplitDeconvError: the compiler says that it failed, with its reason, or says nothing that is known.
    """
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    if not re.search(_TOTALS["compiled_ms"], text):
        for failure in _FAILURES:
            if found := re.search(failure, text, re.MULTILINE):
                raise SplitDeconvError(f"{COMPILER}: {found[1].strip()}")
        raise SplitDeconvError(f"{COMPILER} printed neither a result nor an error of a known format")
    found = {name: re.search(pattern, text) for name, pattern in _TOTALS.items()}
    totals = {name: match and _number(*match.groups()) for name, match in found.items()}
    _, header, body = text.partition("Operator ")
    rows = _ROW.findall(body.partition("\n")[2]) if header else []
    table = pd.DataFrame(
        [(name, int(count), status == MAPPED, status) for name, count, status in rows],
        columns=["operator", "count", "mapped", "status"],
    )
    if len(table):  # where everything is mapped it prints no totals
        for name, part in (("mapped", table["mapped"]), ("unmapped", ~table["mapped"])):
            totals[name] = int(table.loc[part, "count"].sum()) if totals[name] is None else totals[name]
    return {"compiler": version and version[1], **totals}, table


def compile_model(model, *, timeout=600.0, compiler=None):
    """Compile a full-int8 .tflite for the Edge TPU.

    Args:
        model: the file's bytes.
        timeout: seconds.
        compiler: its path or name; None for `COMPILER`.

    Returns:
        (bytes of the compiled file, totals, operators), the latter as of `parse`.

    Raises:
        SplitDeconvError: there is no compiler; it failed, took too long, or printed what is not known.
    """
    if (reason := available(compiler)) is not None:
        raise SplitDeconvError(reason)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        command = [which(compiler or COMPILER), "-s", "-o", folder, path]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout)
        except subprocess.TimeoutExpired:
            raise SplitDeconvError(f"{COMPILER} took longer than {timeout:g} s") from None
        except OSError as error:
            raise SplitDeconvError(f"{COMPILER} cannot be run: {error.strerror}") from None
        totals, operators = parse(done.stdout + "\n" + done.stderr)
        compiled = Path(folder) / "model_edgetpu.tflite"
        if not compiled.is_file():
            raise SplitDeconvError(f"{COMPILER} reported success and wrote no file")
        return compiled.read_bytes(), totals, operators


def compiled(models, *, timeout=600.0, compiler=None):
    """Compile models; a failure costs its own row only.

    Args:
        models: dict of form to the bytes of a full-int8 .tflite.
        timeout, compiler: as for `compile_model`.

    Returns:
        (DataFrame with one row a form: ``form``, the totals of `parse`, ``complete``: every operator is mapped,
        ``reasons``: the compiler's for what is not mapped, and ``skipped``: why there is nothing; dict of form to the
        bytes of the compiled file).
    """
    rows, files = [], {}
    for form, model in models.items():
        row = {"form": form, "complete": False, "reasons": "", "skipped": None}
        try:
            files[form], totals, operators = compile_model(model, timeout=timeout, compiler=compiler)
            left = operators[~operators["mapped"]]
            reasons = [f"{name} {count}: {status}" for name, count, _, status in left.itertuples(index=False)]
            row |= totals | {"complete": totals["unmapped"] == 0, "reasons": "; ".join(reasons)}
        except SplitDeconvError as error:
            row["skipped"] = error.problem
        rows.append(row)
    return pd.DataFrame(rows), files


def run(models, *, turns=20, rounds=3, timeout=120.0, delegate=DELEGATE, seed=0) -> pd.DataFrame:
    """Run compiled models on a device, in turn, in a process of their own that may be lost with it.

    Args:
        models: dict of form to the bytes of a compiled .tflite.
        turns: timed runs a form and round; one run before is not timed.
        rounds: how often the forms take turns.
        timeout: seconds for a form and round.
        delegate: the shared library that drives the device; None runs the models on this CPU.
        seed: of the inputs.

    Returns:
        One row a form: ``form``, ``seconds`` (median), ``turns`` and ``skipped``: why it was not run to the end.
    """
    times, reasons = {form: [] for form in models}, {}
    child = Child(_RUNNER, {})
    with tempfile.TemporaryDirectory() as folder:
        try:
            for index, (form, model) in enumerate(list(models.items()) * rounds):
                if form in reasons:
                    continue
                path = Path(folder) / f"{index % len(models)}.tflite"
                path.write_bytes(model)
                task = {"model": str(path), "delegate": delegate, "turns": turns, "seed": seed}
                told = child.ask(task, timeout)
                if "reason" in told:
                    reasons[form] = told["reason"]
                times[form] += told.get("seconds", [])
        finally:
            child.close()
    return pd.DataFrame(
        {
            "form": list(models),
            "seconds": [np.nan if form in reasons else float(np.median(times[form])) for form in models],
            "turns": [len(times[form]) for form in models],
            "skipped": [reasons.get(form) for form in models],
        }
    )


def published(name="published_edge_tpu", folder=REFERENCE) -> pd.DataFrame:
    """Measurements that others published, to be shown as replayed.

    Args:
        name: one of `PUBLISHED`.
        folder: where the files are; an installed wheel has none.

    Returns:
        The table, with the columns ``origin`` ("replayed") and ``source``; empty where there is no file.
    """
    check_choice(name, PUBLISHED, "published table", "edgetpu.published")
    path = Path(folder) / f"{name}.csv"
    if not path.is_file():
        return pd.DataFrame()
    source = path.read_text().splitlines()[0].removeprefix("# source: ")
    return pd.read_csv(path, comment="#").assign(origin="replayed", source=source)


def _number(value, unit=None):
    return int(value) if unit is None else round(float(value) * _UNITS[unit])

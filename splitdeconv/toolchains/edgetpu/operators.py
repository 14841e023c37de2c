"""The operators of a .tflite file, compared with what a target profile says of the Edge TPU."""

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from ...convert.targets import Target, load_target
from ...errors import SplitDeconvError
from ...formats.tflite.flatbuffer import check as tflite_check
from ...formats.tflite.flatbuffer.file import read
from ...formats.tflite.graph import operator_name, ports, type_name
from .. import compiler as vendor

_CHECKED = ["operator", "version", "count", "verdict", "reason"]


def check(model: bytes, target: str | Target = "edge_tpu") -> pd.DataFrame:
    """Compare the operators of a .tflite file with a target profile, without a compiler.

    Args:
        model: the bytes of the file.
        target: as for `splitdeconv.convert`.

    Returns:
        One row per operator and version: ``operator, version, count, verdict`` ("taken", "refused"
        or "unknown") and ``reason`` with its source; for "taken", including the limits in the
        profile, which are not checked. Operators on floats have separate rows, and are refused if
        all types in the profile are integers.

    Raises:
        SplitDeconvError: the file is not a valid .tflite file, or the target is unknown.
    """
    profile = load_target(target) if isinstance(target, str) else target
    rows = []
    whole = profile.types != "unknown" and not any("float" in kind for kind in profile.types)
    for (name, version, floats), count in sorted(Counter(operators_of(model)).items()):
        entry, objections = profile.operators.get(name), profile.objections([(name, version)])
        if floats and whole:
            taken = ", ".join(profile.types)
            verdict = "refused"
            reason = f"on {floats}; supported are {taken} ({profile.types_source})"
        elif objections:
            verdict, reason = "refused", objections[0][1]
        elif entry is not None:
            known = entry.versions != "unknown"
            limits = "" if entry.limits == "unknown" else f"; {entry.limits}"
            verdict = "taken"
            reason = "in a supported version" if known else "listed, versions unknown"
            reason += f"{limits} ({entry.source})"
        else:
            verdict = "taken" if profile.others == "taken" else "unknown"
            reason = f"not in the profile ({profile.others_source})"
        rows.append((name, version, count, verdict, reason))
    return pd.DataFrame(rows, columns=_CHECKED)


def checks(models: Mapping[str, bytes | str], target: str | Target = "edge_tpu") -> pd.DataFrame:
    """`check` several files; a file that cannot be read only affects its own row.

    Args:
        models: dict from form to the bytes of a .tflite, or to the reason why there is none, as
            str.
        target: as for `check`.

    Returns:
        The rows of `check` with the leading column ``form``, and ``skipped``: why a file has no
        rows.

    Raises:
        SplitDeconvError: the target is unknown.
    """
    profile = load_target(target) if isinstance(target, str) else target
    tables = []
    for form, model in models.items():
        try:
            checked = check(vendor.given(model, "models"), profile).assign(skipped=None)
        except SplitDeconvError as error:
            checked = pd.DataFrame([{"skipped": error.problem}])
        tables.append(checked.assign(form=form))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=["form", *_CHECKED, "skipped"])


def operators_of(data: bytes | bytearray | memoryview) -> Iterator[tuple[str, int, str]]:
    """(name, version, float types) of every operator in a file.

    Raises:
        SplitDeconvError: it is not a valid .tflite file.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SplitDeconvError(
            "invalid model: expected the contents of a file",
            where="the TFLite model",
            expected="bytes",
            got=type(data).__name__,
            fix="read them, for example with pathlib.Path(path).read_bytes()",
        )
    model, _ = read(bytes(data), "the TFLite model")
    tflite_check.check(model, "the TFLite model")
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            touched = (*ports(operator.inputs), *ports(operator.outputs))
            kinds = {type_name(graph.tensors[place]) for place in touched if place >= 0}
            version = model.operatorCodes[operator.opcodeIndex].version
            floats = ", ".join(sorted(kind for kind in kinds if "FLOAT" in kind))
            yield operator_name(model, operator), version, floats

"""Compile .tflite files with Vela, Arm's compiler for Ethos-U NPUs: cycles, memory and operators.

The cycles are estimates by the compiler; no device is involved. Vela counts no cycles for operators
that it leaves to the CPU, so every row states whether a model is `complete`, that is, entirely on
the NPU. The cycles of an incomplete model are meaningless.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SplitDeconvError, check_choice, check_seconds
from ..limits import program
from . import compiler


@dataclass(frozen=True)
class Configuration:
    """An NPU and its system, as described in the file vela.ini that comes with Vela.

    Args:
        target: the target in `splitdeconv.convert` whose rules were derived from it.
        accelerator, system, memory: Vela's accelerator configuration, system configuration and
            memory mode.
    """

    target: str
    accelerator: str
    system: str
    memory: str


CONFIGURATIONS = {
    "ethos_u55": Configuration(
        "ethos_u55", "ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"
    ),
    "ethos_u65": Configuration(
        "ethos_u65", "ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram_512KB"
    ),
    "ethos_u85": Configuration(
        "ethos_u85", "ethos-u85-1024", "Ethos_U85_SYS_DRAM_High", "Dedicated_Sram_512KB"
    ),
    "ethos_u85_sram": Configuration(
        "ethos_u85", "ethos-u85-1024", "Ethos_U85_SYS_DRAM_High", "Sram_Only"
    ),
}
_INSTALL = "pip install 'splitdeconv[npu]'"
# The tables of older versions of Vela have other columns.
_OLDEST = (5, 0)
# Columns of Vela's summary, in its order: cycles in total, of the NPU, of each memory; KiB; MACs.
_SUMMARY = {
    "cycles_total": "cycles",
    "cycles_npu": "cycles_npu",
    "cycles_sram_access": "cycles_sram",
    "cycles_dram_access": "cycles_dram",
    "cycles_on_chip_flash_access": "cycles_on_chip_flash",
    "cycles_off_chip_flash_access": "cycles_off_chip_flash",
    "sram_memory_used": "sram_kib",
    "dram_memory_used": "dram_kib",
    "off_chip_flash_memory_used": "off_chip_flash_kib",
    "nn_macs": "macs",
}
_OPERATORS = {
    "Original Operator": "original",
    "NNG Operator": "operator",
    "Target": "placed",
    "Op Cycles": "cycles",
    "NPU": "cycles_npu",
    "SRAM AC": "cycles_sram",
    "DRAM AC": "cycles_dram",
    "OffFlash AC": "cycles_off_chip_flash",
    "MAC Count": "macs",
    "Name": "output",
}
_WORDS = ("original", "operator", "placed", "output")
_KEYS = ["form", "configuration", "accelerator", "system", "memory", "vela", "complete"]
_COLUMNS = [*_KEYS, *_SUMMARY.values(), "on_npu", "on_cpu", "skipped"]


def executable() -> str | None:
    """The path of Vela: next to this Python, else on PATH; None if it is not found."""
    beside = Path(sys.executable).parent / "vela"
    return str(beside) if beside.is_file() else which("vela")


def version(vela: str | None = None) -> str | None:
    """Vela's version; None if it reports none or does not answer within a minute."""
    return _version_or_reason(vela)[0]


def available(vela: str | None = None) -> str | None:
    """Why nothing can be compiled here, as one sentence, or None if it can.

    Args:
        vela: path of the executable; None for `executable()`.
    """
    return _version_or_reason(vela)[1]


def _version_or_reason(vela: str | None) -> tuple[str | None, str | None]:
    """(version or None, None or why nothing can be compiled), from one call of Vela."""
    path = vela or executable()
    if path is None:
        return None, f"Vela is not installed: {_INSTALL}"
    if which(path) is None:
        return None, f"invalid path of Vela {path!r}: expected an executable program"
    try:
        printed = program.run([path, "--version"], 60).printed
    except (OSError, subprocess.TimeoutExpired):
        printed = ""
    number = re.search(r"^\s*(\d{1,4}(?:\.\d{1,4})+)", printed)
    if number is None:
        return None, "Vela does not report its version when called with --version"
    version, reason = number[1], None
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        reason = f"Vela {version} is too old, {oldest} or later is required"
        reason += ": pip install -U ethos-u-vela"
    return version, reason


def estimate(
    models: Mapping[str, bytes | str | Mapping[str, bytes | str]],
    configurations: Iterable[str] = CONFIGURATIONS,
    *,
    timeout: float = 600.0,
    vela: str | None = None,
) -> pd.DataFrame:
    """Compile models for NPUs and collect Vela's estimates.

    Args:
        models: dict from form to the bytes of a .tflite, or to the reason why there is none, as
            str; or to a dict from configuration to these if they differ.
        configurations: names in `CONFIGURATIONS`.
        timeout: seconds for each compilation.
        vela: path of the executable; None for `executable()`.

    Returns:
        One row per form and configuration: ``form, configuration, accelerator, system, memory,
        vela`` (version), cycles in total and of the NPU and each memory, the memory used in KiB,
        ``macs``, ``on_npu`` and ``on_cpu`` (operators with their counts, such as ``Conv2D 4,
        MemoryCopy 2``), ``complete`` (nothing on the CPU) and ``skipped``: why there are no
        numbers. A failure only affects its own row; equal files are compiled once.

    Raises:
        SplitDeconvError: a configuration is unknown, or the timeout is invalid.
    """
    check_seconds(timeout, "timeout", "timeout")
    rows: list[dict[str, Any]] = []
    known: dict[tuple[bytes, str], dict[str, Any]] = {}
    version, reason = _version_or_reason(vela)
    for name in configurations:
        check_choice(name, CONFIGURATIONS, "configuration", "configurations")
    for form, model in models.items():
        for name in configurations:
            chosen = CONFIGURATIONS[name]
            row: dict[str, Any] = {"form": form, "configuration": name}
            row["accelerator"] = chosen.accelerator
            row |= {"system": chosen.system, "memory": chosen.memory}
            row |= {"vela": version, "complete": False}
            try:
                if reason is not None:
                    raise _unavailable(reason)
                own = model
                if isinstance(own, Mapping):
                    own = own.get(name, "no file was given for this configuration")
                data = compiler.given(own, "models")
                if (data, name) not in known:
                    made = compile_model(data, name, timeout=timeout, vela=vela)
                    known[data, name] = _facts(*made)
                row |= known[data, name]
            except SplitDeconvError as error:
                row["skipped"] = error.problem
            rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def compile_model(
    model: bytes,
    configuration: str | Configuration,
    *,
    timeout: float = 600.0,
    vela: str | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Compile one model.

    Args:
        model: bytes of a .tflite.
        configuration: a name in `CONFIGURATIONS`, or a `Configuration`.
        timeout: seconds.
        vela: path of the executable; None for `executable()`.

    Returns:
        (dict of the totals in `estimate`, DataFrame of the operators that Vela generated:
        ``original`` TFLite operator, resulting ``operator``, ``placed`` (NPU or CPU), cycles, MACs,
        name of its ``output``).

    Raises:
        SplitDeconvError: the configuration is unknown or the timeout is invalid; or Vela is
            missing, failed, took too long, or wrote tables in an unknown format.
    """
    check_seconds(timeout, "timeout", "timeout")
    if not isinstance(configuration, Configuration):
        check_choice(configuration, CONFIGURATIONS, "configuration")
    chosen = CONFIGURATIONS[configuration] if isinstance(configuration, str) else configuration
    path_of_vela = vela or executable()
    if path_of_vela is None:
        raise _unavailable(f"Vela is not installed: {_INSTALL}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        command: list[str | Path] = [
            path_of_vela,
            path,
            f"--accelerator-config={chosen.accelerator}",
            "--verbose-performance",
            f"--system-config={chosen.system}",
            f"--memory-mode={chosen.memory}",
            f"--output-dir={folder}",
        ]
        done = compiler.run("Vela", command, timeout, folder)
        if done.code:
            raise compiler.failed("Vela", f"Vela {done.ending}", f"a process that {done.ending}")
        totals = _table(folder, "model_summary_*.csv", _SUMMARY).iloc[-1].to_dict()
        return totals, _table(folder, "model_per-layer.csv", _OPERATORS)


def _unavailable(reason: str) -> SplitDeconvError:
    return SplitDeconvError(
        reason,
        where="the program vela",
        expected=f"Vela {'.'.join(map(str, _OLDEST))} or later",
        got="no working installation",
        fix=_INSTALL,
    )


def _table(folder: str, pattern: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table that Vela wrote, rename its columns, and check its numbers."""
    paths = sorted(Path(folder).glob(pattern))
    if not paths:
        raise _unknown(f"no file {pattern}", pattern, "a table", "no file")
    try:
        # Read as text, because a tensor may be named None or 7, and a column may be empty.
        table = pd.read_csv(paths[-1], dtype=str, keep_default_na=False)
    except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        problem = f"{pattern} is not a table"
        raise _unknown(problem, pattern, "comma-separated values", str(error)) from None
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        lacking = f"no column {missing[0]}" if missing else "no row"
        problem = f"{pattern} has {lacking}"
        raise _unknown(problem, pattern, f"columns {', '.join(columns)}, and a row", lacking)
    table = table[list(columns)].rename(columns=columns)
    for column, name in columns.items():
        if name in _WORDS:
            table[name] = table[name].replace("", "unnamed").fillna("unnamed")
            continue
        table[name] = pd.to_numeric(table[name], errors="coerce")
        if not (np.isfinite(table[name]) & (table[name] >= 0)).all():
            problem = f"{pattern} has an invalid count in column {column}"
            raise _unknown(problem, pattern, "finite numbers, 0 or more", "something else")
    return table


def _unknown(problem: str, pattern: str, expected: str, got: str) -> SplitDeconvError:
    return SplitDeconvError(
        f"Vela's output has an unknown format: {problem}",
        where=f"Vela's file {pattern}",
        expected=expected,
        got=got,
        fix=f"install a supported version of Vela: {_INSTALL}",
    )


def _facts(totals: Mapping[str, Any], operators: pd.DataFrame) -> dict[str, Any]:
    """The columns of a row: totals, and the operators on the NPU and on the CPU."""
    on_npu = operators[operators["placed"] == "NPU"]["operator"]
    on_cpu = operators[operators["placed"] != "NPU"]["original"]
    if on_cpu.empty and not totals["cycles"]:
        problem = "no cycles were counted although everything is on the NPU"
        raise _unknown(problem, "model_summary_*.csv", "more than 0 cycles", "0")
    placed = {"on_npu": _counted(on_npu), "on_cpu": _counted(on_cpu)}
    return {**totals, **placed, "complete": on_cpu.empty, "skipped": None}


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))

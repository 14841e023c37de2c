"""The networks of benchmarks/networks.yaml, and the files that are made of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from splitdeconv.errors import SplitDeconvError, check_choice

TABLE = Path(__file__).resolve().parents[2] / "benchmarks" / "networks.yaml"
#: What can be made of a network, by the framework that defines it: see `makers`.
EXPORTS = {
    "torch": (
        "onnx",
        "onnx dynamic",
        "onnx float16",
        "onnx int8",
        "onnx int8 operators",
        "onnx int8 weights",
        "onnx legacy 11",
        "onnx legacy 17",
        "onnx legacy dynamic",
        "pt2",
    ),
    "keras": (
        "keras",
        "onnx",
        "tflite",
        "tflite float16",
        "tflite int8",
        "tflite int8 weights",
        "tflite int16x8",
    ),
    "file": ("as given",),
}
_KEYS = ("make", "family", "config", "part", "call", "take", "inputs", "exports", "about", "file")


@dataclass(frozen=True)
class Entry:
    """One file of one network.

    Attributes:
        network: its name.
        export: one of `EXPORTS` for its framework.
        framework: "torch", "keras" or "file".
        family: what the network is for.
        make: "LIBRARY:CLASS OR FUNCTION", with dots for submodules; of a file, its name in
            `splitdeconv.pretrained` or "PACKAGE/VERSION/MEMBER".
        config: the keyword arguments of the class, or of its configuration class if it has one.
        part: the submodule that is taken, as a dotted path.
        call: the method that is called instead of ``forward``.
        take: which of the outputs is taken, as a name or an index; None for the first.
        inputs: from the name of an argument to its values, see `inputs`.
        timed: whether it is tuned and timed: of the files of a network that differ only in how they
            were exported, the first.
    """

    network: str
    export: str
    framework: str
    family: str
    make: str
    config: Mapping[str, Any] = field(default_factory=dict)
    part: str | None = None
    call: str | None = None
    take: str | int | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = True

    @property
    def name(self) -> str:
        """A name for files and progress."""
        return f"{self.network}.{self.export}".replace(" ", "_")


def entries(path: Path = TABLE) -> list[Entry]:
    """Every file of every network, in the table's order.

    Raises:
        SplitDeconvError: an unknown key or export.
    """
    found = []
    for network, row in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for key in row:
            check_choice(key, _KEYS, f"key of {network}", str(path))
        framework = "file" if "file" in row else _framework(row["make"])
        shared = {key: row[key] for key in _KEYS if key in row and key in Entry.__annotations__}
        shared |= {"make": row.get("make") or row["file"], "framework": framework}
        kinds = set()
        for export in row.get("exports", EXPORTS[framework][:1]):
            check_choice(export, EXPORTS[framework], f"export of {network}", str(path))
            # Operators of the same kinds run at the same speed, whoever wrote them down.
            kind = export.split()[0], export.partition(" ")[2] in ("int8", "int16x8")
            found.append(Entry(network=network, export=export, timed=kind not in kinds, **shared))
            kinds.add(kind)
    if len({entry.name for entry in found}) < len(found):
        raise SplitDeconvError(
            "a network is exported twice in the same way", where=str(path), expected="unique names"
        )
    return found


def _framework(make: str) -> str:
    return "keras" if make.startswith("keras:") else "torch"

"""Compilers that estimate without their device: Vela for Ethos-U, libtpu for Cloud TPUs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...convert.exchange import Inputs, ModelFile
from ...convert.variants.variant import NATIVE, Variant
from ...core.forms import INTERLEAVES
from ...core.layer import Layer
from ...errors import SplitDeconvError, check_choice
from ...toolchains import libtpu, vela
from ..oracle import Cost, Oracle, Subject, data_of, relative

#: Why a program that libtpu compiled may have no cycles, see `libtpu.charged`.
_SILENT = "libtpu estimates no cycles for a part of it"
#: Multiply-accumulates per cycle that Vela 5.2.0 knows of each family, and the memory modes in the
#: file vela.ini that comes with it.
_SIZES = {
    "ethos-u55": (32, 64, 128, 256),
    "ethos-u65": (256, 512),
    "ethos-u85": (128, 256, 512, 1024, 2048),
}
_MEMORIES = (
    "Sram_Only",
    "Shared_Sram",
    "Dedicated_Sram",
    "Dedicated_Sram_256KB",
    "Dedicated_Sram_384KB",
    "Dedicated_Sram_512KB",
)


class Vela(Oracle):
    """Arm's compiler for Ethos-U.

    Args:
        setting: an accelerator, such as "ethos-u55-256", or one of
            `splitdeconv.toolchains.vela.CONFIGURATIONS`; optionally ",MEMORY_MODE".
    """

    unit, evidence, formats, exact = "cycles", "Vela's estimate", ("tflite",), True

    def __init__(self, setting: str) -> None:
        self.name = f"vela:{setting}"
        accelerator, _, memory = setting.partition(",")
        self._configuration = _configuration(accelerator, memory)
        self.target = self._configuration.target

    def missing(self) -> str | None:
        return vela.available()

    def facts(self) -> dict[str, Any]:
        chosen = self._configuration
        return {
            "version": vela.version(),
            "accelerator": chosen.accelerator,
            "system": chosen.system,
            "memory": chosen.memory,
        }

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        costs = {variant: Cost.missing(reason) for variant, reason in subject.reasons.items()}
        amounts = {v: self._cycles(path.read_bytes()) for v, path in subject.files.items()}
        return costs | relative(amounts)

    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        made = Variant("tuned")
        before, after = self._cycles(data_of(original), True), self._cycles(tuned, True)
        if isinstance(before, str):  # then there is nothing to compare with
            return Cost.missing(f"the original as a whole: {before}")
        return relative({NATIVE: before, made: after})[made]

    def _cycles(self, model: bytes, mixed: bool = False) -> float | str:
        """Estimated cycles, or why there are none: a part on the CPU has no estimate."""
        try:
            totals, operators = vela.compile_model(model, self._configuration)
        except SplitDeconvError as error:
            return error.problem
        on_cpu = sorted({*operators[operators["placed"] == "CPU"]["operator"]})
        if on_cpu and not mixed:
            return f"Vela leaves {', '.join(on_cpu)} to the CPU, which it does not estimate"
        return float(totals["cycles"]) or "Vela estimates no cycles"


def _configuration(accelerator: str, memory: str) -> vela.Configuration:
    """A configuration by its name here, or by Vela's name of the accelerator."""
    known = dict(vela.CONFIGURATIONS)
    for family, sizes in _SIZES.items():
        like = next(c for c in known.values() if c.accelerator.startswith(f"{family}-"))
        known |= {
            f"{family}-{size}": replace(like, accelerator=f"{family}-{size}") for size in sizes
        }
    check_choice(accelerator, known, "accelerator", "on")
    if memory:
        check_choice(memory, _MEMORIES, "memory mode", "on")
    return replace(known[accelerator], memory=memory or known[accelerator].memory)


class Libtpu(Oracle):
    """Google's compiler for Cloud TPUs, in bfloat16.

    Args:
        generation: one of `splitdeconv.toolchains.libtpu.GENERATIONS`.
    """

    unit, evidence, exact = "cycles", "libtpu's estimate", True
    formats, compared = ("tflite", "onnx", "keras", "pt2"), "all transposed convolutions"

    def __init__(self, generation: str) -> None:
        self.name, self._generation = f"libtpu:{generation}", generation
        self.target = f"tpu_{generation}"

    def missing(self) -> str | None:
        return libtpu.available(self._generation)

    def facts(self) -> dict[str, Any]:
        return {"compiler": libtpu.compiler(), "generation": self._generation, "dtype": "bfloat16"}

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
        if unsized := subject.unsized(2):
            return unsized
        site, costs = subject.site, subject.barred()
        left = [v for v in subject.variants if v.interleave in ("", *INTERLEAVES)]
        try:
            layer = Layer.from_axes(
                site.name, site.known_axes, site.known_channels, groups=site.groups
            )
        except (SplitDeconvError, ValueError) as error:
            return costs | dict.fromkeys(subject.variants, Cost.missing(str(error)))
        alone = {"network": "model", "kind": "layer", "layer": site.name, "layers": [layer.row()]}
        cases = libtpu.cases(
            [alone],
            generations=[self._generation],
            batches=[site.batch or 1],
            variants=[(v.form, v.interleave or "concat") for v in left],
        )
        table = libtpu.measure(cases)
        amounts: dict[Variant, float | str] = {}
        charged = libtpu.charged(table[table["reason"].isna()]).reindex(table.index)
        for variant, reason, cycles in zip(left, table["reason"], charged, strict=True):
            unknown = reason if isinstance(reason, str) else _SILENT
            amounts[variant] = float(cycles) if cycles > 0 else unknown
        others = dict.fromkeys(
            set(subject.variants) - set(left), Cost.missing("XLA has no such operation")
        )
        return others | relative(amounts) | costs

    def whole(
        self,
        original: ModelFile,
        tuned: bytes,
        layers: Sequence[tuple[Cost, Cost]],
        inputs: Inputs | None = None,
    ) -> Cost:
        return summed(layers)


def summed(layers: Sequence[tuple[Cost, Cost]]) -> Cost:
    """The cost of several layers, one after the other; missing if that of one is missing."""
    pairs = [(native.amount, chosen.amount) for native, chosen in layers]
    before = [a for a, _ in pairs if a is not None]
    after = [b for _, b in pairs if b is not None]
    if len(before) < len(pairs) or len(after) < len(pairs) or not pairs:
        count = sum(None in pair for pair in pairs)
        have = "has" if count == 1 else "have"
        return Cost.missing(f"{count} of {len(pairs)} transposed convolutions {have} no cost")
    gain = sum(before) / sum(after)
    return Cost(sum(after), gain, gain, gain)

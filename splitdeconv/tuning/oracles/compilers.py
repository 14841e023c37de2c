"""Compilers that estimate without their device: Vela for Ethos-U, libtpu for Cloud TPUs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...convert.exchange import Inputs, ModelFile
from ...convert.variants import NATIVE, Variant
from ...core.forms import INTERLEAVES
from ...core.layer import Layer
from ...errors import SplitDeconvError, check_choice
from ...toolchains import libtpu, vela
from ..oracle import Cost, Oracle, Subject, data_of, relative


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
        return relative(
            {NATIVE: self._cycles(data_of(original), True), made: self._cycles(tuned, True)}
        )[made]

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
    known = vela.CONFIGURATIONS | {
        chosen.accelerator: chosen for chosen in reversed(vela.CONFIGURATIONS.values())
    }
    if accelerator not in known:
        family = accelerator.rpartition("-")[0]
        alike = [c for c in vela.CONFIGURATIONS.values() if c.accelerator.startswith(f"{family}-")]
        if family.startswith("ethos-u") and alike and accelerator.rpartition("-")[2].isdigit():
            known[accelerator] = replace(alike[0], accelerator=accelerator)
    check_choice(accelerator, known, "accelerator", "on")
    chosen = known[accelerator]
    return replace(chosen, memory=memory) if memory else chosen


class Libtpu(Oracle):
    """Google's compiler for Cloud TPUs, in bfloat16.

    Args:
        generation: one of `splitdeconv.toolchains.libtpu.GENERATIONS`.
    """

    unit, evidence, exact = "cycles", "libtpu's estimate", True
    formats = ("tflite", "onnx", "keras")

    def __init__(self, generation: str) -> None:
        self.name, self._generation = f"libtpu:{generation}", generation
        self.target = f"tpu_{generation}"

    def missing(self) -> str | None:
        return libtpu.available(self._generation)

    def facts(self) -> dict[str, Any]:
        return {"compiler": libtpu.compiler(), "generation": self._generation, "dtype": "bfloat16"}

    def costs(self, subject: Subject) -> dict[Variant, Cost]:
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
            amounts[variant] = reason if isinstance(reason, str) else float(cycles)
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
        return summed(layers, "of the transposed convolutions alone")


def summed(layers: Sequence[tuple[Cost, Cost]], what: str) -> Cost:
    """The cost of several layers, one after the other; missing if that of one is missing."""
    pairs = [(native.amount, chosen.amount) for native, chosen in layers]
    before = [a for a, _ in pairs if a is not None]
    after = [b for _, b in pairs if b is not None]
    if len(before) < len(pairs) or len(after) < len(pairs) or not pairs:
        return Cost.missing(f"the sum {what}: a layer has no cost on its own")
    gain = sum(before) / sum(after)
    return Cost(sum(after), gain, gain, gain)

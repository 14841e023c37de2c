"""The oracles by name: runtimes on this CPU, compilers, and the processor model."""

import os

from ...errors import SplitDeconvError, check_choice, suggestion
from ...toolchains import cpu, libtpu, vela
from ..oracle import Oracle
from .compilers import Libtpu, Vela
from .keras import Keras
from .processor import Modelled
from .runtimes import Runtime

_NAMES = (*cpu.RUNTIMES, "keras", "vela:CONFIGURATION", "libtpu:GENERATION")


def oracle(name: str | os.PathLike[str], *, threads: int | None = None, seed: int = 0) -> Oracle:
    """The oracle that a name stands for.

    Args:
        name: "litert", "onnxruntime", "openvino", "torch" or "keras" for times on this CPU;
            "vela:ethos-u55-256" (optionally ",MEMORY_MODE") and "libtpu:v5e" for a compiler's
            estimates; a processor's name or the path of its YAML file for `splitdeconv.dlp`.
        threads: of a runtime on this CPU; None for all cores.
        seed: of inputs and intervals.

    Raises:
        SplitDeconvError: no such oracle, configuration, generation or processor, or it is not
            installed here.
    """
    made = _made(os.fspath(name), threads, seed)
    reason = made.missing()
    if reason is not None:
        raise SplitDeconvError(
            f"the oracle {made.name} cannot be asked here",
            where="on",
            expected="an oracle that is installed",
            got=reason,
            fix=f"install it, or choose another: {', '.join(_NAMES)}, or a processor",
        )
    return made


def _made(name: str, threads: int | None, seed: int) -> Oracle:
    from ... import dlp

    kind, _, setting = name.partition(":")
    if name in cpu.RUNTIMES:
        return Runtime(name, threads or os.cpu_count() or 1, seed)
    if name == "keras":
        return Keras(seed)
    if kind == "vela" and setting:
        return Vela(setting)
    if kind == "libtpu" and setting:
        check_choice(setting, tuple(libtpu.GENERATIONS), "generation", "on")
        return Libtpu(setting)
    if name.endswith((".yaml", ".yml")) or name in dlp.processors():
        return Modelled(name)
    known = [*cpu.RUNTIMES, "keras", *(f"vela:{c.accelerator}" for c in _vela())]
    known += [*(f"libtpu:{generation}" for generation in libtpu.GENERATIONS), *dlp.processors()]
    raise SplitDeconvError(
        f"unknown oracle {name!r}",
        where="on",
        expected=f"one of {', '.join(_NAMES)}, a processor of the model, or its .yaml file",
        got=repr(name),
        fix=suggestion(name, known) or f"for example {known[0]}",
    )


def _vela() -> list[vela.Configuration]:
    return list(vela.CONFIGURATIONS.values())

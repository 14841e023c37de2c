"""What the values of a processor mean: peak, roof, buffers in words, and what is assumed."""

from typing import Any

from ..machine import number_type
from ..processor import ProcessorLike, load_processor
from .area import area

#: How an origin says that no source was checked.
_UNSOURCED = ("assumed", "from memory")


def summary(processor: ProcessorLike) -> dict[str, Any]:
    """The figures that follow from a processor's values.

    Args:
        processor: a name, a path or a `Processor`.

    Returns:
        dict: ``name`` and ``title``; ``number_type`` of activations and weights; ``peak_macs``,
        multiply-accumulates per cycle; ``tops``, 10^12 operations per second, a multiply-accumulate
        being two; ``dram_bytes_per_cycle``; ``ridge``, the multiply-accumulates per byte of DRAM
        from which a layer can reach the peak; ``input_words``, ``weight_words`` and
        ``output_words`` that are in use at a time, which is half of each buffer, and
        ``output_sums``, the partial sums that fit there instead; ``area_mm2``, ``peak_power_w`` and
        their parts, as `splitdeconv.dlp.area` has them; ``unsourced``, the keys whose origin says
        "assumed" or "from memory".

    Raises:
        SplitDeconvError: as `area`.

    Example:
        >>> import splitdeconv as sd
        >>> found = sd.dlp.summary("pe_array_32x7")
        >>> found["peak_macs"], found["dram_bytes_per_cycle"], found["ridge"]
        (224, 16.0, 14.0)
    """
    machine = load_processor(processor)
    per_cycle = machine.dram_gb_s * 1e3 / machine.clock_mhz
    halves = {
        name: getattr(machine, f"{name}_buffer_kib") * 1024 * 8 / 2
        for name in ("input", "weight", "output")
    }
    return {
        "name": machine.name,
        "title": machine.title,
        "number_type": number_type(machine),
        "peak_macs": machine.peak,
        "tops": 2 * machine.peak * machine.clock_mhz / 1e6,
        "dram_bytes_per_cycle": per_cycle,
        "ridge": machine.peak / per_cycle,
        **{f"{name}_words": int(bits // machine.word_bits) for name, bits in halves.items()},
        "output_sums": int(halves["output"] // machine.accumulator_bits),
        **area(machine),
        "unsourced": [
            name
            for name, origin in machine.origins.items()
            if any(words in origin for words in _UNSOURCED)
        ],
    }

"""Transposed convolutions to test with: a list of hard cases, and a space for hypothesis.

Both draw from one function, `draw_case`. The legal output sizes are restated here from TensorFlow's
and Keras' rules and not asked of `splitdeconv.core.geometry`, which is under test.
"""

import random
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from hypothesis import strategies as st

import splitdeconv as sd


@dataclass(frozen=True)
class Case:
    """The arguments of one transposed convolution; channels are totals over the groups."""

    sizes: tuple
    kernel: tuple
    strides: tuple
    dilations: tuple
    padding: object
    output_shape: tuple | None
    output_padding: tuple | None
    groups: int
    batch: int
    cin: int
    cout: int

    @property
    def rank(self):
        return len(self.sizes)

    @property
    def spans(self):
        """Effective kernels: from first to last tap."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def outputs(self):
        """Spatial output lengths, from the definition of each padding."""
        lengths = []
        for i, (n, s, span) in enumerate(zip(self.sizes, self.strides, self.spans, strict=True)):
            wanted = self.output_shape and self.output_shape[i]
            extra = self.output_padding and self.output_padding[i]
            if wanted is not None:
                lengths.append(wanted)
            elif extra is None:
                full = (n - 1) * s + span
                default = {"SAME": n * s, "VALID": n * s + max(span - s, 0)}
                lengths.append(
                    default[self.padding]
                    if self.padding in default
                    else full - sum(self.padding[i])
                )
            else:
                crops = {"SAME": span - span % 2, "VALID": 0}
                crop = crops[self.padding] if self.padding in crops else sum(self.padding[i])
                lengths.append((n - 1) * s + span - crop + extra)
        return tuple(lengths)

    @property
    def full_output_shape(self):
        return (self.batch, *self.outputs, self.cout)

    def plan(self, form="split"):
        return sd.plan(
            self.sizes,
            self.kernel,
            self.strides,
            self.padding,
            self.output_shape,
            self.output_padding,
            self.dilations,
            self.groups,
            form,
        )

    def arrays(self, dtype=np.float64):
        """Input and filters, the same for one case: signed, no two positions or channels alike."""
        rng = np.random.default_rng(crc32(repr(self).encode()))
        shapes = (
            (self.batch, *self.sizes, self.cin),
            (*self.kernel, self.cout // self.groups, self.cin),
        )
        return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)

    def integers(self, dtype=np.float32):
        """Small signed integers, whose sums of products every float type here holds exactly."""
        return tuple(np.round(3 * a).astype(dtype) for a in self.arrays())

    def __str__(self):
        parts = [
            "x".join(map(str, t)) for t in (self.sizes, self.kernel, self.strides, self.dilations)
        ]
        pads = (
            self.padding
            if isinstance(self.padding, str)
            else "_".join(f"{b}-{e}" for b, e in self.padding)
        )
        extra = "".join(
            f"-{label}{'x'.join(map(str, value))}"
            for label, value in (("o", self.output_shape), ("op", self.output_padding))
            if value is not None
        )
        geometry = "-".join(f"{letter}{part}" for letter, part in zip("nksd", parts, strict=True))
        return f"{geometry}-{pads}{extra}-g{self.groups}-b{self.batch}-c{self.cin}-{self.cout}"


def draw_case(integer):
    """One legal case; ``integer(low, high)`` draws an int, both ends included."""

    def pick(*values):
        return values[integer(0, len(values) - 1)]

    rank = pick(2, 1, 2, 3, 2)
    longest, widest, fastest = {1: (9, 9, 6), 2: (6, 6, 4), 3: (3, 4, 3)}[rank]
    sizes, kernel, strides = (
        tuple(integer(1, most) for _ in range(rank)) for most in (longest, widest, fastest)
    )
    strides = pick(strides, strides[:1] * rank)
    dilations = (
        tuple(integer(2, 3) if pick(0, 0, 1) else 1 for _ in range(rank))
        if pick(0, 1)
        else (1,) * rank
    )
    groups = pick(1, 1, 1, 2, 3)
    # With one input channel per group the convolution is depthwise.
    cin, cout = groups * pick(2, 3, 1), groups * pick(3, 2, 1)
    full = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(sizes, strides, dilations, kernel, strict=True)
    ]
    padding = pick("SAME", "VALID", "explicit")
    if padding == "explicit":
        padding = tuple(_split(integer, f) for f in full)
    case = Case(
        sizes, kernel, strides, dilations, padding, None, None, groups, pick(2, 1, 3), cin, cout
    )
    size = pick("default", "shape", "padding")
    if size == "shape":
        return _with(case, output_shape=_any_legal_output(case, integer))
    if size == "padding":
        reach = strides if isinstance(padding, str) else map(max, strides, dilations)
        longer = _with(case, output_padding=tuple(integer(0, r - 1) for r in reach))
        return longer if min(longer.outputs) > 0 else case
    return case


def _split(integer, full):
    """Crops (before, end) of `full` outputs that leave at least one; sometimes most go."""
    before = integer(0, min(full - 1, 4 + 4 * integer(0, 1)))
    return before, integer(0, min(full - 1 - before, 4))


def _any_legal_output(case, integer):
    """One of the lengths that a strided convolution with this padding takes to the input's."""
    lengths = []
    for i, (n, s, span) in enumerate(zip(case.sizes, case.strides, case.spans, strict=True)):
        crop = (
            {"SAME": span - 1, "VALID": 0}.get(case.padding)
            if isinstance(case.padding, str)
            else sum(case.padding[i])
        )
        shortest = (n - 1) * s + span - crop
        lengths.append(None if integer(0, 7) == 7 else integer(shortest, shortest + s - 1))
    return tuple(lengths)


def _with(case, **changes):
    return Case(**{**case.__dict__, **changes})


def _fixed_list(count):
    source = random.Random(1907_01773)
    cases = {}
    while len(cases) < count:
        case = draw_case(source.randint)
        cases[str(case)] = case
    return list(cases.values())


CASES = _fixed_list(1030)


@st.composite
def cases(draw):
    """Hypothesis' view of the same space; it shrinks to small 2-D cases."""
    return draw_case(lambda low, high: draw(st.integers(low, high)))

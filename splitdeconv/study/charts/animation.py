"""The split as a looping animation: an SVG file that browsers play without a script.

Everything is drawn where it ends, and moves there from where it was. Readers who ask their browser
for less motion, and programs that do not animate, see the last picture.
"""

from dataclasses import dataclass, field
from itertools import product
from xml.sax.saxutils import escape

from ...core.convolutions import Convolution
from ...core.plan import SplitPlan
from ...errors import SplitDeconvError
from .plan import need_rank, phase_colours, placed_taps

_HEIGHT, _MARGIN, _LABEL = 320, 16, 176  # a step is at least as wide as its label
_SECONDS = 12
# When each step begins and ends, in per cent of a turn.
_CUT, _RUN, _LACE = (10, 26), (32, 60), (66, 84)
_BLOCKS = 4  # along each axis: outputs of one phase that are drawn
_TAP, _BLOCK, _PIXEL = 22, 13, {2: 22, 3: 15}  # the sides of squares; outputs by stride
_TOP, _MAP = 60, _BLOCKS * _BLOCK + 12
_MOST_TAPS = 7
_NAMESPACE = "http://www.w3.org/2000/svg"
_STYLE = """
text {{ font: 14px sans-serif; fill: #444; text-anchor: middle; }}
.ghost {{ opacity: .25; }}
.tap {{ animation: cut {seconds}s infinite; }}
.out {{ transform-box: fill-box; transform-origin: 0 0; animation: lace {seconds}s infinite; }}
.block {{ fill: none; stroke: #222; stroke-width: 2; animation: walk {seconds}s infinite; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #bbb; }} .block {{ stroke: #eee; }} }}
@media (prefers-reduced-motion: reduce) {{ * {{ animation: none !important; }} }}
@keyframes cut {{
  0%, {cut[0]}% {{ transform: translate(var(--x), var(--y)); }}
  {cut[1]}%, 100% {{ transform: none; }}
}}
@keyframes lace {{
  0%, {lace[0]}% {{ transform: translate(var(--x), var(--y)) scale(var(--s)); }}
  {lace[1]}%, 100% {{ transform: none; }}
}}
@keyframes walk {{ {walk} }}
"""


@dataclass
class _Drawing:
    """The elements of an SVG file, in the order in which they are drawn."""

    elements: list[str] = field(default_factory=list)

    def square(self, x: float, y: float, side: float, colour: str, more: str = "") -> None:
        corner, size = f'x="{x + 0.5:g}" y="{y + 0.5:g}"', f'{side - 1:g}"'
        self.elements.append(
            f'<rect {corner} width="{size} height="{size} fill="{colour}"{more and " "}{more}/>'
        )

    def text(self, x: float, y: float, words: str) -> None:
        self.elements.append(f'<text x="{x:g}" y="{y:g}">{escape(words)}</text>')

    def cut(self, phase: Convolution, colour: str, left: float, part: tuple[float, float]) -> None:
        """The taps of a phase: they leave the filter at `left` for their part."""
        for i, j, u, v in placed_taps(phase):
            start = left + v * _TAP, _TOP + u * _TAP
            end = part[0] + j * _TAP, part[1] + i * _TAP
            self.square(*start, _TAP, colour, 'class="ghost"')
            self.square(*end, _TAP, colour, f'class="tap" style="{_from(start, end)}"')

    def interleave(
        self,
        phase: tuple[int, ...],
        stride: int,
        colour: str,
        corner: tuple[float, float],
        left: float,
    ) -> None:
        """The results of a phase: they appear in its map at `corner`, and move into the output."""
        side = _PIXEL[stride]
        scale = f"--s:{(_BLOCK - 1) / (side - 1):.4f}"
        for by, bx in product(range(_BLOCKS), repeat=2):
            start = corner[0] + bx * _BLOCK, corner[1] + by * _BLOCK
            end = left + (bx * stride + phase[1]) * side, _TOP + (by * stride + phase[0]) * side
            # The group appears when its block is computed; the second square in it moves.
            self.elements.append(f'<g class="b{by * _BLOCKS + bx}">')
            self.square(*start, _BLOCK, colour, 'class="ghost"')
            self.square(*end, side, colour, f'class="out" style="{_from(start, end)};{scale}"')
            self.elements.append("</g>")

    def input(self, left: float, top: float) -> None:
        """The input, and the block of it that is being computed."""
        for y, x in product(range(_BLOCKS), repeat=2):
            self.square(left + x * _BLOCK, top + y * _BLOCK, _BLOCK, "#BBBBBB")
        self.square(left, top, _BLOCK, "none", 'class="block"')
        self.text(left + _BLOCKS * _BLOCK / 2, top - 8, "input")


def animation(plan: SplitPlan) -> str:
    """The text of an SVG file: a filter is cut, its parts run, their results are interleaved.

    Args:
        plan: a 2-D `SplitPlan` with one stride of 2 or 3 and at most 7 taps along each axis, so
            that it fits.

    Raises:
        SplitDeconvError: the plan is not 2-D, or does not fit.
    """
    need_rank(plan, 2)
    kernel, stride = tuple(axis.k for axis in plan.axes), plan.axes[0].s
    _need_fit(kernel, tuple(axis.s for axis in plan.axes))
    colours, drawing = phase_colours(plan), _Drawing()
    longest = [max(phase.kernel_size[axis] for phase in plan.phases) for axis in (0, 1)]
    pitch = [length * _TAP + 10 for length in longest]
    widths = {
        f"{kernel[0]}\u00d7{kernel[1]} filter, stride {stride}": kernel[1] * _TAP,
        f"1. cut it: {len(plan.phases)} filters": stride * pitch[1] - 10,
        "2. run each on the input": stride * _MAP - 12,
        "3. interleave the results": _BLOCKS * stride * _PIXEL[stride],
    }
    lefts, right = [], _MARGIN
    for label, width in widths.items():
        room = max(width, _LABEL)
        lefts.append(right + (room - width) / 2)
        drawing.text(right + room / 2, _TOP - 18, label)
        right += room + _MARGIN
    for phase in plan.phases:
        (py, px), colour = phase.phases[0], str(colours[phase.phases[0]])
        drawing.cut(phase, colour, lefts[0], (lefts[1] + px * pitch[1], _TOP + py * pitch[0]))
        corner = lefts[2] + px * _MAP, _TOP + py * _MAP
        drawing.interleave((py, px), stride, colour, corner, lefts[3])
    drawing.input(lefts[0], _TOP + kernel[0] * _TAP + 46)
    title = f"A {kernel[0]}x{kernel[1]} filter of stride {stride} in {len(plan.phases)} parts"
    return _file(drawing, right, title)


def _need_fit(kernel: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Refuse filters and strides that the picture has no room for."""
    if len(set(strides)) > 1 or strides[0] not in _PIXEL or max(kernel) > _MOST_TAPS:
        raise SplitDeconvError(
            "the plan does not fit into the animation",
            where="plan",
            expected=f"one stride of 2 or 3 and at most {_MOST_TAPS} taps along each axis",
            got=f"strides {strides}, {kernel[0]}x{kernel[1]} taps",
        )


def _from(start: tuple[float, float], end: tuple[float, float]) -> str:
    """How far from its end an element starts."""
    x, y = (a - b for a, b in zip(start, end, strict=True))
    return f"--x:{x:g}px;--y:{y:g}px"


def _file(drawing: _Drawing, width: float, title: str) -> str:
    """The whole file: blocks appear one after the other, and what is drawn moves."""
    first, last = _RUN
    count = _BLOCKS**2
    times = [first + (last - first) * block / count for block in range(count + 1)]
    appear = [
        f".b{block} {{ animation: a{block} {_SECONDS}s infinite; }}\n"
        f"@keyframes a{block} {{ 0%, {time:g}% {{ opacity: 0; }} "
        f"{time + 0.5:g}%, 100% {{ opacity: 1; }} }}"
        for block, time in enumerate(times[:-1])
    ]
    places = [divmod(block, _BLOCKS) for block in range(count)]
    walk = " ".join(
        f"{start:g}%, {end - 0.01:g}% {{ transform: translate({x * _BLOCK}px, {y * _BLOCK}px); }}"
        for start, end, (y, x) in zip(times, times[1:], places, strict=False)
    )
    style = _STYLE.format(seconds=_SECONDS, cut=_CUT, lace=_LACE, walk=walk)
    return "\n".join(
        [
            f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {width:g} {_HEIGHT}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}{chr(10).join(appear)}\n</style>",
            *drawing.elements,
            "</svg>\n",
        ]
    )

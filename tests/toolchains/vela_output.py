"""Tables as Vela writes them, and a stand-in that writes them."""

from splitdeconv.toolchains import vela
from tests.toolchains.standins import executable


def totals(value):
    return ",".join(vela._SUMMARY) + "\n" + ",".join([str(value)] * len(vela._SUMMARY)) + "\n"


def layer(place):
    return ",".join(vela._OPERATORS) + f"\nConv2D,Conv2D,{place},1,1,1,1,1,1,x\n"


def writing(folder, summary, layers):
    """A stand-in that writes these tables."""
    (folder / "summary").write_text(summary)
    (folder / "layers").write_text(layers)
    copies = f'cp {folder}/summary "$to/model_summary_x.csv"; '
    copies += f'cp {folder}/layers "$to/model_per-layer.csv"'
    known = f'test "${{part#--output-dir=}}" = "$part" || {{ to="${{part#*=}}"; {copies}; }}'
    return executable(folder / "vela", f"for part; do {known}; done\necho 5.2.0")

"""The account of a plan, as it is printed for every form."""

from itertools import product

import pytest

import splitdeconv as sd
from splitdeconv.core.forms import FORMS

ACCOUNTS = {
    "split": """\
2-D transposed convolution, form split
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  6 output phase(s) from 6 stride-1 convolution(s):
    phase (0, 0): 2x1 taps, pad 1:0 0:0
    phase (0, 1): 2x1 taps, pad 1:0 0:0
    phase (0, 2): empty, bias only
    phase (1, 0): 3x1 taps, pad 1:1 0:0
    phase (1, 1): 3x1 taps, pad 1:1 0:0
    phase (1, 2): empty, bias only""",
    "rows": """\
2-D transposed convolution, form rows
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  6 output phase(s) from 2 stride-1 convolution(s):
    phase (0, 0-2): 2x1 taps, pad 1:0 0:0
    phase (1, 0-2): 3x1 taps, pad 1:1 0:0""",
    "stacked": """\
2-D transposed convolution, form stacked
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  6 output phase(s) from 1 stride-1 convolution(s):
    phase (0-1, 0-2): 3x1 taps, pad 1:1 0:0""",
    "paper": """\
2-D transposed convolution, form paper
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  6 output phase(s) from 6 stride-1 convolution(s):
    phase (0, 0): 3x1 taps, pad 2:1 0:0
    phase (0, 1): 3x1 taps, pad 2:1 0:0
    phase (0, 2): 3x1 taps, pad 2:1 0:0
    phase (1, 0): 3x1 taps, pad 2:1 0:0
    phase (1, 1): 3x1 taps, pad 2:1 0:0
    phase (1, 2): 3x1 taps, pad 2:1 0:0
  crop after the interleave: 1:1 0:0""",
    "nzp": """\
2-D transposed convolution, form nzp
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  1 output phase(s) from 1 stride-1 convolution(s) over the input with 2x3 zero insertion:
    phase (0, 0): 5x2 taps, pad 3:1 1:0""",
    "native": """\
2-D transposed convolution, form native
  axis 0: 4 -> 8 (k=5 s=2 p=1)
  axis 1: 3 -> 9 (k=2 s=3 p=0)
  the framework's own operator; nothing is split""",
}


OPERATIONS = (
    "  multiply-accumulates per channel pair, and relative to useful:\n"
    "    useful 120 (1.00)  exact 102 (0.85)  nzp 720 (6.00)  split 120 (1.00)  rows 180 (1.50)  "
    "stacked 216 (1.80)  paper 270 (2.25)"
)


@pytest.mark.parametrize("form", FORMS)
def test_printed_account(form):
    assert str(sd.plan((4, 3), (5, 2), (2, 3), form=form)) == f"{ACCOUNTS[form]}\n{OPERATIONS}"


def test_printed_account_of_what_is_not_known_dilated_grouped_or_long():
    text = str(sd.plan((None, 6), 3, 5, "VALID", dilations=2, groups=3))
    assert text.splitlines() == [
        "2-D transposed convolution, form split, 3 groups",
        "  axis 0: ? -> ?*5+0 (k=3 s=5 d=2 p=0)",
        "  axis 1: 6 -> 30 (k=3 s=5 d=2 p=0)",
        "  25 output phase(s) from 25 stride-1 convolution(s):",
        *(
            f"    phase ({i}, {j}): "
            + ("empty, bias only" if {i, j} & {1, 3} else "1x1 taps, pad 0:0 0:0")
            for i, j in list(product(range(5), repeat=2))[:16]
        ),
        "    and 9 more",
    ]
    assert "phase (0, 0): 2x2 taps dilation 3x3, pad 3:3 3:3" in str(
        sd.plan((6, 6), 3, 2, "VALID", dilations=3)
    )
    # (6*3)^2, per pair of channels that meet: groups change the channels, not this.
    assert "useful 324 (1.00)" in str(sd.plan((6, 6), 3, 2, groups=3))

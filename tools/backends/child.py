"""Ask one back end for one layer, in a process that may crash: see `tools.backends.__main__`."""

import re
import warnings

import torch

import splitdeconv as sd
from splitdeconv.errors import one_line
from splitdeconv.limits.loop import serve
from tools.backends.cases import program
from tools.backends.ends import ENDS

#: The folders of a file, which differ from machine to machine.
_PATH = re.compile(r"(?<!\w)/[\w./-]*/")
#: Of bfloat16, whose values have 8 bits.
_ROUNDED = 2.0**-7


def answer(task):
    """Give ``accepted``, ``remark``, the back end's or its error, and ``error`` of the values."""
    case = task["case"]
    original, x = program(case)
    right = original.module()(x).detach().double()
    given = sd.convert(original).model if task["converted"] else original
    _, end, most = ENDS[task["end"]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made, remark = end(given, x)
    except Exception as error:  # whatever a back end raises is its answer
        remark = _PATH.sub("", one_line(error, most=160, typed=True))
        return {"accepted": False, "remark": remark, "error": None}
    if made.shape != right.shape:
        remark = f"shape {list(made.shape)} instead of {list(right.shape)}; {remark}"
        return {"accepted": False, "remark": remark, "error": None}
    error = float((made.detach().double() - right).abs().max() / right.abs().max())
    most = max(most, _ROUNDED) if x.dtype == torch.bfloat16 else most
    wrong = "" if error <= most else "wrong values; "
    return {"accepted": not wrong, "remark": wrong + remark, "error": error}


if __name__ == "__main__":
    serve(answer)

"""Tell apart an oracle that refuses a layer and one that did not answer, from the reason in words.

An oracle that refuses a layer refuses it again, so that is kept. One whose process was killed, took
too long or had no memory may answer the next time, so that is never kept, nor taken for a refusal.
"""

import re

from ..limits import shortage

#: As `splitdeconv.limits.child` and `splitdeconv.toolchains.compiler` say it.
_LOST = re.compile(
    r"took longer than [\d.e+]+ s|the process cannot be started|\bcannot be run: "
    r"|the process closed its output|was ended by signal (\d+)"
)
#: Signals by which a program ends itself, each time that it is given the same file: illegal
#: instruction, trap, abort, bus error, arithmetic, segmentation fault.
_CRASHES = {"4", "5", "6", "7", "8", "11"}


def unanswered(reason: str | None) -> bool:
    """Whether a reason for a missing cost, or None, says that the oracle did not answer."""
    if reason is None:
        return False
    lost = _LOST.search(reason)
    return shortage.of_anything(reason) or (lost is not None and lost[1] not in _CRASHES)

"""The one exception of the library, how it shows values, and the checks that many modules make."""

import reprlib
from numbers import Integral, Real

# Seconds, three years: beyond what threads can wait for there is an error of their own.
_LONGEST = 10**8
# Far beyond any count. Much longer integers cannot be written out, nor made floats.
_MOST = 2**100
# An error stays readable whatever a file or an argument holds. Compilers' logs are the longest texts worth quoting.
_LONGEST_DETAIL, _LONGEST_VALUE = 1000, 200


class SplitDeconvError(ValueError):
    """A refusal that tells what is wrong, where, what was expected, what was found and what to do.

    Args:
        problem: one sentence, what cannot be done and why.
        where: the layer, argument, file or geometry it concerns.
        expected: what would have been accepted.
        got: what was found instead.
        fix: what the reader can do next.

    Example:
        >>> import splitdeconv as sd
        >>> try:
        ...     sd.plan((16, 16), 5, 2, padding="FULL")
        ... except sd.SplitDeconvError as error:
        ...     print(error)
        the padding is not understood
          where: padding
          expected: "SAME", "VALID" or 2 (before, end) pair(s) of crops >= 0
          got: 'FULL'
    """

    # TensorFlow's AutoGraph replaces exceptions whose constructor it does not know, unless they carry this mark.
    ag_pass_through = True

    def __init__(self, problem, *, where=None, expected=None, got=None, fix=None):
        self.problem, self.where, self.expected, self.got, self.fix = problem, where, expected, got, fix
        details = (("where", where), ("expected", expected), ("got", got), ("what to do", fix))
        lines = (f"  {label}: {shorten(text)}" for label, text in details if text is not None)
        super().__init__("\n".join([shorten(problem), *lines]))

    def __reduce__(self):
        # Exceptions are rebuilt from `args` by default, which would lose the keyword fields between processes.
        return _rebuild, (self.problem, self.where, self.expected, self.got, self.fix)


def shorten(text, most=_LONGEST_DETAIL) -> str:
    """`text` on at most `most` characters, its middle left out if need be."""
    text = str(text)
    half = (most - 5) // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def shown(value, most=_LONGEST_VALUE) -> str:
    """`value` as an error shows it: its `repr`, abbreviated without ever being written out in full."""
    return shorten(_SHOWN.repr(value), most)


class _Shown(reprlib.Repr):
    """`reprlib` with limits for arguments and data files; integers too long to be written have their size shown."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxtuple, self.maxlist, self.maxdict = 4, 12, 12, 8
        self.maxstring = self.maxother = _LONGEST_VALUE

    def repr_int(self, x, level):
        """Digits, or their number in bits: Python refuses to write integers of thousands of digits."""
        return repr(x) if x.bit_length() <= 128 else f"an integer of {x.bit_length()} bits"


_SHOWN = _Shown()


def check_choice(value, known, name, where=None):
    """Refuse a `value` that is not one of the `known` strings.

    Raises:
        SplitDeconvError: it is another string, or not a string.
    """
    if not isinstance(value, str) or value not in known:
        raise SplitDeconvError(f"unknown {name}", where=where or name, expected=", ".join(known), got=shown(value))


def check_count(value, name, where) -> int:
    """`value` as an int, one of NumPy's too.

    Raises:
        SplitDeconvError: not a whole number from 1 to 2^100.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= value <= _MOST:
        problem = f"the {name} must be a positive integer"
        expected = "at most 2^100" if isinstance(value, Integral) and value > 1 else "1 or more"
        raise SplitDeconvError(problem, where=where, expected=expected, got=shown(value))
    return int(value)


def check_seconds(value, name, where) -> float:
    """`value` as a float.

    Raises:
        SplitDeconvError: not a number of seconds that a thread can wait for.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < _LONGEST:
        expected = f"seconds, above 0 and below {_LONGEST:,}"
        raise SplitDeconvError(f"the {name} is no time to wait", where=where, expected=expected, got=shown(value))
    return float(value)


def _rebuild(problem, where, expected, got, fix):
    return SplitDeconvError(problem, where=where, expected=expected, got=got, fix=fix)

"""The one exception of the library, and the checks that many modules make."""

from numbers import Integral, Real

# Seconds, three years: beyond what threads can wait for there is an error of their own.
_LONGEST = 10**8


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
        super().__init__("\n".join([problem, *(f"  {label}: {text}" for label, text in details if text is not None)]))

    def __reduce__(self):
        # Exceptions are rebuilt from `args` by default, which would lose the keyword fields between processes.
        return _rebuild, (self.problem, self.where, self.expected, self.got, self.fix)


def check_choice(value, known, name, where=None):
    """Refuse a `value` that is none of the `known` strings.

    Raises:
        SplitDeconvError: it is not, or is no string at all.
    """
    if not isinstance(value, str) or value not in known:
        raise SplitDeconvError(f"unknown {name}", where=where or name, expected=", ".join(known), got=repr(value))


def check_count(value, name, where) -> int:
    """`value` as an int, one of NumPy's too.

    Raises:
        SplitDeconvError: it is no whole number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise SplitDeconvError(f"the {name} is no positive integer", where=where, expected="1 or more", got=repr(value))
    return int(value)


def check_seconds(value, name, where) -> float:
    """`value` as a float.

    Raises:
        SplitDeconvError: it is no time that a thread can wait for.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < _LONGEST:
        expected = f"seconds, above 0 and below {_LONGEST:,}"
        raise SplitDeconvError(f"the {name} is no time to wait", where=where, expected=expected, got=repr(value))
    return float(value)


def _rebuild(problem, where, expected, got, fix):
    return SplitDeconvError(problem, where=where, expected=expected, got=got, fix=fix)

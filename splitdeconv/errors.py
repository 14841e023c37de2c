"""The one exception of the library, and the checks that many modules make."""

from numbers import Integral, Real

# In seconds three years: beyond what threads can wait for there is an error of their own.
_MOST = 10**8


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


def check_count(value, name, where):
    """Refuse what is no whole number above 0 and below 10**8.

    Raises:
        SplitDeconvError: it is none.
    """
    _check_number(value, Integral, "a whole number", name, where)


def check_seconds(value, name, where):
    """Refuse what is no time above 0 and below 10**8 seconds.

    Raises:
        SplitDeconvError: it is none.
    """
    _check_number(value, Real, "seconds", name, where)


def _check_number(value, kind, expected, name, where):
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < _MOST:
        expected = f"{expected} above 0 and below {_MOST:,}"
        raise SplitDeconvError(f"{name} cannot be this", where=where, expected=expected, got=repr(value))


def _rebuild(problem, where, expected, got, fix):
    return SplitDeconvError(problem, where=where, expected=expected, got=got, fix=fix)

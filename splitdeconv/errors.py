"""The one exception of the library, how it shows values, and the checks that many modules make."""

import difflib
import re
import reprlib
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

# Seconds, about three years: threads cannot wait for longer and raise an error of their own.
_LONGEST = 10**8
# Far beyond any count. Much longer integers can neither be printed nor converted to floats.
_MOST = 2**100
# Keeps an error readable whatever a file or an argument contains. Compilers' logs are the longest
# texts worth quoting.
_LONGEST_DETAIL, _LONGEST_VALUE = 1000, 200
# Keras styles its messages for terminals.
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
# Longer texts are not misspelt names; comparing them would take long.
_LONGEST_NAME = 100


class SplitDeconvError(ValueError):
    """An error that states what is wrong, where, what was expected, what was found and what to do.

    Args:
        problem: one sentence, what cannot be done and why.
        where: the layer, argument, file or geometry concerned.
        expected: what would have been accepted.
        got: what was found instead.
        fix: what the reader can do next.

    Example:
        >>> import splitdeconv as sd
        >>> try:
        ...     sd.plan((16, 16), 5, 2, padding="FULL")
        ... except sd.SplitDeconvError as error:
        ...     print(error)
        invalid padding
          where: padding
          expected: "SAME", "VALID" or 2 (before, end) pair(s) of crops >= 0
          got: 'FULL'
    """

    # TensorFlow's AutoGraph replaces exceptions whose constructor it does not know, unless they
    # carry this mark.
    ag_pass_through = True

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.where = problem, where
        self.expected, self.got, self.fix = expected, got, fix
        details = (("where", where), ("expected", expected), ("got", got), ("what to do", fix))
        lines = (f"  {label}: {shorten(text)}" for label, text in details if text is not None)
        super().__init__("\n".join([shorten(problem), *lines]))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from `args` by default, which would lose the keyword fields between
        # processes.
        return _rebuild, (self.problem, self.where, self.expected, self.got, self.fix)


def shorten(text: object, most: int = _LONGEST_DETAIL) -> str:
    """`text` shortened to `most` characters by leaving out its middle."""
    text = str(text)
    half = (most - 5) // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def one_line(error: BaseException, *, typed: bool = False, most: int = 300) -> str:
    """What an exception says, on one line, as another error quotes it.

    Args:
        error: the exception.
        typed: whether the name of its type comes first; it stands alone where the exception says
            nothing.
        most: characters; of longer texts the middle is left out.
    """
    kind, text = type(error).__name__, " ".join(_STYLE.sub("", str(error)).split())
    if typed and text:
        text = f"{kind}: {text}"
    return shorten(text or kind, most)


def shown(value: object, most: int = _LONGEST_VALUE) -> str:
    """`value` as an error shows it: an abbreviated `repr`, which is never built in full."""
    return shorten(_SHOWN.repr(value), most)


class _Shown(reprlib.Repr):
    """`reprlib` with limits for arguments and data files; of huge integers it shows the size."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxtuple, self.maxlist, self.maxdict = 4, 12, 12, 8
        self.maxstring = self.maxother = _LONGEST_VALUE

    def repr_int(self, x: int, level: int) -> str:
        """Digits, or their number in bits: Python refuses to write integers of many digits."""
        return repr(x) if x.bit_length() <= 128 else f"an integer of {x.bit_length()} bits"


_SHOWN = _Shown()


def explain(error: Exception) -> str:
    """An exception in one line, for a row of a table: what a refusal says, or its type and text."""
    if not isinstance(error, SplitDeconvError):
        return one_line(error, typed=True, most=_LONGEST_VALUE)
    details = []
    if error.got is not None:
        expected = "" if error.expected is None else f"expected {error.expected}, "
        details.append(f"{expected}got {error.got}")
    if error.fix is not None:
        details.append(str(error.fix))
    return shorten(f"{error.problem}: {'; '.join(details)}" if details else error.problem)


def check_choice(
    value: object,
    known: Collection[str],
    name: str,
    where: str | None = None,
    *,
    other: str = "",
) -> None:
    """Refuse a `value` that is not one of the `known` strings, and propose the most similar ones.

    Args:
        value: what was given.
        known: what is allowed.
        name: what the strings name, as an error calls it.
        where: the argument, call or file it was given to; by default `name`.
        other: what else the caller accepts, such as ", or the path of a .yaml file".

    Raises:
        SplitDeconvError: it is another string, or not a string.
    """
    if not isinstance(value, str) or value not in known:
        raise SplitDeconvError(
            f"unknown {name}",
            where=where or name,
            expected=f"{', '.join(known)}{other}",
            got=shown(value),
            fix=suggestion(value, known),
        )


def suggestion(value: object, known: Iterable[str]) -> str | None:
    """Which of the `known` names `value` may stand for, as a fix; None if it resembles none."""
    if not isinstance(value, str) or not 1 < len(value) <= _LONGEST_NAME:
        return None
    names = {name.lower(): name for name in known}
    if value.lower() in names:
        return f"did you mean {names[value.lower()]}?"
    alike = difflib.get_close_matches(value.lower(), names, n=3)
    alike += [name for name in sorted(names) if name.startswith(value.lower())]
    # A dict, because a set would lose the order, the most similar name first.
    likely = list(dict.fromkeys(names[name] for name in alike))[:3]
    return f"did you mean {' or '.join(likely)}?" if likely else None


def is_integer(value: object) -> TypeGuard[int]:
    """Whether `value` is an integer, one of NumPy's too; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_count(value: object, name: str, where: str, *, least: int = 1, most: int = _MOST) -> int:
    """`value` as an int, one of NumPy's too.

    Args:
        value: what was given.
        name: what it counts, as an error names it.
        where: the argument, call or file it was given to.
        least: the smallest number allowed, 1 or 0.
        most: the largest, by default 2^100.

    Raises:
        SplitDeconvError: not an integer from `least` to `most`.
    """
    if not is_integer(value) or not least <= value <= most:
        kind = "a positive integer" if least == 1 else f"an integer, {least} or more"
        # Powers of two are easier to read than their digits.
        is_power = most > 2**40 and most & (most - 1) == 0
        limit = f"2^{most.bit_length() - 1}" if is_power else str(most)
        expected = f"at most {limit}" if is_integer(value) and value > most else f"{least} or more"
        raise SplitDeconvError(
            f"the {name} must be {kind}", where=where, expected=expected, got=shown(value)
        )
    return int(value)


def check_seconds(value: object, name: str, where: str) -> float:
    """`value` as a float.

    Raises:
        SplitDeconvError: not a number of seconds that a thread can wait for.
    """
    # Python's and NumPy's numbers, whose common class a type checker cannot compare.
    seconds: Any = value
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < seconds < _LONGEST:
        expected = f"seconds, above 0 and below {_LONGEST:,}"
        raise SplitDeconvError(f"invalid {name}", where=where, expected=expected, got=shown(value))
    return float(seconds)


def _rebuild(
    problem: str, where: str | None, expected: str | None, got: str | None, fix: str | None
) -> SplitDeconvError:
    return SplitDeconvError(problem, where=where, expected=expected, got=got, fix=fix)

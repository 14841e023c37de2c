"""What the runtimes have in common: a package that may be missing, and models that they reject."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import SplitDeconvError, one_line
from ...provenance import installed


def reason(package: str, extra: str, oldest: tuple[int, int]) -> str | None:
    """Why a package cannot be used, as one sentence, or None if it can.

    Args:
        package: its name on the package index.
        extra: the extra of this package that installs it.
        oldest: (major, minor) of the oldest usable version.
    """
    version = installed(package)
    if version is None:
        return f"{package} is not installed: pip install 'splitdeconv[{extra}]'"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        return f"{package}: invalid version {version!r}, expected MAJOR.MINOR"
    if tuple(map(int, numbers.groups())) < oldest:
        return f"{package} {version} is too old, {'.'.join(map(str, oldest))} or later is required"
    return None


def fixed(name: str, shape: Sequence[Any], where: str) -> tuple[int, ...]:
    """The shape of an input, of which no size may be open.

    Args:
        name: of the input.
        shape: a size that is not a whole number is open.
        where: the model's name in errors.

    Raises:
        SplitDeconvError: a size is open.
    """
    if not all(isinstance(n, int) for n in shape):
        raise SplitDeconvError(
            f"the input {name} must have a fixed shape",
            where=f"{where}, input {name}",
            expected="fixed sizes",
            got="x".join(map(str, shape)).replace("None", "?"),
            fix="fix the open sizes (--input-shape)",
        )
    return tuple(shape)


@contextmanager
def rejections(
    runtime: str,
    where: str,
    kind: str,
    errors: tuple[type[Exception], ...] = (RuntimeError, ValueError, TypeError),
) -> Iterator[None]:
    """Explain the error with which a runtime rejects a model.

    Args:
        runtime: its name.
        where: of the error.
        kind: of file that it reads, with an article.
        errors: what it raises.

    Raises:
        SplitDeconvError: the block raised one of these errors.
    """
    try:
        yield
    except errors as error:
        raise SplitDeconvError(
            f"{runtime} rejected the model: {one_line(error, most=200)}",
            where=where,
            expected=f"{kind} model that {runtime} runs on this CPU",
            got=type(error).__name__,
            fix=f"choose another runtime, or a version of {runtime} that supports the operators",
        ) from None

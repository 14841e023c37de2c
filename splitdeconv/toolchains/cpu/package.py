"""Check whether a runtime's package is installed and recent enough."""

import re

from ...provenance import installed


def reason(package: str, extra: str, oldest: tuple[int, int]) -> str | None:
    """Why a package cannot be used, as one sentence, or None if it can.

    Args:
        package: its name on the package index.
        extra: the extra of this package that installs it.
        oldest: (major, minor) of the oldest usable version.
    """
    found = installed(package)
    if found is None:
        return f"{package} is not installed: pip install 'splitdeconv[{extra}]'"
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None:
        return f"{package}: invalid version {found!r}, expected MAJOR.MINOR"
    if tuple(map(int, numbers.groups())) < oldest:
        return f"{package} {found} is too old, {'.'.join(map(str, oldest))} or later is required"
    return None

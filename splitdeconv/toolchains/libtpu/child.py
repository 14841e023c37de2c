"""The child process of `libtpu`, which answers a list of cases by `programs` and `timing`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...limits.loop import serve


def answer(cases: Sequence[Mapping[str, Any]]) -> list[Any]:
    """For each case, its operations or, if it was timed, its seconds."""
    # Imported late, because JAX and its plugins may print during the import, or fail to import.
    from . import programs, timing

    if cases[0]["topology"] is None:
        return timing.time(cases)
    return [programs.estimate(case) for case in cases]


def main() -> None:
    """Answer every task."""
    serve(answer)


if __name__ == "__main__":
    main()

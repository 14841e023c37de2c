"""The child process of `libtpu`, which answers a list of cases. `programs` does the work."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...limits.loop import serve


def answer(cases: Sequence[Mapping[str, Any]]) -> list[Any]:
    """For each case its operations, or where it was timed its seconds."""
    # Not before: JAX and its plugins may print while they are imported, or not be importable.
    from . import programs

    if cases[0]["topology"] is None:
        return programs.time(cases)
    return [programs.estimate(case) for case in cases]


def main() -> None:
    """Answer every task."""
    serve(answer)


if __name__ == "__main__":
    main()

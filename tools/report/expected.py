"""The numbers to expect: those that an earlier reproduction found, kept in expected.json.

They are kept for full and for quick runs, which take smaller samples. The README's copy of the
table is made of the full ones, so that it needs no figures.
"""

import json
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

from splitdeconv.atomic import replacing
from tools.report.ours import Reading
from tools.report.tables import Tables
from tools.report.verdict import LEFT_OUT, moved

FILE = Path(__file__).with_name("expected.json")
#: Claim, then "full" or "quick", then the numbers by name.
Expected = dict[str, dict[str, dict[str, Any]]]


def read(path: Path | None = None) -> Expected:
    """What is kept."""
    return json.loads((path or FILE).read_text(encoding="utf-8"))


def write(expected: Expected, path: Path | None = None) -> None:
    """Keep it."""
    with replacing(path or FILE) as part:
        text = json.dumps(expected, indent=1, ensure_ascii=False)
        part.write_text(f"{text}\n", encoding="utf-8")


def recording(rows: Iterable[Any], tables: Tables, expected: Expected) -> Expected:
    """What to keep after this reproduction: its numbers where it has any, the rest as it was."""
    made = {}
    for row in rows:
        modes = dict(expected.get(row.claim.id, {}))
        if row.verdict != LEFT_OUT:
            modes[tables.mode(row.claim.run)] = flat(row.reading)
        made[row.claim.id] = modes
    return made


def flat(reading: Reading) -> dict[str, Any]:
    """A reading as one dictionary: values by position, facts by name; floats to 10 digits."""
    named = {str(index): value for index, value in enumerate(reading.values)} | reading.facts
    return {name: _plain(value) for name, value in named.items()}


def reading(kept: dict[str, Any]) -> Reading:
    """The opposite of `flat`."""
    values = tuple(value for name, value in kept.items() if name.isdigit())
    return Reading(values, {name: v for name, v in kept.items() if not name.isdigit()})


def of(expected: Expected, claim: str, mode: str) -> dict[str, Any]:
    """What is kept of a claim for "full" or "quick" runs, or for the other ones, or nothing."""
    modes = expected.get(claim, {})
    return modes.get(mode) or next(iter(modes.values()), {})


def problems(claim: Any, mode: str, now: Reading, expected: Expected) -> list[str]:
    """The numbers of a claim that moved further than its `drift`, each in words."""
    return moved(_numbers(flat(now)), _numbers(of(expected, claim.id, mode)), claim.drift)


def _numbers(kept: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in kept.items() if isinstance(value, Real)}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    number = value.item() if hasattr(value, "item") else value
    return float(f"{number:.10g}") if isinstance(number, float) else number

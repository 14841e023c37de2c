"""The table of claims: each row in words, ready for a page, the article or the README."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tools.report import expected as kept
from tools.report.claims import Claim
from tools.report.ours import Reading, ours
from tools.report.published import published
from tools.report.tables import NotMadeError, Tables
from tools.report.verdict import LEFT_OUT, VERDICTS, verdict

HEADINGS = (
    *("claim", "source", "published", "ours", "verdict", "why"),
    *("notebook, command", "minutes", "tolerance"),
)


@dataclass(frozen=True)
class Row:
    """One claim, with its numbers as they are shown.

    Args:
        claim: what is claimed.
        reading: our numbers.
        published, ours: as written; a dash where there is no number.
        verdict: of `verdict.VERDICTS`.
        why: the reason, in words.
        notebook: the name of the notebook that shows it; empty if none does.
        minutes: what the run may take, on two cores.
        tolerance: as written.
        problems: what moved since it was recorded, in words.
    """

    claim: Claim
    reading: Reading
    published: str
    ours: str
    verdict: str
    why: str
    notebook: str
    minutes: str
    tolerance: str
    problems: list[str] = field(default_factory=list)


def rows(claims: Iterable[Claim], tables: Tables, expected: kept.Expected) -> list[Row]:
    """The table as this reproduction's figures give it.

    A claim whose figure has not been made is `left out`, with the command that makes it.
    """
    made = []
    for claim in claims:
        try:
            reading = ours(claim.ours, tables, claim.argument)
        except NotMadeError as missing:
            made.append(_row(claim, tables, Reading(), str(missing), LEFT_OUT))
            continue
        problems = kept.problems(claim, tables.mode(claim.run), reading, expected)
        made.append(_row(claim, tables, reading, problems=problems))
    return made


def recorded(claims: Iterable[Claim], tables: Tables, expected: kept.Expected) -> list[Row]:
    """The table as the recorded numbers of a full reproduction give it; needs no figures."""
    return [
        _row(claim, tables, kept.reading(kept.of(expected, claim.id, "full"))) for claim in claims
    ]


def counts(table: Iterable[Row]) -> dict[str, int]:
    """How many claims have each verdict, in the order of `VERDICTS`, without those none has."""
    given = [row.verdict for row in table]
    return {name: given.count(name) for name in VERDICTS if name in given}


def _row(
    claim: Claim,
    tables: Tables,
    reading: Reading,
    why: str = "",
    result: str = "",
    problems: list[str] | None = None,
) -> Row:
    theirs = published(claim.published, claim.argument)
    run = tables.runs[claim.run] if claim.run else None
    return Row(
        claim=claim,
        reading=reading,
        published=shown(claim, theirs),
        ours=shown(claim, reading.values),
        verdict=result or verdict(claim.rule, theirs, reading.values, claim.tolerance),
        why=why or spaced(claim.why.format_map(reading.facts)),
        notebook=run.notebook.stem if run else "",
        minutes=f"{run.minutes:g}" if run else "–",
        tolerance=tolerance_of(claim.tolerance),
        problems=problems or [],
    )


def shown(claim: Claim, values: tuple[float, ...]) -> str:
    """A claim's numbers, as written; a dash where there are none."""
    if not values:
        return "–"
    ends = (min(values), max(values)) if claim.rule == "range" else values
    return spaced(claim.show.format(*ends))


def spaced(text: str) -> str:
    """Text with a space before each sign of per cent, which Python's formats do not set."""
    return re.sub(r"(?<=\d)%", " %", text)


def tolerance_of(allowed: Mapping[str, float]) -> str:
    """A tolerance, as written."""
    if "relative" in allowed:
        return spaced(f"±{allowed['relative']:.0%}")
    return f"±{allowed['absolute']:g}" if allowed["absolute"] else "none"

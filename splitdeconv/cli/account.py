"""A conversion's report and a verification, for a person to read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..convert.labels import labels
from ..convert.report import Report, Verification
from ..formats.site import Decision
from .show import echo, print_table


def print_report(report: Report, done: bool = False) -> None:
    """What was found and decided and, if `done`, the result of the conversion."""
    if not report.decisions:
        echo(f"{report.format} model: no transposed convolution")
    else:
        shown = labels([decision.site.name for decision in report.decisions])
        _print_layers(report, shown)
        _print_reasons(report.decisions, shown)
    if done:
        _print_changes(report)
    for name, why in report.objections:
        echo(f"{report.target} would refuse {name}: {why}")
    if report.verification is not None:
        print_verification(report.verification)
    for note in report.notes:
        echo(f"note: {note}")


def print_verification(verification: Verification) -> None:
    """The records of a comparison."""
    passed = "passed" if verification else "FAILED"
    echo(f"verification by {verification.method} {passed}, {verification.samples} sample(s):")
    header = ("output", "type", "values", "allowed", "agrees", "finding")
    rows = []
    for record in verification.outputs:
        name, agrees = record.name or "(model)", "yes" if record.passed else "NO"
        numbers = (f"{record.values:,}", f"{record.tolerance:.2g}")
        rows.append((name, record.dtype, *numbers, agrees, record.finding))
    print_table(header, rows, right=("values", "allowed"))
    for record in verification.outputs:
        if record.lsb and set(record.lsb) != {0}:
            counts = ", ".join(f"{step}: {count:,}" for step, count in sorted(record.lsb.items()))
            echo(f"{record.name}: values by LSB of difference: {counts}")
    for note in verification.notes:
        echo(f"note: {note}")


def _print_layers(report: Report, shown: Sequence[str]) -> None:
    """One row per transposed convolution; operations in millions."""
    numbers = ("useful", "exact", "NZP", "form")
    rows = []
    for decision, row, label in zip(report.decisions, report.rows(), shown, strict=True):
        own, verdict = None, decision.verdict
        if decision.form:
            own = row[decision.form]
            verdict = f"{verdict} {decision.form}, {decision.interleave}"
        counts = (row["useful"], row["exact"], row["nzp"], own)
        millions = ("" if count is None else f"{count / 1e6:,.3f}" for count in counts)
        rows.append((label, row["geometry"], _channels(row), row["dtype"], *millions, verdict))
    print_table(("layer", "axes", "channels", "type", *numbers, "verdict"), rows, right=numbers)
    echo("useful, exact, NZP, form: millions of multiply-accumulates per image")


def _channels(row: Mapping[str, Any]) -> str:
    """The channels of a layer, such as "16 -> 1, 2 groups"."""
    groups = f", {row['groups']} groups" if row["groups"] > 1 else ""
    return f"{row['in_channels'] or '?'} -> {row['out_channels'] or '?'}{groups}"


def _print_reasons(decisions: Iterable[Decision], shown: Iterable[str]) -> None:
    """Each reason once, with the layers it applies to."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for decision, label in zip(decisions, shown, strict=True):
        reasons.setdefault((decision.verdict, decision.reason), []).append(label)
    for (verdict, reason), names in reasons.items():
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        echo(f"{verdict} {', '.join(names[:4])}{more}: {reason}")


def _print_changes(report: Report) -> None:
    """Operators, file size and arena before and after."""
    before, after = report.operators_before, report.operators_after
    changed = (name for name in sorted(before | after) if before.get(name) != after.get(name))
    counts = ", ".join(f"{name} {before.get(name, 0)} -> {after.get(name, 0)}" for name in changed)
    total = f"{sum(before.values())} -> {sum(after.values())}"
    echo(f"operators: {total}" + (f" ({counts})" if counts else ""))
    for what, was, now in (
        ("file", report.bytes_before, report.bytes_after),
        ("memory arena at its peak", report.arena_before, report.arena_after),
    ):
        if was and now:
            echo(f"{what}: {was:,} -> {now:,} bytes ({now / was - 1:+.1%})")

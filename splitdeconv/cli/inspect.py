"""The verb that reports on model files without changing them, and checks them for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..errors import SplitDeconvError, explain, shorten
from ..suggested import command
from .convert import Memory, Target as TargetName, Timeout, target_word
from .show import Json, echo, print_json

if TYPE_CHECKING:
    from ..convert.readiness import Obstacle
    from ..convert.report import Report
    from ..convert.targets import Target


class _Seen(NamedTuple):
    """What was learnt of one model, or why it could not be read; without a check no obstacles."""

    model: Path
    report: Report | None
    obstacles: tuple[Obstacle, ...] | None = None
    error: SplitDeconvError | None = None

    @property
    def failed(self) -> bool:
        return bool(self.obstacles) or self.error is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-serializable values."""
        if self.report is not None:
            return self.report.to_dict() | self._check(self.report.target)
        parts = ("problem", "where", "expected", "got", "fix")
        return {"error": {name: getattr(self.error, name) for name in parts}}

    def _check(self, target: str) -> dict[str, Any]:
        if self.obstacles is None:
            return {}
        listed = [one._asdict() for one in self.obstacles]
        return {"check": {"target": target, "passed": not listed, "obstacles": listed}}


def _inspect(
    models: Annotated[
        list[Path],
        typer.Argument(
            help=".tflite, .onnx, .keras or .pt2 models; with several, each is reported on",
            show_default=False,
        ),
    ],
    target: TargetName = "generic",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="exit with code 1 if a transposed convolution would be converted or the target is "
            "not known to run the model as it is; generic: if there is a transposed convolution",
        ),
    ] = False,
    timeout: Timeout = None,
    memory: Memory = None,
    as_json: Json = False,
) -> None:
    """List the transposed convolutions of models, what would happen to each, and why."""
    from ..convert import api, exchange, readiness
    from ..convert.targets import load_target
    from .account import print_report

    device = load_target(exchange.target_name(target))
    seen = []
    for model in models:
        if len(models) > 1 and not as_json:
            echo(f"{model}:")
        try:
            report = api.report(model, target, timeout=timeout, memory=memory)
        except SplitDeconvError as error:
            if len(models) == 1:
                raise _placed(error, model) from None
            seen.append(_Seen(model, None, error=error))
            if not as_json:
                echo(f"not inspected: {explain(error)}")
            continue
        obstacles = tuple(readiness.obstacles(report, device)) if check else None
        seen.append(_Seen(model, report, obstacles))
        if not as_json:
            print_report(report)
            if obstacles is not None:
                _print_check(report, obstacles)
    if as_json:
        records = [{"model": str(one.model)} | one.to_dict() for one in seen]
        print_json(**{"models": records} if len(models) > 1 else seen[0].to_dict())
    failed = [one for one in seen if one.failed]
    if failed:
        raise _failure(failed, len(models), target, device if check else None)


def _placed(error: SplitDeconvError, model: Path) -> SplitDeconvError:
    """The error, which also names the model: a hook does not print what it is called with."""
    where = error.where or ""
    if str(model) not in where:
        where = f"{model}, {where}" if where else str(model)
    details = {"expected": error.expected, "got": error.got, "fix": error.fix}
    return SplitDeconvError(error.problem, where=where, **details)


def _print_check(report: Report, obstacles: tuple[Obstacle, ...]) -> None:
    """The result of the check of one model."""
    result = "passed" if report.decisions else "passed: no transposed convolution"
    echo(f"check for {report.target} {'FAILED:' if obstacles else result}")
    for one in obstacles:
        echo(f"  {one.what}: {one.why}")


def _failure(
    failed: list[_Seen], count: int, target: str, checked: Target | None
) -> SplitDeconvError:
    """The error that names every model that failed, and what to do about the first.

    Args:
        failed: the models.
        count: how many models were given.
        target: the target, as it was given.
        checked: the target that the models were checked for; None without a check.
    """
    which = "the model is"
    if count > 1:
        which = f"{len(failed)} of {count} models {'is' if len(failed) == 1 else 'are'}"
    expected, state = "model files", "readable"
    if checked is not None:
        state = f"ready for the target {checked.name}"
        read = () if checked.formats == "any" else checked.formats
        models = f"{' or '.join(f'.{name}' for name in read)} models".strip()
        expected = f"{models} without transposed convolutions"
        if checked.name != "generic":
            expected += f", or that {checked.name} is known to run as they are"
    reasons = (
        "; ".join(map(_shown, one.obstacles or ())) if one.error is None else explain(one.error)
        for one in failed
    )
    names = [str(one.model) for one in failed]
    return SplitDeconvError(
        f"{which} not {state}",
        where=", ".join(names),
        expected=expected,
        got="; ".join(f"{name}: {why}" for name, why in zip(names, reasons, strict=True)),
        fix=_fix(failed, target),
    )


def _shown(obstacle: Obstacle) -> str:
    return f"{obstacle.what}: {shorten(obstacle.why, 160)}"


def _fix(failed: list[_Seen], target: str) -> str:
    """The command that converts the first model that conversion mends, or what else helps."""
    for one in failed:
        if any(obstacle.mended for obstacle in one.obstacles or ()):
            made = one.model.with_name(f"{one.model.stem}_split{one.model.suffix}")
            return command("convert", one.model, "-o", made, "--target", target_word(target))
    if any(one.obstacles for one in failed):
        return "change the model where it is made, or choose another target"
    return "see the reason for each file, or leave it out"


VERBS = (_inspect,)

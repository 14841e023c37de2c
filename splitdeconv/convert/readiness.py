"""Whether a target is known to run a model as it is: what `splitdeconv inspect --check` asks.

It is a question about transposed convolutions, so a model without them is ready for every target
that reads its format; the report on a model of another format is an error. A model with them is
ready if the target's rules would convert none, and if the sources of its file show that it runs
each of them, and all other operators, unchanged. That rules leave what nobody measured
(`unmeasured: leave`) shows nothing.
"""

from typing import NamedTuple

from ..formats.site import Decision
from .labels import labels
from .report import Report
from .requirements.check import native_objection
from .targets import Target


class Obstacle(NamedTuple):
    """Why a target is not known to run a model as it is.

    Args:
        what: the label of a transposed convolution, an operator or a property of the model.
        why: the reason, as text for the user.
        mended: whether converting the model for the target removes it.
    """

    what: str
    why: str
    mended: bool = False


def obstacles(report: Report, target: Target) -> list[Obstacle]:
    """Everything that keeps a model from running on a target as it is.

    Args:
        report: the `Report` on the unchanged model for that target.
        target: the `Target` of the report.

    Returns:
        One `Obstacle` per transposed convolution, requirement on the whole model and operator
        concerned, in this order; none if the model is ready.
    """
    refused = dict(report.objections)
    shown = labels([decision.site.name for decision in report.decisions])
    listed = []
    for decision, label in zip(report.decisions, shown, strict=True):
        if decision.verdict == "convert":
            listed.append(Obstacle(label, "it would be converted", mended=True))
        elif decision.site.operator not in refused and (why := _unfit(decision, target)):
            listed.append(Obstacle(label, why))
    if report.decisions:
        listed += _requirements(report, target)
        listed += [Obstacle(name, why) for name, why in report.objections]
    return listed


def _unfit(decision: Decision, target: Target) -> str | None:
    """Why the target is not known to run a layer that would not be converted; None if it is."""
    site, refused = decision.site, decision.verdict == "refuse"
    stays = "it cannot be converted" if refused else "it would not be converted"
    why = None if site.axes is None else native_objection(target.accepts, site)
    if why is not None:
        return f"{stays}, and {target.name} has no transposed convolution for it: {why}"
    if not _runs(decision, target):
        return f"{stays}, and no source says that {target.name} runs {site.operator}"
    return None


def _runs(decision: Decision, target: Target) -> bool:
    """Whether there is evidence that the target has an operator for a layer that stays."""
    stated = (
        target.others == "taken",
        decision.site.operator in target.operators,
        target.accepts.transposed is not None,
    )
    if any(stated) or decision.verdict != "leave":
        return any(stated)
    # The measurement or prediction by which it is left is that of the operator itself.
    predicted = target.predicted(decision.site)
    native = predicted is not None and predicted.form is None
    return native or any(rule.holds(decision.site) for rule in target.leave)


def _requirements(report: Report, target: Target) -> list[Obstacle]:
    """The requirements on the whole model that its transposed convolutions show to be unmet."""
    sites, listed = [decision.site for decision in report.decisions], []
    dtypes = {site.dtype for site in sites}
    if target.types != "unknown" and (odd := sorted(dtypes - set(target.types))):
        why = f"{target.name} supports {', '.join(target.types)} ({target.types_source})"
        listed.append(Obstacle(", ".join(odd), why))
    if target.static_shapes is True and any(site.is_dynamic for site in sites):
        why = f"{target.name} needs fixed shapes ({target.static_source})"
        listed.append(Obstacle("open dimensions", why))
    return listed

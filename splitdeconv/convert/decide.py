"""Decide what happens to each transposed convolution, and why, from facts on model and target."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from sys import maxsize

from ..core.forms import FILE_FORMS, FILE_INTERLEAVES, depth_to_space_fits
from ..core.kernels import padding
from ..core.plan import SplitPlan, auto_form
from ..errors import SplitDeconvError, check_choice
from ..formats.site import Decision, Site
from .labels import finds
from .requirements.check import native_objection, objection
from .targets import Target, load_target


def decide_all(
    sites: Iterable[Site],
    target: Target | str,
    form: str = "auto",
    interleave: str | None = None,
    layers: str | None = None,
) -> list[Decision]:
    """Decide every site; sites whose name and label do not match the pattern `layers` are left.

    Raises:
        SplitDeconvError: an unknown target, form or interleave, or an invalid regular expression.
    """
    target = load_target(target) if isinstance(target, str) else target
    check_choice(form, ("auto", *FILE_FORMS), "form")
    if interleave is not None:
        check_choice(interleave, FILE_INTERLEAVES, "interleave")
    try:
        pattern = re.compile(layers or "")
    except re.error as error:
        raise SplitDeconvError(
            "invalid layer pattern",
            where="layers",
            expected="a regular expression",
            got=f"{layers!r}: {error}",
        ) from None
    sites = list(sites)
    selected = finds(pattern, [site.name for site in sites])
    unselected = f"not selected: its name does not match {layers!r}"
    return [
        decide(site, target, form, interleave)
        if matches
        else Decision(site, "leave", None, None, unselected)
        for site, matches in zip(sites, selected, strict=True)
    ]


def decide(
    site: Site, target: Target, form: str = "auto", interleave: str | None = None
) -> Decision:
    """Convert, leave or refuse one site.

    Args:
        site: a `Site`.
        target: a `Target`. It may leave a site native only by a rule that cites a measurement, and
            only if the form is "auto", which an explicit form overrides; or because it accepts no
            such convolutions, whatever form is asked for.
        form: "auto", "split", "rows" or "stacked".
        interleave: one of `splitdeconv.core.forms.FILE_INTERLEAVES`; None for the target's
            preference or, without one, the best that is possible for the site.

    Returns:
        A `Decision` with its reason.
    """
    if site.problem is not None:
        return Decision(site, "refuse", None, None, site.problem)
    if site.axes is None:
        return Decision(site, "refuse", None, None, "the file does not define its geometry")
    possible = interleaves(site)
    if interleave is not None and interleave not in possible:
        return Decision(site, "refuse", None, None, _no_interleave(site, interleave, possible))
    if form == "auto":
        for slower in target.leave:
            if slower.holds(site):
                return Decision(site, "leave", None, None, f"{slower.reason} ({slower.source})")
    predicted = target.predicted(site) if form == "auto" else None
    if predicted is not None and predicted.form is None:
        return Decision(site, "leave", None, None, f"native is fastest: {predicted.reason}")
    reasons, requested = [], interleave
    if form != "auto":
        reasons.append(f"form {form} was requested")
    chosen = None if form == "auto" else form
    if predicted is not None:
        chosen = predicted.form
        reasons.append(predicted.reason)
    for rule in target.prefer:
        applies = rule.when.holds(site) and (rule.interleave is None or rule.interleave in possible)
        gives = (rule.form and chosen is None) or (rule.interleave and interleave is None)
        if applies and gives:
            chosen, interleave = chosen or rule.form, interleave or rule.interleave
            reasons.append(f"{rule.reason} ({rule.source})")
    by_default = chosen is None
    if chosen is None:
        if target.unmeasured == "leave":
            reason = f"{target.beyond(site)}; choose a form to convert it"
            return Decision(site, "leave", None, None, reason)
        # Assume that an unknown number of channels is large.
        chosen = auto_form(site.axes, site.out_channels or maxsize, site.groups)
    forms = [chosen, *(other for other in FILE_FORMS if form == "auto" and other != chosen)]
    ways = [interleave or possible[0]]
    ways += [other for other in possible if requested is None and other not in ways]
    plan, way, against = _fitting(site, target, forms, ways)
    if plan is None:
        reason = f"{target.name} does not accept what it would become: {against}"
        return Decision(site, "leave", None, None, reason)
    if against is not None:
        reasons = [
            f"form {plan.form} with {way}; {target.name} does not accept {chosen} with {ways[0]}: "
            f"{against}"
        ]
    elif by_default:
        measured = any(rule.form for rule in target.prefer)
        default = f"form {chosen} by the library's default rule: {target.beyond(site)}"
        reasons.append(default if measured else _account(site, plan))
    reasons += _costs(site, target, plan)
    if site.bound:
        reasons.append(site.bound)
    if plan.fixed:
        reasons.append("it is valid only for the declared feature map of one element")
    return Decision(site, "convert", plan.form, way, "; ".join(reasons), kernels=plan.kernels)


def _fitting(
    site: Site, target: Target, forms: Sequence[str], ways: Sequence[str]
) -> tuple[SplitPlan | None, str, str | None]:
    """The first form and interleave that the target accepts, as a plan and an interleave.

    Other forms are tried before other interleaves, whose operators the target may lack. The plan is
    None if it accepts none. Third is what it has against the first of all, if anything.
    """
    first: str | None = None
    for way, form in product(ways, forms):
        plan = SplitPlan(site.known_axes, site.groups, form, target.accepts.kernels)
        against = objection(target.accepts, site, plan, way)
        if against is None:
            return plan, way, first
        first = first or against
    return None, "", first


def _costs(site: Site, target: Target, plan: SplitPlan) -> list[str]:
    """What the padding of taps costs, and why the target does not run the site unchanged."""
    words = []
    padded, limit = padding(plan), target.accepts.convolution
    if padded is not None and limit is not None:
        words.append(
            f"taps padded {padded} for {target.name}: {padded.cost:.2f} times the operations of "
            f"form {plan.form} ({limit.source})"
        )
    native = native_objection(target.accepts, site)
    if native is not None:
        words.append(f"{target.name} has no transposed convolution for it: {native}")
    return words


def folding(decision: Decision) -> Decision:
    """A decision that also folds what can be folded, and says so; others stay as they are."""
    folded = decision.site.foldable
    if decision.verdict != "convert" or not folded:
        return decision
    parts = [decision.reason]
    names = [f"{one.operator} {one.name}" for one in folded if not one.moved]
    if names:
        parts.append(f"folds {', '.join(names)}")
    parts += [f"moves {one.operator} {one.name} to its convolutions" for one in folded if one.moved]
    return replace(decision, reason="; ".join(parts), folded=folded)


def interleaves(site: Site) -> list[str]:
    """The interleaves that a site with known geometry can have, best first."""
    return [name for name in site.interleaves if name != "depth_to_space" or _has_block(site)]


def _is_square(site: Site) -> bool:
    """Whether a single block size, as DEPTH_TO_SPACE uses, interleaves the axes."""
    return depth_to_space_fits([axis.s for axis in site.known_axes])


def _has_block(site: Site) -> bool:
    """Whether DEPTH_TO_SPACE can interleave a site."""
    return _is_square(site) and site.dtype != "int16x8"


def _no_interleave(site: Site, name: str, possible: Sequence[str]) -> str:
    """Why a requested interleave is not possible."""
    others = f"; use interleave {' or '.join(possible)}"
    if name == "depth_to_space" and not _is_square(site):
        return f"{name} needs two axes with equal strides{others}"
    if name == "depth_to_space":
        return f"{name} has no kernel for int16{others}"
    if name == "batch_to_space":
        return f"{name} is only available in .tflite files{others}"
    return (
        f"{name} needs a height and width known before the model runs (--input-shape fixes them)"
        f"{others}"
    )


def _account(site: Site, plan: SplitPlan) -> str:
    """The number of operations that the default form executes, in words."""
    counts = site.macs(plan.kernels)
    useful, issued, inserted = (counts[name] for name in ("useful", plan.form, "nzp"))
    if not useful or issued is None or inserted is None:
        return f"form {plan.form} by the library's default rule"
    return (
        f"form {plan.form} by default: {issued / useful:.2f} times the useful operations, "
        f"zero insertion {inserted / useful:.2f} times"
    )

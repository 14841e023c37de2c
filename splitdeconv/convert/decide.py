"""What is to happen to each transposed convolution, and why: the model's facts against the target's."""

import re
from sys import maxsize

from ..core.forms import FILE_FORMS, FILE_INTERLEAVES, depth_to_space_fits
from ..core.plan import SplitPlan, auto_form
from ..errors import SplitDeconvError, check_choice
from ..formats.site import Decision
from .labels import finds
from .targets import load_target


def decide_all(sites, target, form="auto", interleave=None, layers=None) -> list[Decision]:
    """Decide every site; those that `layers`, a regular expression, finds neither by name nor by label are left.

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
            "the layers are not a regular expression", where="layers", expected="a pattern", got=f"{layers!r}: {error}"
        ) from None
    return [
        decide(site, target, form, interleave)
        if found
        else Decision(site, "leave", None, None, f"not selected: its name does not match {layers!r}")
        for site, found in zip(sites, finds(pattern, [site.name for site in sites]), strict=True)
    ]


def decide(site, target, form="auto", interleave=None) -> Decision:
    """Convert, leave or refuse one site.

    Args:
        site: a `Site`.
        target: a `Target`. It may leave a site native only by a rule that carries its measurement, and only while
            the form is "auto": who names a form has chosen.
        form: "auto", "split", "rows" or "stacked".
        interleave: one of `splitdeconv.core.forms.FILE_INTERLEAVES`; None for the target's preference, else the best
            that the site can have.

    Returns:
        A `Decision` whose reason tells what decided.
    """
    if site.problem is not None:
        return Decision(site, "refuse", None, None, site.problem)
    if site.axes is None:
        return Decision(site, "refuse", None, None, "its geometry cannot be told from the file")
    possible = [name for name in site.interleaves if name != "depth_to_space" or _has_block(site)]
    if interleave is not None and interleave not in possible:
        return Decision(site, "refuse", None, None, _no_interleave(site, interleave, possible))
    if form == "auto":
        for rule in target.leave:
            if rule.holds(site):
                return Decision(site, "leave", None, None, f"{rule.reason} ({rule.source})")
    reasons = []
    if form != "auto":
        reasons.append(f"form {form} was asked for")
    chosen = None if form == "auto" else form
    for rule in target.prefer:
        applies = rule.when.holds(site) and (rule.interleave is None or rule.interleave in possible)
        gives = (rule.form and chosen is None) or (rule.interleave and interleave is None)
        if applies and gives:
            chosen, interleave = chosen or rule.form, interleave or rule.interleave
            reasons.append(f"{rule.reason} ({rule.source})")
    if chosen is None:
        if target.unmeasured == "leave":
            return Decision(site, "leave", None, None, f"{target.beyond(site)}; name a form to convert it")
        # A count that is not known is no small one.
        chosen = auto_form(site.axes, site.out_channels or maxsize, site.groups)
        measured = any(rule.form for rule in target.prefer)
        by_default = f"form {chosen} by the library's default rule: {target.beyond(site)}"
        reasons.append(by_default if measured else _account(site, chosen))
    if site.bound:
        reasons.append(site.bound)
    if SplitPlan(site.axes, site.groups, chosen).fixed:
        reasons.append("it is computed for a map of one element, as declared, and is right for no other size")
    return Decision(site, "convert", chosen, interleave or possible[0], "; ".join(reasons))


def _is_square(site):
    """Whether one block size, as DEPTH_TO_SPACE has, interleaves the axes."""
    return depth_to_space_fits([axis.s for axis in site.axes])


def _has_block(site):
    """Whether DEPTH_TO_SPACE can interleave a site."""
    return _is_square(site) and site.dtype != "int16x8"


def _no_interleave(site, name, possible):
    """Why an interleave that was asked for cannot be had."""
    others = f"; use interleave {' or '.join(possible)}"
    if name == "depth_to_space" and not _is_square(site):
        return f"{name} interleaves two axes of one stride{others}"
    if name == "depth_to_space":
        return f"{name} has no kernel for int16{others}"
    if name == "batch_to_space":
        return f"only .tflite files have {name}{others}"
    return f"{name} needs a height and width known before the model runs (--input-shape fixes them){others}"


def _account(site, form):
    """What the default form issues, in words."""
    counts = site.macs()
    if counts["useful"] is None:
        return f"form {form} by the library's default rule"
    issued, inserted = (counts[name] / counts["useful"] for name in (form, "nzp"))
    return f"form {form} by default: {issued:.2f} times the useful operations, zero insertion {inserted:.2f} times"

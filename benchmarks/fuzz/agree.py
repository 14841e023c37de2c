"""Whether a converted file computes what the original does, in the runtimes themselves.

Nothing here comes from the library. Floats may differ by what rounding can do: how far an output
moves when the inputs move in their last bits is measured on the original, since sums that are
ordered otherwise are off by less than that. Integers and what is behind a quantizer may differ only
where a value lies on the border between two steps.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.fuzz.program import FailedError, feeds, nudged

#: From harmless to not.
RANKS = ("not compared", "same", "tie", "non-finite", "differ")

_FAN = 32  # values that one step more or less may show in, behind further layers


@dataclass(frozen=True)
class Finding:
    """How two files compare: one of RANKS, and what was seen."""

    rank: str
    detail: str = ""

    def worse(self, other):
        return max(self, other, key=lambda finding: RANKS.index(finding.rank))


def compare(load, original, converted, families, rng, definition=None, enter=lambda stage: None):
    """Compare two files on inputs drawn here.

    Args:
        load: from (file, family of kernels) to a program, see `benchmarks.fuzz.onnx_run`.
        original, converted: files.
        families: of kernels, by name.
        rng: of the inputs.
        definition: of the only operator, for models that are no more.
        enter: called with the stage that begins, "original" or "converted".

    Returns:
        The worst `Finding`.
    """
    finding = Finding("not compared")
    pairs, inputs = [], None
    for family in families:
        enter("original")
        try:
            ours = load(original, family)
        except FailedError:
            continue
        if inputs is None:
            inputs = feeds(ours.ports, rng)
        enter("converted")
        try:
            theirs = load(converted, family)
        except FailedError as error:
            return Finding("differ", f"not loaded, {family} kernels: {error}")
        if sorted(p.name for p in theirs.ports) != sorted(p.name for p in ours.ports):
            return Finding("differ", "other inputs")
        pairs.append((family, ours, theirs))
    for feed in inputs or ():
        seen = _results(pairs, feed, finding, enter)
        if isinstance(seen, Finding):
            return seen
        for family, ours, expected, got in seen:
            slack = _slack(ours, feed, rng, [one[2] for one in seen])
            expected = {name: value for name, value in expected.items() if name in slack}
            judged = _outputs(expected, got, slack, partial(ours.ties, feed))
            if judged.rank in ("differ", "non-finite"):
                shapes = {name: value.shape for name, value in feed.items()}
                judged = Finding(judged.rank, f"{judged.detail}; {family} kernels, {shapes}")
            finding = finding.worse(judged)
        if seen and definition is not None and len(feed) == 1:
            finding = finding.worse(_by_definition(definition, feed, *seen[-1][2:]))
    return finding


def _results(pairs, feed, finding, enter):
    """(Family, original, its outputs, the other file's) of each family that runs the original."""
    seen = []
    for family, ours, theirs in pairs:
        enter("original")
        try:
            expected = ours(feed)
        except FailedError:
            continue
        enter("converted")
        try:
            got = theirs(feed)
        except FailedError as error:
            shapes = {name: value.shape for name, value in feed.items()}
            return finding.worse(Finding("differ", f"fails, {family} kernels, {shapes}: {error}"))
        seen.append((family, ours, expected, got))
    return seen


def _slack(program, feed, rng, runs):
    """By output, how far rounding may move a value: the largest move seen, four times.

    Outputs whose shape the runtime cannot decide on, or integers that its own kernels disagree
    about, are left out.
    """
    first = runs[0]
    moved = []
    for _ in range(2):
        try:
            moved.append(program(nudged(feed, rng, program.epsilon)))
        except FailedError:
            continue
    slack = {}
    for name, value in first.items():
        others = [run.get(name) for run in (*runs[1:], *moved)]
        if any(other is None or other.shape != value.shape for other in others):
            continue
        slack[name] = 0.0
        if value.dtype.kind == "f" and value.size:
            a = value.astype("f8")
            slack[name] = 4 * program.epsilon * np.max(np.abs(a), where=np.isfinite(a), initial=0)
            for other in others:
                with np.errstate(all="ignore"):
                    step = np.abs(other.astype("f8") - a)
                slack[name] += 4 * np.max(step, where=np.isfinite(step), initial=0)
        elif value.dtype.itemsize > 2 and any(
            not np.array_equal(run[name], value) for run in runs[1:]
        ):
            del slack[name]
    return slack


def _outputs(expected, got, slack, ties):
    """Compare all outputs of one run."""
    if any(name not in got for name in expected):
        return Finding("differ", "other outputs")
    finding = Finding("same" if expected else "not compared")
    for name, a in expected.items():
        b = got[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return Finding("differ", f"{name}: {a.shape} {a.dtype}, got {b.shape} {b.dtype}")
        finding = finding.worse(_values(name, a, b, slack[name], ties))
    return finding


def _values(name, a, b, slack, ties):
    if a.dtype.kind not in "fiub":
        return Finding("same" if np.array_equal(a, b) else "differ", name)
    a, b = a.astype("f8"), b.astype("f8")
    finite = np.isfinite(a) & np.isfinite(b)
    alike = np.isnan(a) & np.isnan(b) | (a == b) | finite
    if not alike.all():
        return Finding("non-finite", f"{name}: {int((~alike).sum())} of {a.size} not finite in one")
    with np.errstate(all="ignore"):
        off = np.where(finite, np.abs(a - b), 0)
    beyond = off > slack
    if not beyond.any():
        return Finding("same")
    text = f"{name}: {int(beyond.sum())} of {a.size} values off by up to {off.max():.3g}"
    text += f", slack {slack:.3g}"
    try:
        near = ties()
    except FailedError:  # the runtime runs the model, but not with its quantizers shown
        return Finding("not compared", text)
    return Finding("tie" if _tied(beyond.sum(), off.max(), np.abs(a), near) else "differ", text)


def _tied(count, largest, values, near):
    """Whether some values are others for values on a border that went to its other side.

    Each of these may show in a few, but not in all of the output; or all of it may lie on borders.

    Integers may be one step off; what is computed of them in floats, by a tenth of the largest.
    """
    whole = (values == np.round(values)).all()
    most = 1 if whole else np.max(values, where=np.isfinite(values), initial=0) / 10
    return count <= min(_FAN * near, max(2, near, values.size / 5)) and largest <= most


def _by_definition(definition, feed, expected, got):
    """The converted file against the definition, where the original itself keeps to it."""
    (x,) = feed.values()
    firsts_known = definition.firsts is not None
    if not firsts_known or not all(len(one) == 1 for one in (expected, got)):
        return Finding("not compared")
    (a,), (b,) = expected.values(), got.values()
    if a.shape[2:] != tuple(definition.lengths) or not np.isfinite(definition.w).all():
        return Finding("not compared")
    y, bound = definition(x)
    if not (np.abs(a - y) <= bound).all():
        return Finding("not compared")
    off = np.abs(b - y) - bound
    if (off <= 0).all():
        return Finding("same")
    return Finding("differ", f"from the definition, by {off.max():.3g} more than rounding")

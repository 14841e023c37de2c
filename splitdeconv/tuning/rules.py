"""Write what was learnt as a target file, so that `splitdeconv.convert` can use it again."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from .. import output
from ..convert.conditions import facts
from ..convert.targets import load_target
from ..convert.variants.variant import NATIVE
from ..errors import SplitDeconvError
from ..formats.site import Site
from .report import Layer, Tuned

#: What the target of an oracle states about its operators, types and sizes.
_STATED = (
    "others",
    "others_source",
    "types",
    "types_source",
    "tensors",
    "tensors_source",
    "static_shapes",
    "static_source",
    "operators",
    "refused",
    "accepts",
)
_EXACT = ("rank", "groups", "images", "in_channels", "out_channels", "stride", "kernel", "pixels")


def check(
    path: str | os.PathLike[str],
    others: Iterable[str | os.PathLike[str]] = (),
    overwrite: bool = False,
) -> Path:
    """Refuse the path of a target file before any work is spent on it.

    Args:
        path: the .yaml file.
        others: files that it must not replace.
        overwrite: whether an existing file may be replaced.

    Raises:
        SplitDeconvError: it could not be written, or not be used as a target.
    """
    path = Path(path)
    problem = None
    if path.suffix not in (".yaml", ".yml"):
        problem = "the name of a file that convert --target reads, ending in .yaml or .yml"
    elif output.same(path, others):
        problem = "a file of its own"
    if problem is not None:
        raise SplitDeconvError(
            "the rules cannot be written", where=str(path), expected=problem, got=path.name
        )
    return output.check(path, overwrite)


def write(tuned: Tuned, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write the target file of a tuned model.

    Args:
        tuned: the result of `splitdeconv.tune`.
        path: the .yaml file.
        overwrite: whether an existing file may be replaced.

    Raises:
        SplitDeconvError: as for `check`; or the file cannot be written.
    """
    return output.write(check(path, overwrite=overwrite), text(tuned).encode(), overwrite)


def text(tuned: Tuned) -> str:
    """The target file: a rule for each geometry that was costed, everything else unchanged.

    Operators, types and sizes are those of the oracle's target.
    """
    sites = [decision.site for decision in tuned.report.decisions]
    source = f"splitdeconv tune --on {tuned.oracle}, {datetime.now(UTC):%Y-%m-%d}, {_made(tuned)}"
    prefer: list[dict[str, Any]] = []
    leave: list[dict[str, Any]] = []
    for site, layer in zip(sites, tuned.layers, strict=True):
        when = _when(site)
        if layer.costs[NATIVE].amount is None and layer.variant == NATIVE:
            continue  # nothing was learnt
        rule = {"reason": _reason(layer), "source": source, "when": when}
        if layer.variant == NATIVE:
            leave.append(rule)
        else:
            form, interleave = layer.variant
            prefer.append({"form": form, "interleave": interleave, **rule})
    notes = [f"costs: {tuned.evidence}; {_made(tuned)}"]
    left = [rule["when"] for rule in leave]
    if any(rule["when"] in left for rule in prefer):
        # A rule cannot tell layers of one geometry apart.
        notes.append("layers of which some of equal geometry were taken back are all left native")
        prefer = [rule for rule in prefer if rule["when"] not in left]
    content = {
        "name": f"tuned_{_slug(tuned.oracle)}",
        "title": f"tuned on {tuned.oracle}",
        "formats": [tuned.report.format],
        "unmeasured": "leave",
        "prefer": _once(prefer),
        "leave": _once(leave),
        "notes": notes,
        **_stated(tuned),
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _stated(tuned: Tuned) -> dict[str, Any]:
    """What is known of the processor besides costs, if that holds for models of this format."""
    own = load_target(tuned.target)
    if not own.reads(tuned.report.format):
        return {"others": "unknown", "others_source": "not asked"}
    kept = _plain(own)
    return {name: kept[name] for name in _STATED if kept.get(name)}


def _plain(value: Any) -> Any:
    """A record of a target's file as plain values, without the fields that have their defaults."""
    if is_dataclass(value):
        stated = {}
        for field in fields(value):
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            if default is MISSING or getattr(value, field.name) != default:
                stated[field.name] = _plain(getattr(value, field.name))
        return stated
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _when(site: Site) -> dict[str, Any]:
    """Conditions that hold for this geometry."""
    # The ranges alone say neither what is cropped nor how axes differ; they are kept for readers of
    # the file, and to tell what is unlike a layer that no rule names.
    known = facts(site)
    ranges = {name: [known[name], known[name]] for name in _EXACT if known[name] is not None}
    flags = {name: known[name] for name in ("whole", "uniform") if known[name] is not None}
    return {"dtypes": [site.dtype], "geometries": [site.geometry], **ranges, **flags}


def _reason(layer: Layer) -> str:
    return f"{layer.geometry}: {layer.reason}"


def _made(tuned: Tuned) -> str:
    """What the costs depend on, in words."""
    named = {name: value for name, value in tuned.facts.items() if not isinstance(value, Mapping)}
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _once(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules without those whose conditions occurred before."""
    seen: list[Any] = []
    kept = []
    for rule in rules:
        if rule["when"] not in seen:
            seen.append(rule["when"])
            kept.append(rule)
    return kept


def _slug(name: str) -> str:
    stem = Path(name).stem if name.endswith((".yaml", ".yml")) else name
    return "".join(c if c.isalnum() else "_" for c in stem).lower()

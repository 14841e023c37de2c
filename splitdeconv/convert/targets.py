"""What devices and runtimes support and prefer, read from `targets/*.yaml` or a user's file.

Every statement in such a file cites its source. "unknown" is a valid value, because nothing is
assumed about a target.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from ..datafiles import plain_yaml, schema
from ..datafiles.textfile import read_text
from ..errors import check_choice
from ..formats import registry
from ..formats.site import DTYPES, Site
from .conditions import When, facts
from .requirements.records import Requirements

#: An operator of a model: name, version and, where the format has them, its results' types.
OperatorUse: TypeAlias = tuple[str, int] | tuple[str, int, Iterable[str]]
Unknown = Literal["unknown"]
_WORDS = {
    "rank": "axes:",
    "groups": "groups:",
    "images": "batch",
    "in_channels": "input channels:",
    "out_channels": "output channels:",
    "stride": "stride",
    "kernel": "kernel",
    "pixels": "elements of the map:",
}


@dataclass(frozen=True)
class Operator:
    """An operator that the target supports.

    Args:
        source: the source of this statement.
        versions: first and last supported version, or "unknown".
        inputs: the largest supported number of inputs.
        limits: other requirements, in words.
        tensors: supported element types of its tensors; "unknown" for those of the target.
        fix: what to do about a tensor of another type, in words; None if nothing is known.
    """

    source: str
    versions: tuple[int, int] | Unknown = "unknown"
    inputs: int | Unknown = "unknown"
    limits: str | Unknown = "unknown"
    tensors: tuple[str, ...] | Unknown = "unknown"
    fix: str | None = None


@dataclass(frozen=True)
class Refused:
    """An operator that the target does not support: the reason, its source, and a fix if known."""

    reason: str
    source: str
    fix: str | None = None


@dataclass(frozen=True)
class Preference:
    """A preferred form, interleave or both for certain sites, and the evidence for it."""

    reason: str
    source: str
    form: Literal["split", "rows", "stacked"] | None = None
    interleave: Literal["concat", "depth_to_space", "transpose"] | None = None
    when: When = field(default_factory=When)


@dataclass(frozen=True)
class Leave:
    """Sites that the target computes faster unchanged, and the measurement that shows it.

    Args:
        reason, source: the measurement, and where it is kept.
        when: the sites.
        unless: exceptions to them. A site with unknown facts is not an exception, so it is left.
    """

    reason: str
    source: str
    when: When
    unless: tuple[When, ...] = ()

    def holds(self, site: Site) -> bool:
        """Whether to leave `site` unchanged."""
        return self.when.holds(site) and not any(when.holds(site) for when in self.unless)


class Predicted(NamedTuple):
    """What a target predicts to be the fastest way to compute a site.

    Args:
        form: a form of the split; None to leave the site as it is.
        reason: the prediction, in words.
    """

    form: str | None
    reason: str


@dataclass(frozen=True)
class Target:
    """One device or runtime.

    Args:
        name, title: its name on the command line, and in full.
        formats: model formats it reads, or "any".
        others: what it does with operators that are not listed: "refused" (or run elsewhere),
            "taken" or "unknown".
        others_source: the source of `others`.
        types: supported element types of transposed convolutions, or "unknown"; `types_source` is
            the source.
        tensors: supported element types of operator results, or "unknown"; `tensors_source` is the
            source.
        static_shapes: whether every length must be fixed; `static_source` is the source.
        operators: the operators it supports.
        refused: operators it is known not to support.
        accepts: the sizes that it accepts, which a converted layer keeps to.
        prefer: forms and interleaves; the first rule that applies wins.
        leave: sites to leave unchanged.
        unmeasured: what to do with sites to which no rule assigns a form: "leave" them as they
            are, because the speed of their conversion is unknown, or "convert" them to the default
            form, because the target may not run them. Neither says that the target runs them.
        notes: remarks for the user, each with its source.
    """

    name: str
    title: str
    formats: tuple[str, ...] | Literal["any"]
    others: Literal["refused", "taken", "unknown"]
    others_source: str
    types: tuple[str, ...] | Unknown = "unknown"
    types_source: str | None = None
    tensors: tuple[str, ...] | Unknown = "unknown"
    tensors_source: str | None = None
    static_shapes: bool | Unknown = "unknown"
    static_source: str | None = None
    operators: dict[str, Operator] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    accepts: Requirements = field(default_factory=Requirements)
    prefer: tuple[Preference, ...] = ()
    leave: tuple[Leave, ...] = ()
    unmeasured: Literal["leave", "convert"] = "convert"
    notes: tuple[str, ...] = ()

    def reads(self, name: str) -> bool:
        """Whether it reads models of this format."""
        return self.formats == "any" or name in self.formats

    def predicted(self, site: Site) -> Predicted | None:
        """What a model of the target predicts for a site; None without a model, or if it cannot."""
        return None

    def beyond(self, site: Site) -> str:
        """Describe in which respects a site lies outside the range of the measurements."""
        rules = [*(rule.when for rule in self.prefer), *(rule.when for rule in self.leave)]
        known = facts(site)
        odd = [
            f"{word} {'unknown' if known[name] is None else known[name]}"
            for name, word in _WORDS.items()
            if not any(rule.accepts(name, known[name]) for rule in rules)
        ]
        if all(rule.dtypes and site.dtype not in rule.dtypes for rule in rules):
            odd.append(site.dtype)
        if not any(rule.accepts("uniform", known["uniform"]) for rule in rules):
            odd.append("a dilation, or strides or kernels that differ by axis")
        return f"no comparable layer was measured on {self.name}" + (
            f" ({', '.join(odd)})" if odd else ""
        )

    def objections(self, operators: Iterable[OperatorUse]) -> list[tuple[str, str]]:
        """The operators that the target would refuse.

        Args:
            operators: (name, version[, element types of the results]) of each operator.

        Returns:
            (operator, reason and source) for each operator that is refused, too new or of an
            unsupported type, sorted by name.
        """
        reasons: dict[str, str] = {}
        for name, version, *types in operators:
            if reason := self._objection(name, version):
                reasons[name] = reason
            elif types and (reason := self._objection_to_types(name, types[0])):
                reasons.setdefault(name, reason)
        return sorted(reasons.items())

    def _objection(self, name: str, version: int) -> str | None:
        """Why an operator of this version is refused; None if it is supported."""
        if name in self.refused:
            known = self.refused[name]
            return _with_fix(f"{known.reason} ({known.source})", known.fix)
        entry = self.operators.get(name)
        if entry is None:
            refused = self.others == "refused"
            return f"not among the supported operators ({self.others_source})" if refused else None
        if entry.versions == "unknown":
            return None
        first, last = entry.versions
        if first <= version <= last:
            return None
        return f"version {version}; supported are {first} to {last} ({entry.source})"

    def _objection_to_types(self, name: str, types: Iterable[str]) -> str | None:
        """Why an operator with tensors of these types is refused; None if it is supported."""
        entry = self.operators.get(name)
        supported, source = self.tensors, self.tensors_source
        if entry is not None and entry.tensors != "unknown":
            supported, source = entry.tensors, entry.source
        odd = [] if supported == "unknown" else sorted(set(types) - set(supported))
        if not odd:
            return None
        why = f"tensors of {', '.join(odd)}; supported are {', '.join(supported)} ({source})"
        return _with_fix(why, None if entry is None else entry.fix)


def _with_fix(why: str, fix: str | None) -> str:
    return f"{why}; {fix}" if fix else why


def names() -> list[str]:
    """The targets that come with the package."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in _folder().iterdir()
        if entry.name.endswith(".yaml")
    )


def load_target(name_or_path: str | os.PathLike[str]) -> Target:
    """Load a target by name, or from a user's YAML file.

    Args:
        name_or_path: one of `names()`, or the path of a file ending in .yaml or .yml: a target's,
            or that of a processor of `splitdeconv.dlp`, whose predictions then are the rules.

    Raises:
        SplitDeconvError: there is no such target or file, or the file is invalid; the error names
            the dotted path of the invalid key.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")):
        if _describes_processor(Path(name_or_path)):
            # It is loaded only here: the processor model needs pandas.
            from .variants.predicted import target_of

            return target_of(name_or_path)
        return _checked(schema.read(Target, Path(name_or_path)), text)
    check_choice(text, names(), "target", other=", or the path of a .yaml file")
    return _shipped(text)


def _describes_processor(path: Path) -> bool:
    """Whether a YAML file has the keys of a processor and not those of a target."""
    data = plain_yaml.load(read_text(path, str(path), "a data file"), str(path))
    return isinstance(data, dict) and "array" in data and "formats" not in data


@cache
def _shipped(name: str) -> Target:
    target = schema.read(Target, _folder() / f"{name}.yaml", f"targets/{name}.yaml")
    return _checked(target, f"targets/{name}.yaml")


def _folder() -> Traversable:
    return files(__package__) / "targets"


def _checked(target: Target, where: str) -> Target:
    """Check that formats and sizes are possible, and that statements cite a source."""
    target.accepts.check(where)
    for name in () if target.formats == "any" else target.formats:
        check_choice(name, registry.names(), "format", f"{where}, formats")
    conditions = {f"prefer.{i}.when": rule.when for i, rule in enumerate(target.prefer)}
    for i, rule in enumerate(target.leave):
        conditions[f"leave.{i}.when"] = rule.when
        conditions |= {f"leave.{i}.unless.{j}": when for j, when in enumerate(rule.unless)}
    for path, when in conditions.items():
        for dtype in when.dtypes or ():
            check_choice(dtype, DTYPES, "element type", f"{where}, {path}.dtypes")
    for name, source in (
        ("types", "types_source"),
        ("tensors", "tensors_source"),
        ("static_shapes", "static_source"),
    ):
        if getattr(target, name) != "unknown" and getattr(target, source) is None:
            raise schema.missing(source, where, [name], f"a text, the source of {name}")
    return target

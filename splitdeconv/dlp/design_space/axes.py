"""The axes of a sweep: the fields that each label sets, checked before anything is computed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite, prod
from typing import Any, TypeAlias

import numpy as np

from ...core.typing import NumpyArray
from ...datafiles import schema
from ...errors import SplitDeconvError, check_count, shorten, shown, suggestion
from ..processor import Processor, load_processor

#: Dimensions that every sweep has besides the axes.
DIMS = ("network", "method", "skip", "part")
#: Limits on the labels of one axis, each of which is a processor to check, and on their product
#: over all axes, for results in memory.
MOST_LABELS, MOST_PROCESSORS = 10_000, 1_000_000
#: A coordinate of an axis, the fields that one sets, and axes as a user gives them.
Label: TypeAlias = str | float
Setting: TypeAlias = Mapping[str, Any]
Axes: TypeAlias = Mapping[str, Iterable[Any]]


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis.

    Args:
        name: of the dimension.
        labels: its coordinates.
        settings: for each label the fields it sets, a dict of name to value.
    """

    name: str
    labels: list[Label]
    settings: Sequence[Setting]

    @property
    def fields(self) -> set[str]:
        """Names of all fields that any label sets."""
        return {field for setting in self.settings for field in setting}

    def columns(self, processor: Processor, batch: int) -> dict[str, NumpyArray]:
        """Values of each field along the axis; the processor's where a label does not set it."""
        usual = vars(processor) | {"batch": batch}
        return {
            name: np.array([setting.get(name, usual[name]) for setting in self.settings])
            for name in self.fields
        }


def read_axes(axes: Axes, processor: Processor, most: int = MOST_PROCESSORS) -> list[Axis]:
    """The axes of `splitdeconv.dlp.sweep`, each of whose labels gives a valid processor.

    Args:
        axes: as a user gives them.
        processor: from which the points differ.
        most: combinations of labels that are allowed.

    Raises:
        SplitDeconvError: a name that is taken; labels that are missing, duplicate, too many, or
            neither numbers nor words; a field that no processor has or whose value does not fit, or
            that two axes set; or axes that span more than `most`. All counts are checked before the
            first processor is.
    """
    if not isinstance(axes, Mapping):
        raise SplitDeconvError(
            "the axes do not fit", where="sweep", expected="a dict of axes", got=shown(axes)
        )
    read = [_axis(name, values) for name, values in axes.items()]
    count = prod(len(axis.labels) for axis in read)
    if count > most:
        raise SplitDeconvError(
            "the axes span too many processors",
            where="sweep",
            expected=f"at most {most:,} combinations",
            got=" x ".join(f"{len(axis.labels):,}" for axis in read[:20]) + f" = {count:,}",
            fix="sweep parts of the axes one after the other",
        )
    checked: list[Axis] = []
    for axis in read:
        name, where = axis.name, f"sweep, axis {shorten(axis.name, 80)}"
        for setting in axis.settings:
            variant(processor, setting, where)
        for other in checked:
            for field in sorted(axis.fields & other.fields):
                raise SplitDeconvError(
                    "two axes set the same value",
                    where=f"sweep, axes {other.name} and {name}",
                    expected="each field in one axis",
                    got=f"{field} in both",
                )
        checked.append(axis)
    return checked


def variant(processor: Processor, setting: Setting, where: str = "sweep") -> tuple[Processor, int]:
    """The processor with some fields replaced, checked as its file is, and the batch or 1."""
    fields = dict(setting)
    swept = {*vars(processor), "batch"} - {"origins", "name", "title"}
    for name in fields:
        if name not in swept:
            known = sorted(swept - {"batch"})
            raise SplitDeconvError(
                "unknown axis",
                where=where,
                expected=f"batch, or one of these fields of the processor: {', '.join(known)}",
                got=shown(name),
                fix=suggestion(name, swept),
            )
    batch = check_count(fields.pop("batch", 1), "batch", where)
    data: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (vars(processor) | fields).items()
    }
    swept_values = fields.keys() - {"technology"}
    data["origins"] = data["origins"] | dict.fromkeys(swept_values, "an axis of the sweep")
    try:
        return load_processor(schema.build(Processor, data, where)), batch
    except SplitDeconvError as error:
        raise SplitDeconvError(
            error.problem, where=where, expected=error.expected, got=error.got, fix=error.fix
        ) from None


def distinct(given: Iterable[Any], where: str) -> list[Any]:
    """A list of one or more values without duplicates; NumPy's scalars become Python's."""
    values = [_plain(value) for value in islice(given, MOST_LABELS + 1)]
    if len(values) > MOST_LABELS:
        expected = f"at most {MOST_LABELS:,} values"
        raise SplitDeconvError("too many labels", where=where, expected=expected, got=shown(values))
    if not values or not all(map(_is_label, values)):
        expected = "at least one value, only finite numbers and words"
        raise SplitDeconvError("invalid values", where=where, expected=expected, got=shown(values))
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        expected, got = "each value once", ", ".join(map(shown, twice[:8]))
        raise SplitDeconvError("a value is given twice", where=where, expected=expected, got=got)
    return values


def _is_label(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


def _axis(name: str, values: Iterable[Any]) -> Axis:
    """An axis whose labels are valid; the values that they set are not checked yet."""
    where = f"sweep, axis {shorten(name, 80)}"
    if name in (*DIMS, "variable"):
        raise SplitDeconvError(
            "an axis has the name of another dimension",
            where=where,
            expected=f"a field of a processor, or a name other than {', '.join(DIMS)}, variable",
            got=shown(name),
        )
    if isinstance(values, str) or not isinstance(values, Iterable):
        expected = "several values, or a dict of label to values by field"
        raise SplitDeconvError(
            "an axis does not fit", where=where, expected=expected, got=shown(values)
        )
    labels = distinct(values, where)
    settings = [{name: label} for label in labels]
    if isinstance(values, Mapping):
        settings = list(values.values())
    for label, setting in zip(labels, settings, strict=True):
        if not isinstance(setting, Mapping):
            raise SplitDeconvError(
                "an axis does not fit",
                where=where,
                expected="numbers or words, or a dict of label to values by field",
                got=f"{shown(label)}: {shown(setting)}",
            )
    settings = [{field: _plain(value) for field, value in setting.items()} for setting in settings]
    return Axis(name, labels, settings)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

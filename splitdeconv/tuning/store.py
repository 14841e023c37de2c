"""Keep the costs of layers on disk, by what they depend on, so that nothing is asked twice."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import atomic
from ..convert.variants.variant import NATIVE, Variant
from ..release import version
from .oracle import Cost, Oracle, Subject
from .unanswered import unanswered

_SCHEMA = 3


def folder() -> Path:
    """Where costs are kept: SPLITDECONV_COSTS, else the user's cache folder."""
    chosen = os.environ.get("SPLITDECONV_COSTS")
    if chosen:
        return Path(os.path.expanduser(chosen))  # one that cannot be expanded stays as it is
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "splitdeconv" / "costs"


class Store:
    """The costs that an oracle has given for layers, each in a file of its own.

    Args:
        oracle: whose costs they are.
        fresh: whether to forget earlier ones.

    Attributes:
        notes: what went wrong with the files, for the user. Nothing that does stops a run.
    """

    def __init__(self, oracle: Oracle, fresh: bool = False) -> None:
        # The version counts, because the library itself models processors and takes the times.
        own = {"schema": _SCHEMA, "splitdeconv": version(), "oracle": oracle.name}
        self._facts = own | oracle.facts()
        self._fresh = fresh
        self.notes: list[str] = []

    def read(self, subject: Subject) -> dict[Variant, Cost] | None:
        """The costs of a layer; None if they are not known."""
        path = self._path(subject)
        if self._fresh or not os.path.isfile(path):
            return None
        try:
            rows = json.loads(path.read_text())
            costs = {Variant.of(name): Cost(**row) for name, row in rows["costs"].items()}
            known = NATIVE in costs and costs.keys() <= set(subject.variants)
            if not known or not all(map(_sound, costs.values())):
                raise ValueError("no costs of this layer")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self._note(f"ignored {path.name} in {path.parent}, which is damaged: {error}")
            return None
        if _refused(subject, costs):
            self._note(
                "an earlier run's answer is used for layers of which the oracle gave no cost: "
                "--fresh asks again"
            )
        return costs

    def write(self, subject: Subject, costs: Mapping[Variant, Cost]) -> None:
        """Keep the costs of a layer; a folder that cannot be written to is noted.

        Nothing is kept of a layer that the oracle did not answer for in some variant.
        """
        if any(unanswered(cost.reason) for cost in costs.values()):
            return
        path = self._path(subject)
        rows = {str(variant): asdict(cost) for variant, cost in costs.items()}
        text = json.dumps({"facts": self._facts, "layer": _facts(subject), "costs": rows}, indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(path) as partial:
                partial.write_text(text)
        except OSError as error:
            self._note(f"costs are not kept: {path.parent} cannot be written ({error.strerror})")

    def _path(self, subject: Subject) -> Path:
        key = json.dumps([self._facts, _facts(subject)], sort_keys=True)
        return folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _facts(subject: Subject) -> dict[str, Any]:
    """What the cost of a layer depends on: its files by content, or else its geometry."""
    site = subject.site
    return {
        "operator": site.operator,
        "geometry": site.geometry,
        "groups": site.groups,
        "channels": [site.in_channels, site.out_channels],
        "dtype": site.dtype,
        "computes": site.computes,
        "batch": site.batch,
        "files": {str(variant): _digest(path) for variant, path in subject.files.items()},
        "variants": list(map(str, subject.variants)),
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(subject: Subject, costs: Mapping[Variant, Cost]) -> bool:
    """Whether the oracle itself, and not the layer, is why native or all others have no cost."""
    asked = {v: cost.amount is None for v, cost in costs.items() if v not in subject.reasons}
    others = [missing for variant, missing in asked.items() if variant != NATIVE]
    return not subject.site.unsized and (asked.get(NATIVE, False) or (all(others) and others != []))


def _sound(cost: Cost) -> bool:
    numbers = (cost.amount, cost.gain, cost.low, cost.high)
    if not all(n is None or (type(n) in (int, float) and 0 < n < math.inf) for n in numbers):
        return False
    if cost.amount is None:
        return isinstance(cost.reason, str) and numbers[1:] == (None, None, None)
    whole = cost.gain is not None or (cost.low, cost.high) == (None, None)
    return whole and (cost.low is None) == (cost.high is None)

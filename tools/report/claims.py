"""The claims as data: what `claims.yaml` declares, checked when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.report.verdict import RULES

FILE = Path(__file__).with_name("claims.yaml")


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, and how it is tested. The fields are described in `claims.yaml`."""

    id: str
    claim: str
    source: str
    published: str
    ours: str
    rule: str
    tolerance: Mapping[str, float]
    drift: Mapping[str, float]
    show: str
    why: str
    hardware: str
    argument: Any = None
    run: str = ""
    command: str = ""


def read(path: Path = FILE) -> list[Claim]:
    """The claims, in the order of the file.

    Raises:
        ValueError: a claim lacks a field, has an unknown one or an invalid value, or an id is
            used twice.
    """
    rows = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    claims = []
    for row in rows:
        try:
            claim = Claim(**row)
        except TypeError as error:
            raise ValueError(f"{path}, {row.get('id')}: {error}") from None
        if claim.rule not in RULES:
            known = ", ".join(RULES)
            raise ValueError(f"{path}, {claim.id}: invalid rule {claim.rule}: expected {known}")
        for name in ("tolerance", "drift"):
            if set(getattr(claim, name)) not in ({"relative"}, {"absolute"}):
                raise ValueError(f"{path}, {claim.id}: {name} must be relative or absolute")
        claims.append(claim)
    ids = [claim.id for claim in claims]
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise ValueError(f"{path}: duplicate ids {', '.join(twice)}")
    return claims

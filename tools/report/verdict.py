"""The verdict on a claim, by rule, and whether a number has moved since it was recorded."""

from collections.abc import Mapping, Sequence

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"
UNTESTED, LEFT_OUT = "not testable here", "left out"
#: What a verdict may be, from best to none.
VERDICTS = (REPRODUCED, PARTLY, NOT, UNTESTED, LEFT_OUT)
RULES = ("equal", "range")


def near(value: float, wanted: float, tolerance: Mapping[str, float]) -> bool:
    """Whether a value is within a tolerance, ``relative`` to `wanted` or ``absolute``."""
    if "relative" in tolerance:
        allowed = tolerance["relative"] * abs(wanted)
    else:
        allowed = tolerance["absolute"]
    # Decimal fractions such as 109.77 are not exact in binary.
    return abs(value - wanted) <= allowed + 1e-9


def verdict(
    rule: str,
    published: Sequence[float],
    ours: Sequence[float],
    tolerance: Mapping[str, float],
) -> str:
    """The verdict on a claim.

    ``equal``: `reproduced` if every number is within the tolerance of the published one, `partly`
    if some are, `not reproduced` if none is. ``range``: `published` are the ends of a range and
    `ours` are what was found, one number for each network. It is `reproduced` if the least and the
    greatest are within the tolerance of the ends, `partly` if not, but at least one number lies in
    the range, and `not reproduced` if none does.

    Args:
        rule: of `RULES`.
        published: numbers; none where nothing is published.
        ours: numbers; none where nothing can be run.
        tolerance: see `near`.

    Returns:
        One of `VERDICTS`.

    Raises:
        ValueError: an unknown rule, or numbers that do not correspond.
    """
    if not published or not ours:
        return UNTESTED
    if rule == "range":
        low, high = published
        ends = (min(ours), low), (max(ours), high)
        if all(near(value, end, tolerance) for value, end in ends):
            return REPRODUCED
        return PARTLY if any(low <= value <= high for value in ours) else NOT
    if rule != "equal":
        raise ValueError(f"invalid rule {rule}: expected {', '.join(RULES)}")
    hits = [near(o, p, tolerance) for o, p in zip(ours, published, strict=True)]
    return REPRODUCED if all(hits) else PARTLY if any(hits) else NOT


def moved(
    now: Mapping[str, float], recorded: Mapping[str, float], drift: Mapping[str, float]
) -> list[str]:
    """The numbers that are not within `drift` of those recorded, each in words.

    A number that was recorded and is gone has moved, too, and so has one that is new.
    """
    problems = [
        f"{name} is {now[name]:.6g}, recorded as {value:.6g}"
        for name, value in recorded.items()
        if name in now and not near(now[name], value, drift)
    ]
    problems += [f"{name} is gone" for name in recorded if name not in now]
    return problems + [f"{name} is not recorded" for name in now if name not in recorded]

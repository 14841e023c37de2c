"""The numbers of this reproduction: one function per kind of claim, from the tables of figures/.

Each returns the values to compare with the published ones, and further numbers that the claim's
reason in words names.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import splitdeconv as sd
from splitdeconv.core.approximations import approximate
from splitdeconv.core.definition import conv_transpose
from splitdeconv.dlp.compare import PUBLISHED as RANGES
from splitdeconv.networks import titles
from splitdeconv.study import published as published_layers, quality
from tools.report.published import REFERENCE
from tools.report.tables import NotMadeError, Tables

#: The generators and forms of notebook 09 that are nearest to the authors' networks.
NEAREST = {"DCGAN": "faces, written as 5x5", "FST": "photographs, 3x3 kernels"}
FORMS = {"split": "split", "shi": "shi_cropped", "chang": "chang"}


@dataclass(frozen=True)
class Reading:
    """Numbers of this reproduction.

    Args:
        values: to compare with the published ones; none where nothing can be run here.
        facts: further numbers, by the name that the claim's reason has for them.
    """

    values: tuple[float, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def _counts(tables: Tables, network: str) -> Reading:
    row = tables.table("02_published").set_index("network").loc[network]
    facts = {"unpublished": row["unpublished_mmac"]}
    explained = published_layers.explained(titles()[network])
    if len(explained):
        facts["explained"] = explained["mmac"].sum()
    return Reading((row["computed_deconv_mmac"], row["computed_total_mmac"]), facts)


def _totals(tables: Tables, networks: list[str]) -> Reading:
    totals = tables.table("02_published").set_index("network")["computed_total_mmac"]
    return Reading(tuple(totals[networks]))


def _ends(values: Any, what: str) -> dict[str, Any]:
    low, high = RANGES[what]
    below, above = int((values < low).sum()), int((values > high).sum())
    inside = len(values) - below - above
    return {"inside": inside, "below": below, "above": above, "networks": len(values)}


def _speedups(tables: Tables, argument: tuple[str, str, str]) -> Reading:
    what, figure, processor = argument
    rows = tables.table(figure).query("part == 'deconv'")
    rows = rows[rows["processor"] == processor]
    plain, skipping, zeros = (
        rows.loc[rows["variant"] == name, what] for name in ("sd", "sd-WA", "nzp-A")
    )
    facts = _ends(plain, what) | {"other_low": skipping.min(), "other_high": skipping.max()}
    facts |= {"zeros_low": zeros.min(), "zeros_high": zeros.max()}
    return Reading(tuple(plain), facts)


def _savings(tables: Tables, argument: tuple[str, str]) -> Reading:
    what, zeros = argument
    rows = tables.table("06_saving").query(
        "part == 'deconv' and variant == 'sd' and technology == 'cacti_40nm'"
    )
    rows = rows[rows["zeros"] == zeros]
    return Reading(tuple(rows[what]), _ends(rows[what], what))


def _best_fit(tables: Tables, _: Any) -> Reading:
    row = tables.table("06b_choices").set_index("knob").loc["as fitted"]
    ends = row[["speed_low", "speed_high", "saving_low", "saving_high"]]
    return Reading(tuple(ends), {"error": row["error"]})


def _layers_beyond_rounding(tables: Tables, _: Any) -> Reading:
    table = tables.table("01_exactness")
    facts = {"geometries": table["case"].nunique(), "forms": table["form"].nunique()}
    return Reading(((table["ratio"] > 1).sum(),), facts | {"worst": table["ratio"].max()})


def _changed_values(tables: Tables, _: Any) -> Reading:
    table = tables.table("03_dcgan_images").query("form == 'split'").set_index("dtype")
    changed = table["changed_8_bit_values"]
    facts = {"values": table.loc["float64", "values"], "single": changed["float32"]}
    return Reading((changed["float64"],), facts)


def _likeness(tables: Tables, method: str) -> Reading:
    table = tables.table("09_likeness").set_index(["generator", "form"])["ssim_global"]
    rows = quality.authors_images().query("method == @method").set_index("network")
    facts = {} if rows["ssim"].isna().all() else {"repository": rows["ssim"].dropna().iloc[0]}
    values = tuple(table[generator, FORMS[method]] for generator in NEAREST.values())
    return Reading(values, facts)


def place(method: str, layers: int = 3, size: int = 8, k: int = 5, s: int = 2) -> tuple[int, int]:
    """Side of the image that a conversion gives, and how far it is moved, by a search.

    Args:
        method: of `approximations.METHODS`.
        layers: transposed convolutions of one channel, with random filters.
        size: of their first input.
        k, s: kernel and stride.

    Returns:
        (side, pixels): the image is the native one from pixel (pixels, pixels) on, or comes that
            many late; whichever overlap differs least.
    """
    rng = np.random.default_rng(0)
    right = other = rng.standard_normal((1, size, size, 1))
    for _ in range(layers):
        filters = rng.standard_normal((k, k, 1, 1))
        right = conv_transpose(right, filters, sd.plan(right.shape[1:3], k, s))
        planned = approximate(sd.plan(other.shape[1:3], k, s), filters, method)
        other = conv_transpose(other, planned[1], planned[0])
    right, other = right[0, ..., 0], other[0, ..., 0]

    def difference(moved: int) -> float:
        first, late = max(moved, 0), max(-moved, 0)
        side = min(len(right) - first, len(other) - late)
        inner = right[first : first + side, first : first + side]
        return float(np.abs(other[late : late + side, late : late + side] - inner).mean())

    best = min(range(-len(other) // 2, len(right) // 2), key=difference)
    return len(other), abs(best)


def _place(tables: Tables, method: str) -> Reading:
    rows = quality.authors_images().query("method == @method").set_index("network")
    facts: dict[str, Any] = {}
    if method == "shi":
        # FST: two 3x3 layers.
        facts = {"fst_published": rows.loc["FST", "top"], "fst": place(FORMS[method], 2, 8, 3)[1]}
    return Reading(place(FORMS[method]), facts)


def _replayed(tables: Tables, device: str) -> Reading:
    """Nothing is measured here; the authors' two example layers, in words, are for the reason."""
    rows = pd.read_csv(REFERENCE / "authors_examples.csv", comment="#")
    gains = [f"{row.nzp_ms / row.sd_ms:.2f}× with {row.channels}" for row in rows.itertuples()]
    return Reading((), {"examples": f"{' and '.join(gains)} channels"})


FUNCTIONS: dict[str, Callable[[Tables, Any], Reading]] = {
    "counts": _counts,
    "totals": _totals,
    "speedups": _speedups,
    "savings": _savings,
    "best_fit": _best_fit,
    "layers_beyond_rounding": _layers_beyond_rounding,
    "changed_values": _changed_values,
    "likeness": _likeness,
    "place": _place,
    "none": lambda tables, argument: Reading(),
    "replayed": _replayed,
}


def ours(name: str, tables: Tables, argument: Any) -> Reading:
    """The numbers of a claim, by the function that its row in `claims.yaml` names.

    Raises:
        NotMadeError: a table has not been made, or lacks a row or a column that the claim needs.
    """
    try:
        return FUNCTIONS[name](tables, argument)
    except KeyError as error:
        raise NotMadeError(f"the table that {name} reads lacks {error}") from error

"""The published numbers of each claim, read from where they are kept; nothing is typed here."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from splitdeconv import networks
from splitdeconv.dlp.compare import PUBLISHED as RANGES
from splitdeconv.study import quality
from splitdeconv.toolchains import edgetpu

REFERENCE = Path(__file__).resolve().parents[2] / "data" / "reference"


def _counts(network: str) -> Sequence[float]:
    row = networks.published().set_index("network").loc[networks.titles()[network]]
    return row["published_deconv_mmac"], row["published_total_mmac"]


def _both_ranges(_: Any) -> Sequence[float]:
    return *RANGES["speedup"], *RANGES["energy_saving"]


def _ssim(method: str) -> Sequence[float]:
    rows = quality.authors_images().query("method == @method").set_index("network")
    return tuple(rows.loc[["DCGAN", "FST"], "remembered_ssim"])


def _place(method: str) -> Sequence[float]:
    rows = quality.authors_images().query("method == @method").set_index("network")
    return tuple(rows.loc["DCGAN", ["pixels", "top"]])


def _device(table: str) -> Sequence[float]:
    rows = edgetpu.published(table)
    if "artifact" in rows:  # files that were not compiled for the device ran on the host
        rows = rows[rows["artifact"] == "edgetpu_tflite"]
    gains = rows[next(name for name in rows if name.startswith("speedup"))]
    return gains.min(), gains.max()


def _peer(name: str) -> Sequence[float]:
    rows = pd.read_csv(REFERENCE / "peers.csv").query("peer == @name").set_index("what")
    return tuple(rows.loc[["speedup", "energy_saving"], ["low", "high"]].to_numpy().ravel())


FUNCTIONS: dict[str, Callable[[Any], Sequence[float]]] = {
    "counts": _counts,
    "nothing": lambda _: (),
    "range": lambda argument: RANGES[argument[0]],
    "both_ranges": _both_ranges,
    "no_difference": lambda _: (0,),
    "ssim": _ssim,
    "place": _place,
    "device": _device,
    "peer": _peer,
}


def published(name: str, argument: Any) -> tuple[float, ...]:
    """The published numbers of a claim, by the function that its row in `claims.yaml` names."""
    return tuple(map(float, FUNCTIONS[name](argument)))

"""The published operation counts beside those of the networks built here."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from .registry import NETWORKS, Network
from .table import layer_table


def published() -> pd.DataFrame:
    """Published sums per network, in millions of multiply-accumulates, with their provenance.

    Example:
        >>> import splitdeconv as sd
        >>> sd.networks.published().network.tolist()
        ['DCGAN', 'SNGAN', 'GP-GAN', 'MDE', 'FST', 'ArtGAN']
    """
    return _read("mac_counts.csv")


def published_layers() -> pd.DataFrame:
    """Layers whose operations add up to the published sums, with their sources.

    Example:
        >>> import splitdeconv as sd
        >>> layers = sd.networks.published_layers()
        >>> layers[layers.network == "DCGAN"].layer.tolist()
        ['fc', 'deconv1', 'deconv2', 'deconv3']
    """
    return _read("layers.csv")


def gap_table() -> pd.DataFrame:
    """Published and computed operations of every network, the gap and its reason.

    Returns:
        One row per network. Columns: network, title, published_deconv_mmac, computed_deconv_mmac,
        published_total_mmac, computed_total_mmac (millions of useful multiply-accumulates per
        image; NaN where nothing is published), unpublished_mmac (the part of the computed total in
        layers that the published sum leaves out although a working network needs them), gap_mmac
        (computed less published total) and reason, in words.

    Example:
        >>> import splitdeconv as sd
        >>> gaps = sd.networks.gap_table().set_index("network")
        >>> gaps.reason["dcgan"]
        'none: reproduced to the last published digit'
    """
    sums = published().set_index("network")
    return pd.DataFrame([_compare(name, network, sums) for name, network in NETWORKS.items()])


def _compare(name: str, network: Network, sums: pd.DataFrame) -> dict[str, Any]:
    table = layer_table(name)
    mmac = table["macs"] / 1e6
    beyond = table[table["name"].isin(network.unpublished)]
    columns = ["published_deconv_mmac", "published_total_mmac"]
    deconv, total = sums[columns].reindex([network.title]).iloc[0]
    gap = mmac.sum() - total
    return {
        "network": name,
        "title": network.title,
        "published_deconv_mmac": deconv,
        "computed_deconv_mmac": mmac[table["kind"] == "deconv"].sum(),
        "published_total_mmac": total,
        "computed_total_mmac": mmac.sum(),
        "unpublished_mmac": beyond["macs"].sum() / 1e6,
        "gap_mmac": gap,
        "reason": network.remark or _reason(beyond, gap - beyond["macs"].sum() / 1e6),
    }


def _reason(beyond: pd.DataFrame, rest: float) -> str:
    """The reason for the gap of a network; `rest` is what its known layers leave unexplained."""
    if abs(rest) >= 0.005:  # published to two decimals
        return f"{rest:+.2f} M are unexplained"
    if beyond.empty:
        return "none: reproduced to the last published digit"
    layers = ", ".join(f"{row.name_} ({row.kind}, {row.macs / 1e6:.2f} M)" for row in _rows(beyond))
    return (
        f"the published sum leaves out {layers}, which a working network needs; "
        "the rest is reproduced"
    )


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return table.rename(columns={"name": "name_"}).itertuples()  # pandas keeps `name` to itself


@cache
def _csv(name: str) -> pd.DataFrame:
    with (files(__package__) / "reference" / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)


def _read(name: str) -> pd.DataFrame:
    return _csv(name).copy()

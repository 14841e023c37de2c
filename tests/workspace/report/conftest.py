"""Figures of a small reproduction, with numbers of their own, for the report to read."""

import json
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tools.report import article, claims
from tools.report.tables import Tables

ROOT = Path(__file__).resolve().parents[3]
SIX = ("DCGAN", "SNGAN", "ArtGAN", "GP-GAN", "MDE", "FST")
NINE = ("dcgan", "sngan", "artgan", "gpgan", "mde", "fst", "fcn32s", "fcn16s", "fcn8s")


def gains(processor, column, plain, **others):
    """Rows of a processor's figure: `plain` for "sd", twice as much for "sd-WA"."""
    rows = [
        {"network": n, "part": "deconv", "variant": variant, column: times * gain}
        for n, gain in zip(SIX, plain, strict=True)
        for variant, times in (("nzp", 0), ("nzp-A", 3), ("sd", 1), ("sd-WA", 2))
    ]
    return pd.DataFrame(rows).assign(processor=processor, **others)


def figures():
    """The tables that the claims read, by figure."""
    counts = pd.DataFrame({"network": NINE, "unpublished_mmac": 0.0})
    counts["computed_deconv_mmac"] = [109.7701, 100.66, 7, 103.81, 849.35, 603.98, 1, 2, 3]
    counts["computed_total_mmac"] = [111.4149, 101.5, 8, 240.39, 2638.22, 9000.25, 100, 200, 300]
    counts.loc[1, "unpublished_mmac"] = 0.64
    stored = gains("pe_array_32x7", "energy_saving", (0.28, 0.3, 0.4, 0.5, 0.54, 0.35))
    generated = gains("pe_array_32x7", "energy_saving", (0.9, 0.1, 0.2, 0.6, 0.6, 0.25))
    tables = {
        "02_published": counts,
        "04_speedup": gains("dot_product_16x16", "speedup", (2.4, 4.4, 3, 3, 3, 3)),
        "05_speedup": gains("pe_array_32x7", "speedup", (1, 1.5, 2, 2.4, 2.3, 9)),
        "06_saving": pd.concat(
            [stored.assign(zeros="stored"), generated.assign(zeros="generated")]
        ),
        "06b_choices": pd.DataFrame(
            {"speed_low": [2.5], "speed_high": [4.3], "saving_low": [0.27], "saving_high": [0.5]}
        ).assign(knob="as fitted", error=0.043),
        "01_exactness": pd.DataFrame(
            {"case": [0, 0, 1, 1], "form": ["split", "nzp"] * 2, "ratio": [0.25, 0.5, 1.5, 0.1]}
        ),
        "03_dcgan_images": pd.DataFrame(
            {"dtype": ["float64", "float32"], "changed_8_bit_values": [0, 7], "values": [420, 420]}
        ).assign(form="split"),
        "09_likeness": pd.DataFrame(
            [
                ("faces, written as 5x5", "split", 1.0),
                ("faces, written as 5x5", "shi_cropped", 0.99),
                ("faces, written as 5x5", "chang", 0.53),
                ("photographs, 3x3 kernels", "split", 0.9),
                ("photographs, 3x3 kernels", "shi_cropped", 0.98),
                ("photographs, 3x3 kernels", "chang", 0.75),
            ],
            columns=["generator", "form", "ssim_global"],
        ),
    }
    tables["06_saving"]["technology"] = "cacti_40nm"
    return tables


@pytest.fixture
def tables(tmp_path):
    """A checkout with this repository's params and notebooks, and small figures."""
    for name in ("params", "notebooks", "data", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / "figures"
    folder.mkdir()
    made = figures()
    names = {*made, *(part["figure"] for part in article.parts())}
    for name in names:
        made.get(name, pd.DataFrame({"x": [1]})).to_csv(folder / f"{name}.csv", index=False)
        for kind in ("pdf", "png"):
            Figure((1, 1)).savefig(folder / f"{name}.{kind}", dpi=20)
    rows = [
        {"name": name, "caption": f"Shows <{name}>.", "device": "a machine", "quick": False}
        for name in sorted(names)
    ]
    (folder / "manifest.json").write_text(json.dumps(rows))
    return Tables(tmp_path)


@pytest.fixture(scope="session")
def every():
    return claims.read()

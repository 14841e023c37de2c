"""Structures are simulations, and their likelihoods are those of the published ends."""

from dataclasses import replace

import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.dlp.compare import PUBLISHED
from splitdeconv.study import baselines

NETWORKS = ["dcgan", "sngan"]
FEW = {
    "array": ("dot_product_16x16", "pe_array_32x7"),
    "buffer_kib": (16, 64),
    "sums": ("array", "buffer"),
    "zeros": ("generated", "stored"),
    "variant": ("sd", "sd-A"),
    "phases": ("one by one", "together"),
    "interleave": ("bursts", "pass"),
}


@pytest.fixture(scope="module")
def gains():
    return baselines.gains(NETWORKS, FEW)


def test_a_structure_is_a_comparison(gains):
    assert len(gains.structures) == 2**8
    saved = baselines.savings(gains)
    together = gains.structures.query("phases == 'together' and sums == 'buffer'")
    for row, structure in together.iloc[::5].iterrows():
        processor = sd.dlp.load_processor(structure["array"])
        sizes = {f"{n}_buffer_kib": structure.buffer_kib for n in ("input", "weight", "output")}
        method, _, skip = structure.variant.partition("-")
        how = {"zeros": structure.zeros, "interleave": structure.interleave}
        machine = replace(processor, **sizes)
        found = sd.dlp.compare(NETWORKS, machine, [(method, skip or "none")], **how)
        found = found[(found.part == structure.scope) & (found.method == "sd")]
        np.testing.assert_allclose(gains.speedup[row], found.speedup, rtol=1e-12)
        np.testing.assert_allclose(saved.loc[row], found.energy_saving, rtol=1e-9)


def test_phases_one_by_one_move_no_less(gains):
    keys = [name for name in baselines.AXES if name != "phases"]
    dram = gains.structures.assign(pj=gains.after[..., 3].sum(1)).pivot(
        index=keys, columns="phases", values="pj"
    )
    assert (dram["one by one"] >= dram["together"] * (1 - 1e-12)).all()
    assert (dram["one by one"] > dram["together"]).any()


def test_ends_are_over_the_networks(gains):
    ends = baselines.ends(gains)
    assert (ends.speed_low == gains.speedup.min(1)).all()
    assert (ends.saving_high == baselines.savings(gains).max(axis=1)).all()
    first = ends.iloc[0]
    values = first[["speed_low", "speed_high", "saving_low", "saving_high"]].to_numpy(float)
    published = [*PUBLISHED["speedup"], *PUBLISHED["energy_saving"]]
    assert first.error == pytest.approx(np.sqrt(np.mean((values / published - 1) ** 2)))


def test_factors_stay_in_their_ranges():
    factors = baselines.draw(500, seed=3)
    technology = sd.dlp.load_technology("cacti_40nm")
    dram = factors[:, 3] * technology.dram_pj
    assert 200 <= dram.min() < 300
    assert 2000 < dram.max() <= 2600
    # Even in the logarithm: half of the draws are below the geometric mean.
    assert np.mean(dram < np.sqrt(200 * 2600)) == pytest.approx(0.5, abs=0.07)
    assert np.array_equal(factors, baselines.draw(500, seed=3))


def test_likelihoods_by_hand(gains):
    factors = baselines.draw(7, seed=5)
    found = baselines.posterior(gains, factors)
    assert found[["energy", "all_ends"]].sum().tolist() == pytest.approx([1, 1])
    spread, low, high = baselines.SPREAD["energy_saving"], *PUBLISHED["energy_saving"]
    raw = []
    for row in (0, 100):
        total = 0
        for factor in factors:
            saving = [
                1 - (gains.after[row, n] @ factor) / (gains.before[row, n] @ factor)
                for n in range(len(NETWORKS))
            ]
            distance = (min(saving) - low) ** 2 + (max(saving) - high) ** 2
            total += np.exp(-distance / (2 * spread**2))
        raw.append(total)
    assert found.energy.iloc[0] / found.energy.iloc[100] == pytest.approx(raw[0] / raw[1])


def test_neighbours_differ_in_one_choice(gains):
    ends = baselines.ends(gains)
    around = baselines.neighbours(ends, 17)
    assert len(around) == 1 + len(baselines.AXES)
    assert around.iloc[0].knob == "as fitted"
    for _, row in around.iloc[1:].iterrows():
        differing = [name for name in baselines.AXES if row[name] != ends.loc[17, name]]
        assert differing == [row.knob]
        assert row.value == str(row[row.knob])

"""What is compared with the simulators, on their kept results, and what they printed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from splitdeconv.dlp import load_processor, load_technology, simulate, workload
from splitdeconv.dlp.energy import sram_pj
from splitdeconv.dlp.export.convolutions import convolutions
from splitdeconv.study import measured
from tests.dlp.tables import networks
from tools.peers import __main__ as peers, agreement

REFERENCE = Path(__file__).parents[2] / "data" / "reference"
FLOWS = {"os": "output_stationary", "ws": "weight_stationary"}
FORMS = {"NZP": "nzp", "SD": "sd", "SDfused": "stacked"}
CASES = [(form, array, flow) for form in FORMS for array in ("16x16", "32x7") for flow in FLOWS]


def kept(name, form, array, flow, column):
    """A simulator's kept results as if it had just run our export of DCGAN."""
    rows = convolutions(networks("DCGAN"), FORMS[form]).query("kind == 'deconv'")
    table = pd.read_csv(REFERENCE / name)
    found = table.query(
        "form == @form and array_rows_x_cols == @array and dataflow == @flow"
    ).sort_values("layer")
    results = pd.DataFrame(
        {"name": rows["name"].to_numpy(), "cycles": found[column].to_numpy(), "memory": "ideal"}
    )
    return rows, results, load_processor(f"pe_array_{array}"), FLOWS[flow]


@pytest.mark.parametrize(("form", "array", "flow"), CASES)
def test_cycles_are_scalesim_s(form, array, flow):
    found = agreement.scalesim(*kept("scalesim_3.0.0_dcgan.csv", form, array, flow, "cycles"))
    assert len(found) == 3
    assert found["ours"].tolist() == found["theirs"].tolist()
    assert found["same"].all()


@pytest.mark.parametrize(("form", "array", "flow"), CASES)
def test_cycles_without_stalls_are_zigzag_s(form, array, flow):
    found = agreement.zigzag(
        *kept("zigzag_3.9.1_dcgan.csv", form, array, flow, "stall_free_cycles")
    )
    assert found["same"].all()
    assert found["ours"].tolist() == found["theirs"].tolist()


def test_another_mapping_is_told():
    rows = pd.DataFrame(
        {"name": ["a", "b"], "layer": ["a", "b"], "times": [1, 1], "out_h": [5, 5], "out_w": [7, 7]}
    )
    rows = rows.assign(taps_h=3, taps_w=3, c_in=[20, 16], c_out=4)
    results = pd.DataFrame({"name": ["a", "b"], "cycles": [1.0, 1.0]})
    array = load_processor("pe_array_16x16")
    # 35 pixels are 3 runs of 16, and as many rectangles of 7x2.
    assert agreement.zigzag(rows, results, array, "output_stationary")["same"].tolist() == [
        True,
        True,
    ]
    # 9*20 rows of the filter fill 12 times 16 rows; tap by tap it takes 18 times.
    found = agreement.zigzag(rows, results, array, "weight_stationary")
    assert found["same"].tolist() == [False, True]
    assert found["ours"].tolist() == [12 * 35, 9 * 35]
    # Input stationary both apply; 4 filters pass through 12 or 9 folds of 3 tiles of pixels.
    found = agreement.zigzag(rows, results, array, "input_stationary")
    assert found["same"].tolist() == [False, True]
    assert found["ours"].tolist() == [12 * 3 * 4, 9 * 3 * 4]
    # 35 pixels are 3 runs of 12, but no 3 rectangles of so many cover 5x7.
    array = replace(array, cols=12)
    found = agreement.zigzag(rows, results, array, "input_stationary")
    assert found["same"].tolist() == [False, False]


def test_results_that_are_missing():
    rows, results, *run = kept("scalesim_3.0.0_dcgan.csv", "SD", "16x16", "os", "cycles")
    with pytest.raises(ValueError, match="no results for c1_deconv1"):
        agreement.scalesim(rows, results.iloc[1:], *run)


def test_energies_leave_out_what_zigzag_does_not_know():
    table, technology = networks("DCGAN"), load_technology("cacti_40nm")
    rows = convolutions(table, "sd")
    results = pd.DataFrame({"name": rows["name"], "energy_pj": 10.0 ** np.arange(len(rows))})
    simulated = simulate(table, "pe_array_16x16", "sd")
    alone = simulate(agreement.apart(rows), "pe_array_16x16")
    found = agreement.energies(rows, results, simulated, alone, technology)
    assert found["layer"].tolist() == table["name"].tolist()
    assert found["theirs_pj"].tolist() == [1, 4 * 10, 4 * 100, 4 * 1000]
    parts = simulated[[f"energy_{part}_pj" for part in ("mac", "register", "buffer", "dram")]].sum(
        axis=1
    )
    moved = simulated["dram_interleave_bytes"] * technology.dram_pj / 8
    # Sums of a few float64 numbers.
    np.testing.assert_allclose(found["ours_pj"], parts - moved, rtol=1e-12)
    # Three more reads of an input that four phases could have shared; a byte passes the buffer as
    # well.
    size = table["in_h"] * table["in_w"] * table["c_in"]
    more = (
        3 * size * (table["kind"] == "deconv") / 8 * (technology.dram_pj + sram_pj(technology, 64))
    )
    np.testing.assert_allclose(found["alone_pj"], found["ours_pj"] + more, rtol=1e-12)


@pytest.mark.parametrize("method", ["nzp", "sd", "rows"])
def test_convolutions_alone_are_as_many_cycles(method):
    table = networks("FST")
    rows = convolutions(table, method)
    alone = simulate(agreement.apart(rows), "pe_array_32x7")["compute_cycles"]
    ours = simulate(table, "pe_array_32x7", method).set_index("name")["compute_cycles"]
    assert (rows["times"] * alone).groupby(rows["layer"]).sum().to_dict() == ours.to_dict()


def test_ratios_are_of_transposed_convolutions():
    table = pd.DataFrame(
        [
            ("n", "nzp", "deconv", 8.0, 8.0, 6.0),
            ("n", "nzp", "conv", 900.0, 90.0, 1.0),
            ("n", "sd", "deconv", 1.5, 3.0, 1.0),
            ("n", "sd", "deconv", 0.5, 1.0, 1.0),
        ],
        columns=["network", "method", "kind", "ours_pj", "alone_pj", "theirs_pj"],
    ).assign(array="16x16", dataflow="output_stationary")
    (found,) = agreement.ratios(table).to_dict("records")
    assert (found["ours"], found["alone"], found["theirs"]) == (4, 2, 3)
    assert found["difference"] == pytest.approx(1 / 3)
    assert found["difference_alone"] == pytest.approx(-1 / 3)


@pytest.fixture(scope="module")
def counted():
    return measured.read("peers_cycles")


def test_the_runs_that_were_kept(counted):
    keys = ["peer", "network", "method", "array", "dataflow"]
    arrays = [processor.removeprefix("pe_array_") for processor in peers.PROCESSORS]
    wanted = [
        list(peers.PEERS.values()),
        list(peers.NETWORKS),
        peers.METHODS,
        arrays,
        peers.DATAFLOWS,
    ]
    runs = {*counted[keys].itertuples(index=False, name=None)}
    planned = {*pd.MultiIndex.from_product(wanted)}
    # Those of a dataflow that is younger than the tables are added by the next `make peers`.
    assert runs <= planned
    assert {run[-1] for run in planned - runs} <= {"input_stationary"}
    assert set(counted.query("peer == 'SCALE-Sim 3.0.0'")["memory"]) == {"ideal", "stepped"}


def test_the_model_still_counts_what_the_simulators_did(counted):
    """The simulators' numbers as kept, ours as they are now, layer by layer."""
    kept = counted[counted["peer"] == "SCALE-Sim 3.0.0"]
    for (network, method, array, flow), rows in kept.groupby(
        ["network", "method", "array", "dataflow"]
    ):
        table = workload(network, **peers.NETWORKS[network])
        ours = simulate(table, f"pe_array_{array}", method, dataflow=flow).set_index("name")[
            "compute_cycles"
        ]
        theirs = (rows["times"] * rows["theirs"]).groupby(rows["layer"]).sum()
        assert ours.to_dict() == theirs.to_dict()
    same = counted[counted["same"]]
    assert same["ours"].tolist() == same["theirs"].tolist()
    assert len(same) > 0.9 * len(counted)


def test_energies_gain_what_zigzag_s_do():
    """NZP over SD under the same constants: within a quarter of ZigZag's, of its loop order."""
    kept = measured.read("peers_energy")
    keys, technology = ["network", "method", "array", "dataflow"], load_technology("cacti_40nm")
    parts = []
    for (network, method, array, flow), rows in kept.groupby(keys):
        table, processor = workload(network, **peers.NETWORKS[network]), f"pe_array_{array}"
        whole = simulate(table, processor, method, dataflow=flow, zeros="stored")
        stated = convolutions(table, method)
        alone = simulate(agreement.apart(stated), processor, dataflow=flow)
        assert set(whole["technology"]) == {technology.name}
        # Theirs as kept, by layer: put on the first convolution of each.
        theirs = rows.set_index("layer")["theirs_pj"] / stated.groupby("layer")["times"].first()
        first = ~stated["layer"].duplicated()
        results = pd.DataFrame(
            {"name": stated["name"], "energy_pj": stated["layer"].map(theirs).where(first, 0)}
        )
        found = agreement.energies(stated, results, whole, alone, technology)
        assert found["theirs_pj"].tolist() == pytest.approx(rows["theirs_pj"].tolist())
        parts.append(found.assign(network=network, method=method, array=array, dataflow=flow))
    found = agreement.ratios(pd.concat(parts))
    assert set(found["dataflow"]) <= set(peers.DATAFLOWS)
    assert len(found) == len(peers.NETWORKS) * len(peers.PROCESSORS) * found["dataflow"].nunique()
    assert found[["difference", "difference_alone"]].abs().to_numpy().max() < 0.25
    assert found["theirs"].min() > 1

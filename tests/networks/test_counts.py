"""Operation counts by method, against the layer table and against brute force."""

import pytest

from splitdeconv.networks import counts, layer_table


def test_a_network_s_counts_are_its_layers():
    table, counted = layer_table("dcgan"), counts.operation_counts("dcgan")
    assert counted["useful"].tolist() == table["macs"].tolist()
    dense = counted[counted["kind"] == "dense"]
    assert (dense[list(counts.METHODS)].nunique(axis=1) == 1).all()
    deconvs = counted[counted["kind"] == "deconv"]
    # 5x5 at stride 2 under SAME: s^2 times for zero insertion, 6/5 in one axis for rows, in both for stacked.
    assert (deconvs["split"] == deconvs["useful"]).all()
    assert (deconvs["nzp"] == 4 * deconvs["useful"]).all()
    assert (deconvs["rows"] * 5 == 6 * deconvs["useful"]).all()
    assert (deconvs["stacked"] * 25 == 36 * deconvs["useful"]).all()
    assert (deconvs["exact"] < deconvs["useful"]).all()


@pytest.mark.parametrize("name", ["sngan", "fcn8s"])
def test_plans_have_the_output_that_the_model_has(name):
    for row in layer_table(name).query("kind == 'deconv'").itertuples():
        assert counts.layer_plan(row).output_shape == (row.out_h, row.out_w)


def test_exact_counts_are_brute_force_counts():
    row = next(layer_table("sngan").query("kind == 'deconv'").itertuples())
    pairs = sum(0 <= i * 2 + u - 1 < row.out_h for i in range(row.in_h) for u in range(row.k_h))
    counted = counts.operation_counts("sngan").set_index("name").loc[row.name if hasattr(row, "name") else row[1]]
    assert counted["exact"] == pairs**2 * row.c_in * row.c_out

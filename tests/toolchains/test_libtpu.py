"""Programs are compiled for TPUs and timed here; what goes wrong becomes a reason, and the rest goes on."""

import os

import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.toolchains import hlo, libtpu

ABSENT = libtpu.available()
needs_compiler = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
needs_jax = pytest.mark.skipif(libtpu.available(libtpu.HERE) is not None, reason=str(libtpu.available(libtpu.HERE)))
SMALL = {  # a row of networks.layer_table: 6x5x3 -> 12x10x4, 5x5 s2 SAME
    "name": "up",
    "kind": "deconv",
    "in_h": 6,
    "in_w": 5,
    "c_in": 3,
    "c_out": 4,
    "k_h": 5,
    "k_w": 5,
    "stride_h": 2,
    "stride_w": 2,
    "dilation_h": 1,
    "dilation_w": 1,
    "groups": 1,
    "padding": "SAME",
    "out_h": 12,
    "out_w": 10,
    "macs": 9000,
    "before_h": 1,
    "before_w": 1,
    "end_h": 2,
    "end_w": 2,
}
SUBJECT = {"network": "small", "layer": "up", "kind": "layer", "layers": [SMALL]}
NATIVE = (("native", "concat"),)


@needs_compiler
def test_a_layer_is_compiled_without_a_tpu_and_without_touching_the_environment():
    before = dict(os.environ)
    found = libtpu.measure(libtpu.cases([SUBJECT], generations=["v2", "v6e"]))
    assert dict(os.environ) == before
    assert found["reason"].isna().all()
    assert len(found[libtpu.KEY].drop_duplicates()) == len(found) == 2 * len(libtpu.VARIANTS)
    assert (found["cycles"] > 0).all()
    assert (found["convolution_cycles"] <= found["cycles"]).all()
    assert (found["compiler"] == libtpu.compiler()).all()


@needs_compiler
def test_the_details_add_up():
    cases = libtpu.cases([SUBJECT], generations=["v5e"], variants=[("stacked", "depth_to_space")])
    (total,) = libtpu.measure(cases).to_dict("records")
    detail = libtpu.measure(cases, detail=True)
    assert detail["cycles"].sum() == total["cycles"]
    assert hlo.summary(detail)["unestimated"] == total["unestimated"]
    # The same program whichever way it is asked for.
    (again,) = libtpu.measure([{**cases[0], "interleave": "transpose"}])["cycles"]
    assert again == total["cycles"]


@needs_compiler
def test_whole_networks_and_chains_are_compiled():
    chain = [libtpu.chain("dcgan")]
    whole = libtpu.cases([libtpu.whole("dcgan")], generations=["v5e"], variants=[*NATIVE, ("rows", "concat")])
    apart = libtpu.cases(chain, generations=["v5e"], variants=[*NATIVE, ("apart", "concat")])
    found = libtpu.measure([*whole, *apart])
    assert found["reason"].isna().all()
    network, rows, chain, apart = found["cycles"]
    # A network has more than its chain; rows and apart have another program than the native operators.
    assert network > chain > 0
    assert len({network, rows, chain, apart}) == 4


@needs_compiler
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_a_model_in_a_file_is_compiled(tmp_path):
    import keras

    x = keras.Input((6, 5, 3))
    keras.Model(x, keras.layers.Conv2DTranspose(4, 5, 2, "same")(x), name="mine").save(tmp_path / "mine.keras")
    variants = [*NATIVE, ("rows", "concat"), ("nzp", "concat")]
    cases = libtpu.cases([libtpu.whole(tmp_path / "mine.keras")], generations=["v5e"], variants=variants)
    found = libtpu.measure(cases).set_index("form")
    assert (found["network"] == "mine").all()
    assert found.loc["native", "cycles"] != found.loc["rows", "cycles"]
    assert "not built with zeros inserted" in found.loc["nzp", "reason"]


@needs_jax
def test_programs_are_timed_where_jax_has_a_device():
    variants = [*NATIVE, ("nzp", "concat"), ("split", "concat")]
    subjects = [SUBJECT, libtpu.chain("dcgan")]
    cases = libtpu.cases(subjects, generations=[libtpu.HERE], dtypes=["float32"], variants=variants)
    found = libtpu.measure(cases, turns=3, budget=1)
    assert found["reason"].isna().all()
    assert (found["seconds"] > 0).all()
    assert set(found["device"]) == {"cpu cpu"}
    assert (found.loc[found["form"] == "native", "speedup"] == 1).all()
    won = libtpu.best(found)
    assert len(won) == 2
    assert (won["speedup"] >= 1).all()


@needs_jax
@pytest.mark.parametrize(("form", "interleave"), libtpu.VARIANTS)
def test_what_is_compiled_computes_the_layer_with_its_filters_split_beforehand(form, interleave, rng):
    import jax

    from splitdeconv.reference import conv_transpose
    from splitdeconv.toolchains import _libtpu_child as child

    (case,) = libtpu.cases(
        [SUBJECT], generations=["v2"], batches=[2], dtypes=["float32"], variants=[(form, interleave)]
    )
    function, weights, x = child.program(case)
    prepare, compute, shapes = child.folded(function, weights, x)
    w, values = rng.standard_normal(weights.shape, "float32"), rng.standard_normal(x.shape, "float32")
    (y,) = compute(*prepare(w), values)
    wanted = conv_transpose(values, w, child._plan(SMALL, "split"))
    # Sums of at most 27 float32 products of order one.
    np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-5)
    assert np.abs(compute(*prepare(w[::-1]), values)[0] - wanted).max() > 0.1
    program = jax.jit(compute).lower(*shapes).as_text()
    assert "gather" not in program
    # Zero insertion stays what it is: the compiler does not fold it into the native operator.
    dilated = "lhs_dilate" in jax.jit(compute).lower(*shapes).compile().as_text()
    assert dilated is (form == "native")


def test_hopeless_forms_are_not_tried():
    wide = {**SMALL, "stride_h": 32, "stride_w": 32, "k_h": 64, "k_w": 64, "out_h": 192, "out_w": 160}
    wide |= {"before_h": 16, "before_w": 16, "end_h": 16, "end_w": 16}
    cases = libtpu.cases(
        [{**SUBJECT, "layers": [wide]}], generations=["v2"], variants=[("nzp", "concat"), ("split", "concat")]
    )
    found = libtpu.measure(cases).set_index("form")["reason"]
    if ABSENT is None:
        assert found["split"] == "1,024 convolutions: more calls than work"
        assert found["nzp"] == "1,024 times the useful operations"


@needs_compiler
def test_what_libtpu_refuses_is_a_reason_and_the_next_goes_on():
    first, second = libtpu.cases([SUBJECT], generations=["v2", "v3"], variants=NATIVE)
    found = libtpu.measure([{**first, "topology": "v99:2x2"}, second])
    assert "v99" in found["reason"][0]
    assert found["cycles"][1] > 0


STAND_IN = """
import json, sys, time
for line in sys.stdin:
    (case,) = json.loads(line)
    if case["batch"] == 1: sys.exit("out of memory, says the compiler")
    if case["batch"] == 2: time.sleep(60)
    if case["batch"] == 3: print("I0000 hello")
    else: print(json.dumps([[{"name": "a", "opcode": "copy", "shape": "", "bytes": 1, "cycles": 7, "kind": "other"}]]))
    sys.stdout.flush()
"""


@needs_compiler
def test_a_process_that_ends_hangs_or_rambles_is_a_reason_and_the_next_goes_on(monkeypatch, tmp_path):
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(libtpu, "_CHILD", "stand_in")
    cases = libtpu.cases([SUBJECT], generations=["v2"], batches=[1, 2, 3, 4], variants=NATIVE)
    found = libtpu.measure(cases, timeout=3)
    assert found["reason"][0] == "the process ended with code 1: out of memory, says the compiler"
    assert found["reason"][1] == "took longer than 3 s"
    assert found["reason"][2] == "an answer that is not understood: 'I0000 hello'"
    assert found["cycles"][3] == 7


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        ({"jax": "0.10.2"}, r"^libtpu not installed: pip install 'splitdeconv\[tpu\]'$"),
        ({}, "^jax and libtpu not installed"),
        ({"jax": "0.6.2", "libtpu": "0.0.17"}, r"^jax 0\.6\.2 is too old: 0\.7 or later is needed$"),
    ],
)
def test_what_is_missing_is_said(monkeypatch, versions, reason):
    monkeypatch.setattr(libtpu, "_version", versions.get)
    found = libtpu.measure(libtpu.cases([SUBJECT], generations=["v2"]))
    assert found["reason"].str.contains(reason).all()
    assert len(found) == len(libtpu.VARIANTS)
    if versions.get("jax") == "0.10.2":
        assert libtpu.available(libtpu.HERE) is None


def test_unknown_generations_and_types_are_refused():
    with pytest.raises(SplitDeconvError, match="unknown generation"):
        libtpu.cases([SUBJECT], generations=["v1"])
    with pytest.raises(SplitDeconvError, match="unknown dtype"):
        libtpu.cases([SUBJECT], dtypes=["float16"])


def rows(*costs):
    """A table of one layer: (form, cycles, bytes without estimate, slowest copy)."""
    columns = ["form", "cycles", "unestimated_bytes", "slowest"]
    first = {"network": "a", "layer": "b", "generation": "v2", "batch": 1, "dtype": "bfloat16", "interleave": "concat"}
    return pd.DataFrame(costs, columns=columns).assign(**first, reason=None)


def test_no_win_rests_on_what_has_no_estimate():
    table = rows(("native", 100, 0, np.nan), ("nzp", 300, 0, 0.5), ("rows", 90, 40, 0.25), ("split", 95, 4, np.nan))
    # The slowest copy of all, 0.5 cycles a byte, is charged for each byte without estimate: 90 + 20 and 95 + 2.
    assert libtpu.charged(table).tolist() == [100, 300, 110, 97]
    (won,) = libtpu.best(table).to_dict("records")
    assert (won["form"], won["speedup"], won["over_nzp"]) == ("split", 100 / 97, 300 / 97)
    # A layer without copies is charged like the others of its generation.
    other = rows(("native", 100, 0, np.nan), ("rows", 50, 10, np.nan)).assign(layer="c")
    assert libtpu.charged(pd.concat([table, other], ignore_index=True)).tolist()[4:] == [100, 55]
    # Nothing wins: native it is.
    (won,) = libtpu.best(table[table["form"].isin(["native", "rows", "nzp"])]).to_dict("records")
    assert (won["form"], won["speedup"]) == ("native", 1)

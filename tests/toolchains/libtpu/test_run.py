"""Programs are compiled for TPUs and timed here; failures become reasons."""

import os
from dataclasses import replace

import numpy as np
import pytest

from splitdeconv.core.layer import Layer
from splitdeconv.toolchains import libtpu
from splitdeconv.toolchains.libtpu import hlo
from tests.toolchains.libtpu.subject import NATIVE, SMALL, SUBJECT
from tests.toolchains.needs import needs

pytestmark = pytest.mark.slow
needs_compiler, needs_jax = needs("jax", "libtpu"), needs("jax")


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
def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the TPU's driver puts its log
    cases = libtpu.cases([SUBJECT], generations=["v5e", libtpu.HERE], variants=NATIVE)
    found = [libtpu.measure([case], turns=1) for case in cases]
    assert [table["reason"][0] for table in found] == [None, None]
    assert not list(tmp_path.iterdir())


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
    whole = libtpu.cases(
        [libtpu.whole("dcgan")], generations=["v5e"], variants=[*NATIVE, ("rows", "concat")]
    )
    apart = libtpu.cases(chain, generations=["v5e"], variants=[*NATIVE, ("apart", "concat")])
    found = libtpu.measure([*whole, *apart])
    assert found["reason"].isna().all()
    network, rows, chain, apart = found["cycles"]
    # A network has more than its chain; rows and apart have another program than the native
    # operators.
    assert network > chain > 0
    assert len({network, rows, chain, apart}) == 4


@needs_compiler
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
def test_a_model_in_a_file_is_compiled(tmp_path):
    import keras

    x = keras.Input((6, 5, 3))
    keras.Model(x, keras.layers.Conv2DTranspose(4, 5, 2, "same")(x), name="mine").save(
        tmp_path / "mine.keras"
    )
    variants = [*NATIVE, ("rows", "concat"), ("nzp", "concat")]
    cases = libtpu.cases(
        [libtpu.whole(tmp_path / "mine.keras")], generations=["v5e"], variants=variants
    )
    found = libtpu.measure(cases).set_index("form")
    assert (found["network"] == "mine").all()
    assert found.loc["native", "cycles"] != found.loc["rows", "cycles"]
    assert "only available for built-in networks" in found.loc["nzp", "reason"]


@needs_compiler
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
def test_auto_is_what_the_target_chooses_for_the_batch(tmp_path):
    import keras

    # DCGAN's first: on v5e stacked up to batch 8, by depth_to_space, and left as it is beyond.
    x = keras.Input((8, 8, 256), dtype="bfloat16")
    layer = keras.layers.Conv2DTranspose(128, 5, 2, "same", use_bias=False, dtype="bfloat16")
    keras.Model(x, layer(x), name="mine").save(tmp_path / "mine.keras")
    variants = [*NATIVE, ("auto", "concat"), ("stacked", "concat"), ("stacked", "depth_to_space")]
    subject = [libtpu.whole(tmp_path / "mine.keras")]
    found = libtpu.measure(
        libtpu.cases(subject, generations=["v5e"], batches=[1, 16], variants=variants)
    )
    assert found["reason"].isna().all()
    native, auto, concat, depth, native16, auto16, *_ = found["cycles"]
    assert auto == depth < concat
    assert auto < native
    assert auto16 == native16


@needs_jax
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
@pytest.mark.parametrize("shapes", [[(8, 8, 3), (8, 8, 3)], [(None, 8, 3)]])
def test_inputs_may_be_several_but_not_of_unknown_size(tmp_path, shapes):
    import keras

    inputs = [keras.Input(shape) for shape in shapes]
    joined = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    keras.Model(inputs, keras.layers.Conv2DTranspose(4, 4, 2, "same")(joined)).save(
        tmp_path / "mine.keras"
    )
    subject = [libtpu.whole(tmp_path / "mine.keras")]
    cases = libtpu.cases(subject, generations=[libtpu.HERE], variants=[*NATIVE, ("rows", "concat")])
    found = libtpu.measure(cases, turns=3, budget=1)
    if len(shapes) > 1:
        assert found["reason"].isna().all()
        assert (found["seconds"] > 0).all()
    else:
        wanted = "the inputs of the model must have a fixed size: expected fixed sizes, "
        wanted += f"except for the batch, got inputs {shapes}"
        assert found["reason"].str.startswith(wanted).all()


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
@pytest.mark.parametrize("gone", [(), ("native",), ("rows",), ("native", "rows")])
def test_a_form_that_fails_on_the_device_costs_no_other(monkeypatch, gone):
    from splitdeconv.toolchains.libtpu import timing

    real = timing.load

    def failing(case, device):
        loaded = real(case, device)
        return replace(loaded, run=broken) if case["form"] in gone else loaded

    def broken():
        raise RuntimeError("device or resource\nbusy")

    monkeypatch.setattr(timing, "load", failing)
    variants = [("rows", "concat"), *NATIVE]
    cases = libtpu.cases(
        [SUBJECT], generations=[libtpu.HERE], dtypes=["float32"], variants=variants
    )
    found = dict(
        zip(
            ("rows", "native"),
            timing.time([{**c, "turns": 3, "budget": 1} for c in cases]),
            strict=True,
        )
    )
    for form, row in found.items():
        if form in gone:
            assert row == {"reason": "RuntimeError: device or resource busy"}
        else:
            assert row["seconds"] > 0
            assert np.isnan(row["difference"]) == ("native" in gone)
            # Over native, wherever that stands, or over nothing.
            assert (
                np.isnan(row["speedup"])
                if "native" in gone
                else (row["speedup"] == 1) is (form == "native")
            )


@needs_jax
def test_a_device_that_is_lost_on_the_way_is_a_reason(monkeypatch):
    from splitdeconv.toolchains.libtpu import child, timing

    calls, real = [], timing.load

    def lost(case, device):
        loaded = real(case, device)

        def run():
            calls.append(case["form"])
            if len(calls) > 4:  # each runs once alone and twice to warm up
                raise RuntimeError("the device is gone")
            return loaded.run()

        return replace(loaded, run=run)

    monkeypatch.setattr(timing, "load", lost)
    cases = libtpu.cases(
        [SUBJECT], generations=[libtpu.HERE], variants=[*NATIVE, ("rows", "concat")]
    )
    with pytest.raises(RuntimeError, match="the device is gone"):
        child.answer([{**case, "turns": 3, "budget": 1} for case in cases])


@needs_jax
@pytest.mark.parametrize(("form", "interleave"), libtpu.VARIANTS)
def test_what_is_compiled_computes_the_layer_with_its_filters_split_beforehand(
    form, interleave, rng
):
    import jax

    from splitdeconv.core.definition import conv_transpose
    from splitdeconv.toolchains.libtpu import programs as child

    (case,) = libtpu.cases(
        [SUBJECT],
        generations=["v2"],
        batches=[2],
        dtypes=["float32"],
        variants=[(form, interleave)],
    )
    function, weights, x = child.program(case)
    prepare, compute, shapes = child.folded(function, weights, x)
    w, values = (
        rng.standard_normal(weights.shape, "float32"),
        rng.standard_normal(x.shape, "float32"),
    )
    (y,) = compute(*prepare(w), values)
    wanted = conv_transpose(values, w, Layer.from_row(SMALL).plan("split"))
    # Sums of at most 27 float32 products of order one.
    np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-5)
    assert np.abs(compute(*prepare(w[::-1]), values)[0] - wanted).max() > 0.1
    program = jax.jit(compute).lower(*shapes).as_text()
    assert "gather" not in program
    # Zero insertion stays what it is: the compiler does not fold it into the native operator.
    dilated = "lhs_dilate" in jax.jit(compute).lower(*shapes).compile().as_text()
    assert dilated is (form == "native")

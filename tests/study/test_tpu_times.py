"""Times of whole networks: what is timed, kept, read back and set beside estimates."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from splitdeconv import SplitDeconvError
from splitdeconv.study import gains, measured, tpu_times
from splitdeconv.toolchains import libtpu
from tests.refusals import refused
from tests.toolchains.needs import needs

FORMS = [form for form, _ in tpu_times.METHODS]


def rows(network="sngan", generation="v5e", batch=1, speedups=(1, 0.5, 1.25, 1.6), **more):
    """A row for each method, as a table of times has them; invented."""
    common = {"network": network, "layer": gains.WHOLE, "generation": generation, "batch": batch}
    common |= {"dtype": "bfloat16", "interleave": "concat", "turns": 31, "allowed": 0.05}
    common |= {"difference": 0.01, "compiler": "jax 0", "reason": None, "device": "tpu TPU v5 lite"}
    common |= {"date": "2026-01-02", "versions": "{}"} | more
    return [
        {**common, "form": form, "seconds": 0.01 / gain, "speedup": gain}
        | {"low": gain * 0.9, "high": gain * 1.2}
        for form, gain in zip(FORMS, speedups, strict=True)
    ]


def estimates(network="sngan", batch=1, generation="v5e", **cycles):
    """Estimates of whole networks by form, as `tpu_gains.costs` has them; invented."""
    common = {"network": network, "layer": gains.WHOLE, "generation": generation, "batch": batch}
    return [
        {**common, "dtype": "bfloat16", "form": form, "charged": value}
        for form, value in cycles.items()
    ]


@pytest.fixture
def pretended(monkeypatch):
    """Measurements that are made up at once; the cases that were asked for."""
    asked = []

    def measure(cases, **limits):
        asked.append((list(cases), limits))
        found = [{name: case[name] for name in libtpu.KEY} for case in cases]
        numbers = {"seconds": 0.1, "speedup": 1.0, "low": 1.0, "high": 1.0, "turns": 3}
        numbers |= {"difference": 0.0, "allowed": 0.1, "device": "x", "compiler": "y"}
        return pd.DataFrame(found).assign(**numbers, reason=None)

    monkeypatch.setattr(libtpu, "available", lambda generation=None: None)
    monkeypatch.setattr(libtpu, "measure", measure)
    return asked


def test_all_networks_are_timed_in_every_method_by_the_rules_of_the_generation(pretended, tmp_path):
    file = tmp_path / "new" / "tpu_results.csv"
    table = tpu_times.time_networks(device="tpu TPU v6 lite", turns=7, keep=file)
    assert len(pretended) == 9 * 2
    for cases, limits in pretended:
        assert [case["form"] for case in cases] == ["native", "nzp", "split", "auto"]
        assert {(case["target"], case["generation"]) for case in cases} == {("tpu_v6e", "here")}
        assert (limits["turns"], limits["timeout"]) == (7, 900)
    assert len(table) == 9 * 2 * 4
    assert set(table["batch"]) == {1, 64}
    assert set(table["generation"]) == {"v6e"}
    assert list(table.columns) == list(tpu_times.COLUMNS)
    assert list(pd.read_csv(file)["network"]) == list(table["network"])


def test_what_was_timed_is_kept_when_a_later_network_ends_it(pretended, monkeypatch, tmp_path):
    real = libtpu.measure

    def ending(cases, **limits):
        if cases[0]["network"] == "mde":
            raise KeyboardInterrupt
        return real(cases, **limits)

    monkeypatch.setattr(libtpu, "measure", ending)
    with pytest.raises(KeyboardInterrupt):
        tpu_times.time_networks(
            ["fst", "mde"], batches=[2], device="cpu cpu", keep=tmp_path / "tpu_results.csv"
        )
    kept = measured.read("tpu_results", tmp_path)
    assert list(kept["network"]) == ["fst"] * 4
    assert list(kept["generation"]) == ["here"] * 4  # a CPU is of no generation


def test_times_that_were_compared_with_nothing_are_left_out(pretended, monkeypatch):
    real = libtpu.measure

    def without_native(cases, **limits):
        table = real(cases, **limits)
        table.loc[table["form"] == "native", ["reason", "difference"]] = "out of memory", np.nan
        return table.assign(difference=np.nan)

    monkeypatch.setattr(libtpu, "measure", without_native)
    table = tpu_times.time_networks(["dcgan"], batches=[1], device="tpu TPU v4").set_index("form")
    assert table["seconds"].drop("native").isna().all()
    assert table.loc["native", "reason"] == "out of memory"
    assert "no values to compare with" in table.loc["split", "reason"]


def test_unknown_networks_and_machines_without_jax_are_refused(monkeypatch):
    with refused("unknown network"):
        tpu_times.time_networks(["resnet"])
    monkeypatch.setattr(libtpu, "available", lambda generation=None: "jax not installed")
    with refused("nothing can be timed here"):
        tpu_times.time_networks(["dcgan"])


@needs("jax")
@pytest.mark.slow
def test_a_small_network_is_timed_on_the_cpu(tmp_path):
    file = tmp_path / "tpu_results.csv"
    table = tpu_times.time_networks(["sngan"], batches=[1], dtype="float32", turns=3, keep=file)
    assert table["reason"].isna().all()
    assert (table["seconds"] > 0).all()
    found = table.set_index("form")
    assert found.loc["native", "speedup"] == 1
    assert found["difference"].between(0, 1e-4).all()
    assert found.loc["nzp", "difference"] > 0  # sums in another order, in other programs
    assert found["device"].eq("cpu cpu").all()
    pd.testing.assert_series_equal(
        pd.read_csv(file)["seconds"], table["seconds"], rtol=1e-5, check_index=False
    )


def test_a_recorded_table_is_read_as_it_was_written(tmp_path):
    assert tpu_times.recorded(tmp_path).empty
    table = pd.DataFrame([*rows(), *rows("fst", batch=64)])
    measured.write("tpu_results", table, tmp_path)
    found = tpu_times.recorded(tmp_path)
    assert list(found["form"]) == FORMS * 2
    np.testing.assert_allclose(found["speedup"], table["speedup"])


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda table: table.drop(columns=["difference", "low"]), "a table of times lacks columns"),
        (lambda table: table.assign(generation="here"), "unknown generation"),
        (lambda table: table.assign(network="mine"), "unknown network"),
        (lambda table: table.assign(form="rows"), "unknown form"),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, spoil, problem):
    measured.write("tpu_results", spoil(pd.DataFrame(rows())), tmp_path)
    with pytest.raises(SplitDeconvError) as error:
        tpu_times.recorded(tmp_path)
    assert problem in str(error.value)
    assert error.value.where == "tpu_results.csv"


def test_times_stand_beside_the_estimates_of_the_same_network_and_batch():
    lost = pd.DataFrame(rows("mde", reason="out of memory")).assign(speedup=np.nan)
    timed = pd.concat(
        [pd.DataFrame(rows()), pd.DataFrame(rows("fst", batch=64, speedups=(1, 2, 3, 4))), lost]
    )
    table = estimates(native=300, split=200, auto=100) + estimates("fst", native=70, auto=35)
    found = tpu_times.beside_estimates(timed, pd.DataFrame(table))
    assert list(found["form"]) == ["nzp", "split", "auto"] * 2
    assert list(found["title"]) == ["SNGAN"] * 3 + ["FST"] * 3
    assert list(found["configuration"]) == ["v5e, batch 1"] * 3 + ["v5e, batch 64"] * 3
    np.testing.assert_allclose(found["estimated"], [np.nan, 1.5, 3] + [np.nan] * 3)
    np.testing.assert_allclose(found["speedup"], [0.5, 1.25, 1.6, 2, 3, 4])
    assert tpu_times.verdict(found) == (
        "Timed, what the rules choose is 1.60 times (v5e, batch 1, 1 network) and 4.00 times "
        "(v5e, batch 64, 1 network) as fast as native"
    )


def test_real_estimates_have_the_rows_that_times_are_set_beside():
    from splitdeconv.study import tpu_gains

    recorded = measured.read("libtpu").query("layer == @gains.WHOLE")
    found = tpu_times.beside_estimates(
        pd.DataFrame(rows("dcgan")), tpu_gains.costs(recorded)
    ).set_index("form")
    cycles = recorded.query(
        "network == 'dcgan' and generation == 'v5e' and batch == 1 and dtype == 'bfloat16'"
    ).set_index("form")["cycles"]
    assert found.loc["auto", "estimated"] == pytest.approx(
        cycles["native"] / cycles["auto"], rel=0.5
    )


def test_no_times_are_set_beside_nothing():
    empty = tpu_times.beside_estimates(
        pd.DataFrame(columns=list(tpu_times.COLUMNS)), pd.DataFrame(estimates(native=3, auto=2))
    )
    assert empty.empty


def test_colab_offers_the_file_and_nothing_else_does(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    tpu_times.offer(tmp_path / "a.csv")
    given = []
    files = SimpleNamespace(download=given.append)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(files=files))
    tpu_times.offer(tmp_path / "a.csv")
    assert given == [str(tmp_path / "a.csv")]


def test_the_file_lies_beside_the_users_figures(monkeypatch, tmp_path):
    monkeypatch.setenv("SPLITDECONV_FIGURES", str(tmp_path))
    monkeypatch.delenv("SPLITDECONV_RUN", raising=False)
    assert tpu_times.place() == tmp_path / "tpu_results.csv"
    run = '{"figures": ["13_means"], "others": "/own"}'
    monkeypatch.setenv("SPLITDECONV_RUN", run)
    assert str(tpu_times.place()) == "/own/tpu_results.csv"

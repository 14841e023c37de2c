"""The survey finds the operator exact, and finds out an operator that is not."""

import jax
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.study import exactness


@pytest.mark.slow
@pytest.mark.parametrize(("library", "count"), [("tensorflow", 25), ("numpy", 150), ("jax", 3)])
def test_every_form_is_exact_and_the_control_is_not(library, count):
    double = jax.config.jax_enable_x64
    survey = exactness.survey(count, seed=1, library=library)
    assert jax.config.jax_enable_x64 == double
    assert len(survey) == count * len(exactness.COMPUTED_FORMS)
    assert (survey["ratio"] <= 1).all()
    assert (survey["control"].dropna() > 1e6).all()
    assert survey["control"].notna().mean() > 0.8
    assert np.isfinite(survey[["error", "bound", "ratio"]].to_numpy()).all()


def test_an_operator_off_by_one_is_found_out(monkeypatch):
    right = exactness.apply
    monkeypatch.setattr(
        exactness, "apply", lambda plan, x, w: np.roll(right(plan, x, w), 1, axis=1)
    )
    survey = exactness.survey(40, library="numpy", forms=("split",))
    assert (survey["ratio"] > 1e6).mean() > 0.8


def test_the_same_seed_gives_the_same_geometries():
    draws = [
        [exactness.random_geometry(rng) for _ in range(20)]
        for rng in map(np.random.default_rng, (5, 5, 6))
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(("default", "taken"), [("jax", "numpy"), ("tensorflow", "tensorflow")])
def test_numpy_computes_where_tensorflow_is_missing(monkeypatch, default, taken):
    monkeypatch.setattr(exactness, "default_library", lambda: default)
    seen = []
    real = exactness._arrays_of
    monkeypatch.setattr(
        exactness, "_arrays_of", lambda library: seen.append(library) or real(library)
    )
    assert (exactness.survey(2, seed=4)["ratio"] <= 1).all()
    assert seen == [taken]


def test_an_unknown_library_is_refused():
    with pytest.raises(sd.SplitDeconvError, match="unknown array library"):
        exactness.survey(1, library="fortran")

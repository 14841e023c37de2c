"""A model file of one's own is timed like a network: layers alone, and as a whole."""

import keras
import numpy as np
import pytest

import splitdeconv as sd
from splitdeconv.networks.counts import operation_counts
from splitdeconv.study import networks as measure, own_models
from splitdeconv.toolchains.models import tflite as litert

# Keras' own, when it saves weights.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FORMS = ("native", "nzp", "split", "auto")


def model(size=6):
    """Two transposed convolutions of different geometries, with a convolution behind them."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((size, size, 5)),
        keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", name="up"),
        keras.layers.Conv2DTranspose(3, 4, strides=3, padding="valid", name="more"),
        keras.layers.Conv2D(2, 3, name="last"),
    ]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, own = tmp_path_factory.mktemp("models"), model()
    own.save(folder / "own.keras")
    (folder / "own.tflite").write_bytes(litert.export(own))
    return {kind: str(folder / f"own.{kind}") for kind in ("keras", "tflite")}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["keras", "tflite"])
def test_layers_and_the_whole_are_timed_and_compared(files, kind):
    layers = measure.time_layers(files[kind], forms=FORMS, turns=3, budget=0.1)
    assert layers["form"].tolist() == [*FORMS, *FORMS]
    assert (layers["ratio"] <= 1).all()
    assert (layers["error"] > 0).any()
    whole = measure.time_network(files[kind], forms=FORMS, turns=3, budget=0.1).set_index("form")
    assert list(whole.index) == list(FORMS)
    assert "split, rows, stacked" in whole.loc["nzp", "skipped"]
    assert np.isnan(whole.loc["nzp", "seconds"])
    run = whole.drop(index="nzp")
    assert run["skipped"].isna().all()
    assert (run["seconds"] > 0).all()
    assert (run["error"] <= run["allowed"]).all()
    # The verification's own numbers: rounding, which is more than nothing.
    assert 0 < run.loc["split", "error"] < 1e-4
    assert run.loc["native", "error"] == 0


@pytest.mark.parametrize("kind", ["keras", "tflite"])
def test_operations_are_those_of_the_layers(files, kind):
    table = sd.dlp.workload(files[kind])
    counts = operation_counts(table)
    up, more, last = counts.itertuples()
    # Inputs times taps times channels; zero insertion multiplies at every output.
    assert (up.useful, up.nzp) == (6 * 6 * 25 * 5 * 4, 12 * 12 * 25 * 5 * 4)
    assert (more.useful, more.nzp) == (12 * 12 * 16 * 4 * 3, 37 * 37 * 16 * 4 * 3)
    assert last.useful == last.nzp == 35 * 35 * 9 * 3 * 2


def test_the_library_is_that_of_the_format(files):
    assert measure.library(files["tflite"]) == "LiteRT"
    assert measure.library(files["keras"]) == measure.library() == measure.library("dcgan")
    assert own_models.runtime("own.onnx") == "ONNX Runtime"


def test_a_keras_model_of_open_sizes_is_refused(tmp_path):
    model(size=None).save(tmp_path / "open.keras")
    with pytest.raises(sd.SplitDeconvError, match="open sizes cannot be timed"):
        own_models.time_conversions(tmp_path / "open.keras", {}, turns=3)

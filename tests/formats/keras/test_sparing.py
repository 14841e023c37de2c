"""Large weights of .keras files are held few times, and are the same as Keras itself loads."""

import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

from splitdeconv.formats.keras import file as keras_file, sparing
from splitdeconv.formats.keras.copy import copy_of
from splitdeconv.formats.keras.model import write

layers = keras.layers
# Keras warns of deprecated NumPy calls of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(sparing, "LARGE", 64)


def filled(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype.startswith(("float", "bfloat")):
            variable.assign(rng.standard_normal(variable.shape) - 0.3)
    return model


def network(seed=0, **options):
    """Two equal shapes, types of several widths, an optimizer in the middle of its work."""
    made = keras.Sequential(
        [
            keras.Input((5, 4, 3)),
            layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="a", **options),
            layers.BatchNormalization(name="norm", **options),
            layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="b", **options),
        ]
    )
    made.compile(keras.optimizers.AdamW(use_ema=True), "mse")
    made.optimizer.build(made.trainable_variables)
    return filled(filled(made, seed), seed)


def everything(model):
    numbers = keras.ops.convert_to_numpy
    return [numbers(v) for v in [*model.variables, *model.optimizer.variables]]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def holds(variable):
    """The address of the values."""
    return sparing.view(variable).ctypes.data


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "mixed_bfloat16", "float64"])
def test_values_are_those_that_keras_itself_saves_and_loads(tmp_path, dtype):
    model = network(dtype=dtype)
    write(model, tmp_path / "a.keras")
    expected = everything(model)
    loaded = keras_file.load(tmp_path / "a.keras")
    assert_same(expected, everything(keras.saving.load_model(tmp_path / "a.keras")))
    assert_same(expected, everything(loaded))
    trainable = [[v.trainable for v in each.variables] for each in (model, loaded)]
    assert trainable[0] == trainable[1]
    x = np.random.default_rng(1).standard_normal((4, 5, 4, 3))
    np.testing.assert_array_equal(*(np.asarray(m(x), "f4") for m in (model, loaded)))


def test_a_loaded_model_is_trained_as_any_other(tmp_path):
    write(network(), tmp_path / "a.keras")
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((8, 5, 4, 3)), rng.standard_normal((8, 20, 16, 3))
    models = keras_file.load(tmp_path / "a.keras"), keras.saving.load_model(tmp_path / "a.keras")
    losses = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] for m in models]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    assert losses[0][0] != losses[0][1]


def test_equal_weights_of_two_models_are_held_once_and_others_are_not_mixed_up(tmp_path):
    write(network(), tmp_path / "a.keras")
    other = network()
    layer = other.get_layer("b")
    kernel = layer.get_weights()[0]
    kernel[-1, -1, -1, -1] = np.nextafter(kernel[-1, -1, -1, -1], np.float32(9))
    layer.kernel.assign(kernel)
    write(other, tmp_path / "b.keras")
    ours = keras_file.load(tmp_path / "a.keras")
    theirs = keras_file.load(tmp_path / "b.keras", like=ours)
    assert_same(everything(other), everything(theirs))
    kernels = [[model.get_layer(n).kernel for model in (ours, theirs)] for n in "ab"]
    assert [holds(a) == holds(b) for a, b in kernels] == [True, False]
    before = everything(ours)
    theirs.get_layer("a").kernel.assign_add(keras.ops.ones((4, 4, 3, 3)))
    assert_same(before, everything(ours))


def test_nan_and_negative_zero_are_told_apart_by_their_bits(tmp_path):
    model = network()
    for name, value in (("a", np.nan), ("b", 0.0)):
        model.get_layer(name).kernel.assign(np.full((4, 4, 3, 3), value))
    write(model, tmp_path / "a.keras")
    ours = keras_file.load(tmp_path / "a.keras")
    model.get_layer("b").kernel.assign(np.full((4, 4, 3, 3), -0.0))
    write(model, tmp_path / "b.keras")
    theirs = keras_file.load(tmp_path / "b.keras", like=ours)
    kernels = [[m.get_layer(n).kernel for m in (ours, theirs)] for n in "ab"]
    assert [holds(a) == holds(b) for a, b in kernels] == [True, False]
    assert np.signbit(sparing.view(kernels[1][1])).all()


def test_a_copy_that_replaces_its_model_shares_its_weights():
    model = network()
    inputs = keras.Input(batch_shape=(2, 6, 4, 3))
    for sharing in (True, False):
        copy = copy_of(model, inputs, sharing)
        assert_same(
            [sparing.view(v) for v in model.variables], [sparing.view(v) for v in copy.variables]
        )
        assert copy.input_shape == (2, 6, 4, 3)


def test_variables_that_the_file_lacks_get_their_initial_values():
    with sparing.reading() as state:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(30, bias_initializer="ones")])
        model.layers[0].kernel.assign(np.full((4, 30), 3.0, "f4"))
        state.finish()
    kernel, bias = model.get_weights()
    assert (kernel == 3).all()
    assert (bias == 1).all()


class Eager(layers.Dense):
    """A layer that reads its kernel while it is built."""

    def build(self, shape):
        super().build(shape)
        self.mean = float(keras.ops.mean(self.kernel))


def test_a_layer_that_reads_its_weights_while_it_is_built_is_loaded_nevertheless(tmp_path):
    model = filled(keras.Sequential([keras.Input((4,)), Eager(30), layers.Dense(3)]))
    write(model, tmp_path / "a.keras")
    with keras.saving.custom_object_scope({"Eager": Eager}):
        loaded = keras_file.load(tmp_path / "a.keras")
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_threads_and_later_code_are_not_affected():
    cls, names = keras.Variable, ("_initialize_with_initializer", "assign", "__array__")
    before = [getattr(cls, name) for name in names], [name in vars(cls) for name in names]
    made = []

    def make():
        made.append(keras.Variable("ones", (30,)))

    with sparing.reading():
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        make()
    with pytest.raises(KeyError), sparing.writing():
        raise KeyError
    assert (np.asarray(made[0]) == 1).all()
    assert not made[1].value.is_initialized()
    assert before == ([getattr(cls, name) for name in names], [n in vars(cls) for n in names])


SCRIPT = """
import sys, threading, time
from pathlib import Path
import splitdeconv as sd

peaks = {}

def children(of):
    for tasks in Path(f"/proc/{of}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            yield child
            yield from children(child)

def watch():
    while True:
        try:
            for child in children("self"):
                status = Path(f"/proc/{child}/status").read_text().splitlines()
                # The highest of its own; a process inherits ru_maxrss from its parent.
                for line in status:
                    if line.startswith("VmHWM"):
                        peaks[child] = int(line.split()[1])
        except OSError:
            pass
        time.sleep(0.05)

threading.Thread(target=watch, daemon=True).start()
report = sd.convert(sys.argv[1]).report
assert report.verification.passed and report.verification.method == "model"
print(report.converted, max(peaks.values()))
"""

MILLION = 10**6


def one_tensor():
    return [keras.Input((1, 1, 3000)), layers.Conv2DTranspose(2500, 4, strides=2, padding="same")]


def several():
    up = [layers.Conv2DTranspose(1369, 4, strides=2, padding="same") for _ in range(4)]
    return [keras.Input((1, 1, 1369)), *up]


def another_layer():
    up = layers.Conv2DTranspose(7, 4, strides=2, padding="same")
    return [keras.Input((100,)), layers.Dense(1_200_000), layers.Reshape((8, 10, 15_000)), up]


@pytest.mark.slow
@pytest.mark.parametrize("parts", [one_tensor, several, another_layer])
def test_files_below_500_megabytes_take_less_than_2_gibibytes(tmp_path, parts):
    model = keras.Sequential(parts())
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.standard_normal(variable.shape, "f4") / 30)
    write(model, tmp_path / "a.keras")
    assert 479 * MILLION < (tmp_path / "a.keras").stat().st_size < 500 * MILLION
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "a.keras")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    converted, peak = map(int, done.stdout.split())
    assert converted == sum(isinstance(x, layers.Conv2DTranspose) for x in model.layers)
    assert 800 << 10 < peak < 2 << 20  # KiB

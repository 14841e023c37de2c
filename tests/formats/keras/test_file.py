"""A .keras file is data: it calls only parts of models, and reads no other file."""

import io
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.saving import saving_lib

import splitdeconv as sd
from splitdeconv.formats.keras import file as keras_file
from splitdeconv.formats.keras.model import KerasModel, to_bytes
from tests.formats.keras.files import added, function, member, replaced, small, with_lambda
from tests.formats.keras.models import sequential
from tests.refusals import refused

ROOT = Path(__file__).resolve().parents[3]
SECRET = b"TOP-SECRET-LINE\n" * 40
layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own calls of NumPy


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.applications.vgg16", "VGG16"),
        ("keras.applications", "ResNet50"),
        ("keras", "applications.vgg16.VGG16"),
        ("keras.datasets.imdb", "load_data"),
        ("keras.utils", "get_file"),
        ("keras.utils", "plot_model"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.saving", "load_model"),
        ("keras.models", "load_model"),
        ("keras.src.models.cloning", "clone_model"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("keras", "device"),
    ],
)
@pytest.mark.parametrize("place", ["function", "output_shape", "mask"])
def test_a_function_that_is_not_a_part_of_a_model_is_not_called(monkeypatch, module, name, place):
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras was asked"))
    for reference in (function(module, name), {"module": module, "class_name": name, "config": {}}):
        with refused("Keras cannot load the model") as caught:
            KerasModel.parse(with_lambda(**{place: reference}))
        assert caught.value.got == f"{module}.{name}, which is not a part of a model"


@pytest.mark.parametrize(
    "name", ["/config.json", "../config.json", "./config.json", "a/../config.json"]
)
def test_the_configuration_that_is_checked_is_the_one_that_is_loaded(name):
    """An archive can hold several members that unpack to one file."""
    other = member(
        with_lambda(function=function("keras.applications.vgg16", "VGG16")), "config.json"
    )
    parsed = KerasModel.parse(added(small(), {name: other}))
    assert ("Lambda", 1) not in parsed.operators()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_last_of_two_configurations_is_checked():
    other = member(
        with_lambda(function=function("keras.applications.vgg16", "VGG16")), "config.json"
    )
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(added(small(), {"config.json": other}))
    assert "VGG16, which is not a part of a model" in caught.value.got


def test_a_class_is_not_called_as_a_function():
    """Its constructor would read a file while the model runs, where Keras' safe mode is over."""
    data = with_lambda(
        function=function("keras.layers", "StringLookup"),
        arguments={"vocabulary": "/etc/passwd"},
        output_shape=[6, 6, 4],
    )
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(data)
    assert caught.value.got == "keras.layers.StringLookup, which is not a part of a model"


@pytest.mark.parametrize("folder", ["", "assets/"])
def test_folders_of_many_levels_are_refused_or_passed_over(tmp_path, monkeypatch, folder):
    """Python cannot remove what is nested a thousand levels deep."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deep = added(small(), {f"{folder}{'a/' * levels}x": b"" for levels in range(200, 1900, 200)})
    if folder:
        with refused("Keras cannot load the model") as caught:
            KerasModel.parse(deep)
        assert caught.value.got == "9 assets, in folders nested up to 1,801 levels"
    else:
        assert KerasModel.parse(deep).sites()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"), [("config.json", "config.json"), ("model.weights.h5", "no weights")]
)
def test_what_an_archive_lacks_is_said(name, reason):
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small())) as source, zipfile.ZipFile(target, "w") as archive:
        for other in set(source.namelist()) - {name}:
            archive.writestr(other, source.read(other))
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(target.getvalue())
    assert reason in caught.value.got


def test_a_long_configuration_is_refused(monkeypatch):
    """Lists without contents take many times their text."""
    data = small()
    long = member(data, "config.json")[:-1] + b', "more": [' + b"[]," * 1000 + b"[]]}"
    assert KerasModel.parse(replaced(data, config=long)).sites()
    monkeypatch.setattr(keras_file, "_LONGEST", len(long) - 1)
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(replaced(data, config=long))
    assert caught.value.got == f"a configuration of {len(long):,} bytes"


def test_many_assets_are_refused(monkeypatch):
    monkeypatch.setattr(keras_file, "_MOST_ASSETS", 2)
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(added(small(), {f"assets/{i}": b"" for i in range(3)}))
    assert caught.value.got.startswith("3 assets")


def test_assets_are_read_without_the_members_that_say_nothing():
    x, words = keras.Input((4, 4, 3)), keras.Input((), dtype="string")
    lookup = layers.StringLookup()
    lookup.adapt(["b", "a", "a"])
    data = to_bytes(keras.Model([x, words], [layers.Conv2DTranspose(2, 3)(x), lookup(words)]))
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in set(source.namelist()) - {"metadata.json"}:
            archive.writestr(name, source.read(name))
    for file in (data, target.getvalue()):
        (lookup,) = (
            x
            for x in KerasModel.parse(file).serialize().layers
            if isinstance(x, layers.StringLookup)
        )
        assert lookup.get_vocabulary() == ["[UNK]", "a", "b"]


def test_functions_of_other_packages_are_not_found():
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(with_lambda(function=function("os", "system")))
    assert "system" in caught.value.got


def test_every_part_of_a_model_is_accepted():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2DTranspose(
        4,
        3,
        kernel_initializer=keras.initializers.HeNormal(seed=1),
        kernel_regularizer=keras.regularizers.L2(1e-3),
        kernel_constraint=keras.constraints.MaxNorm(2.0),
        dtype=keras.DTypePolicy("mixed_bfloat16"),
    )(x)
    y = layers.Activation(keras.activations.gelu)(keras.ops.sin(layers.BatchNormalization()(y)) + 1)
    y = layers.Lambda(keras.ops.relu, output_shape=(10, 10, 6))(
        keras.ops.concatenate([y, y[..., :2]], -1)
    )
    model = keras.Model(x, layers.Bidirectional(layers.LSTM(2))(layers.Reshape((10, 60))(y)))
    rate = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    model.compile(
        keras.optimizers.Adam(rate),
        loss=keras.losses.mean_squared_error,
        metrics=[keras.metrics.MeanIoU(2)],
    )
    parsed = KerasModel.parse(to_bytes(model))
    assert [site.operator for site in parsed.sites()] == ["Conv2DTranspose"]


def filters_elsewhere(kind, folder):
    """A file whose filters lie in another one, and the bytes there."""
    data = small()
    file = io.BytesIO(member(data, "model.weights.h5"))
    (folder / "secret").write_bytes(SECRET)
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.frombuffer(SECRET[: 4 * 108], "f4").reshape(3, 3, 4, 3)
    with h5py.File(file, "r+") as weights:
        names = []
        weights.visititems(
            lambda name, item: names.append(name) if getattr(item, "size", 0) == 108 else None
        )
        (name,) = names
        shape, dtype = weights[name].shape, weights[name].dtype
        del weights[name]
        if kind == "external":
            weights.create_dataset(
                name, shape, dtype, external=[(str(folder / "secret"), 0, 4 * 108)]
            )
        elif kind == "link":
            weights[name] = h5py.ExternalLink(str(folder / "other.h5"), "x")
        else:
            layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
            layout[...] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape=shape)
            weights.create_virtual_dataset(name, layout)
    return replaced(data, weights=file.getvalue())


@pytest.mark.parametrize("kind", ["external", "link", "virtual"])
# Where memory is short, Keras unpacks the weights to a folder.
@pytest.mark.parametrize("memory", [True, False])
def test_weights_outside_the_file_are_not_read(tmp_path, monkeypatch, kind, memory):
    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda _: memory)
    with refused("Keras cannot load the model"):
        KerasModel.parse(filters_elsewhere(kind, tmp_path))


def test_a_vocabulary_outside_the_file_is_not_read(tmp_path):
    (tmp_path / "secret").write_bytes(b"first\nsecond\n")
    x, words = keras.Input((4, 4, 3)), keras.Input((), dtype="string")
    indices = layers.StringLookup(vocabulary=["a"])(words)
    data = to_bytes(keras.Model([x, words], [layers.Conv2DTranspose(2, 3)(x), indices]))
    config = (
        member(data, "config.json")
        .decode()
        .replace('"vocabulary": ["a"]', f'"vocabulary": "{tmp_path}/secret"')
    )
    assert str(tmp_path) in config
    with refused("Keras cannot load the model") as caught:
        KerasModel.parse(replaced(data, config=config))
    assert "Vocabulary file" in caught.value.got


@pytest.mark.parametrize("version", ["3.14.0", "3.9.2", "3.10.0.dev20250101"])
def test_a_version_that_does_not_load_safely_opens_no_file(monkeypatch, version):
    model = sequential()
    data = to_bytes(model)
    monkeypatch.setattr(keras, "__version__", version)
    monkeypatch.setattr(
        keras.saving, "load_model", lambda *_, **__: pytest.fail("the file was loaded")
    )
    with refused("this version of Keras is unsafe") as caught:
        KerasModel.parse(data)
    assert caught.value.expected == "Keras 3.14.1 or later"
    assert caught.value.got == f"Keras {version}"
    assert "keras.saving.load_model" in caught.value.fix
    assert KerasModel.parse(model).sites()  # in memory there is nothing to load


@pytest.mark.parametrize("version", ["3.14.1", "3.15.0.dev20260101", "4.0"])
def test_later_versions_are_accepted(monkeypatch, version):
    monkeypatch.setattr(keras, "__version__", version)
    assert KerasModel.parse(to_bytes(sequential())).sites()


def test_every_declared_floor_of_keras_is_the_one_that_is_checked():
    floor = ".".join(map(str, keras_file.OLDEST))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert f"keras>={floor}" in extras["tensorflow"]
    for path, spelled in {
        "environment.yml": f"- keras >={floor}",
        "requirements.in": f"keras>={floor}",
        "tests/lowest.txt": f"keras=={floor}",
    }.items():
        text = (ROOT / path).read_text()
        assert re.search(rf"^ *{re.escape(spelled)}\b", text, re.MULTILINE), path


@pytest.mark.slow
def test_a_converted_file_loads_in_a_process_that_has_not_imported_the_twins(tmp_path):
    converted = sd.convert(sequential(), verify=False)
    path = converted.save(tmp_path / "converted.keras")
    script = (
        "import sys; from pathlib import Path; from splitdeconv.formats.keras.file import load; "
        "print(*(type(one).__module__ for one in load(Path(sys.argv[1]).read_bytes()).layers))"
    )
    command = [sys.executable, "-c", script, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "splitdeconv.layers" in done.stdout.split()

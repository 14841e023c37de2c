"""Keras files by number: Sequential, functional, nested, shared, wrapped models."""

import io
import re
import zipfile

import keras
import numpy as np

from benchmarks.fuzz.case import Case, chance, draw_options, generator, pick, whole
from benchmarks.fuzz.edges import edge_array
from benchmarks.fuzz.keras_damage import damage
from splitdeconv.formats.keras.model import to_bytes

layers = keras.layers


def draw(number):
    """The `number`-th file: four in ten sound, the others injured."""
    case = sound(number)
    rng = generator("keras", number, 1)
    return case if chance(rng, 0.4) else damage(case, rng)


def sound(number):
    """The sound file that the `number`-th is, or was before it was injured."""
    rng = generator("keras", number)
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(number)  # of the state that layers with noise are saved with
    told = []
    rank = pick(rng, (1, 2, 2, 2, 3))
    sizes = tuple(whole(rng, 2, 5) for _ in range(rank))
    first = chance(rng, 0.08)  # TensorFlow's CPU kernels mostly refuse channels first
    keras.config.set_image_data_format("channels_first" if first else "channels_last")
    told += ["channels_first"] * first
    keras.config.set_dtype_policy(
        pick(rng, ("float32",) * 12 + ("mixed_float16", "float64", "float16"))
    )
    told += [keras.config.dtype_policy().name]
    try:
        build = pick(rng, (_sequential, _sequential, _functional, _functional, _wrapped, _nested))
        told.append(build.__name__[1:])
        model = build(rng, sizes, told)
        _fill(model, rng, told)
        if chance(rng, 0.15):
            told.append("compiled")
            model.compile(optimizer=pick(rng, ("adam", "sgd")), loss="mse")
        data = _renumbered(to_bytes(model))
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")
    return Case("keras", data, f"{rank}-D {', '.join(told)}", {}, (), draw_options(rng))


def _renumbered(data):
    """The file with shared objects counted, where Keras names them by their places in memory."""
    target, numbers = io.BytesIO(), {}
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as archive:
        for entry in source.namelist():
            content = source.read(entry)
            if entry == "config.json":
                content = re.sub(
                    rb'(?<="shared_object_id": )[0-9]+',
                    lambda match: b"%d" % numbers.setdefault(match[0], len(numbers)),
                    content,
                )
            archive.writestr(zipfile.ZipInfo(entry), content)
    return target.getvalue()


def _up(rng, rank, told):
    """A transposed convolution of any geometry."""
    kernel = tuple(whole(rng, 1, 4) for _ in range(rank))
    strides = tuple(whole(rng, 1, 3) for _ in range(rank))
    options = {"padding": pick(rng, ("same", "valid")), "use_bias": chance(rng, 0.7)}
    options["activation"] = pick(rng, (None, None, "relu", "tanh", "sigmoid", "leaky_relu"))
    if chance(rng, 0.2):
        extra = tuple(whole(rng, 0, s - 1) for s in strides)
        options["output_padding"] = extra
        told.append("output_padding")
    if chance(rng, 0.15):
        strides = (1,) * rank
        options["dilation_rate"] = tuple(whole(rng, 1, 2) for _ in range(rank))
        options.pop("output_padding", None)
        told.append("dilation")
    if chance(rng, 0.1):
        options["kernel_regularizer"] = pick(rng, ("l2", "l1"))
        options["kernel_constraint"] = pick(rng, (None, "max_norm", "non_neg"))
    if chance(rng, 0.1):
        options["trainable"] = False
    return getattr(layers, f"Conv{rank}DTranspose")(whole(rng, 1, 4), kernel, strides, **options)


def _other(rng, rank):
    """Any other layer that keeps channels."""
    channels = 1 if keras.config.image_data_format() == "channels_first" else -1
    kinds = [
        lambda: layers.Activation(pick(rng, ("relu", "gelu", "swish"))),
        lambda: layers.BatchNormalization(axis=channels),
        lambda: layers.Dropout(0.3),
        lambda: layers.ReLU(max_value=6.0),
        lambda: layers.LayerNormalization(axis=channels),  # the only size that is always known
        lambda: getattr(layers, f"Conv{rank}D")(whole(rng, 1, 4), 3, padding="same"),
        lambda: layers.GaussianNoise(0.1),
        lambda: getattr(layers, f"ZeroPadding{rank}D")(1),
        lambda: getattr(layers, f"UpSampling{rank}D")(2),
    ]
    return pick(rng, kinds)()


def _input(rng, sizes, told):
    """An input, open in parts."""
    shape = [*sizes, whole(rng, 1, 4)]
    if chance(rng, 0.25):
        shape[:-1] = [None if chance(rng, 0.8) else n for n in sizes]
        told.append("open sizes")
    if keras.config.image_data_format() == "channels_first":
        shape = [shape[-1], *shape[:-1]]
    batch = pick(rng, (None, None, None, 1, 2))
    return keras.Input(batch_shape=(batch, *shape))


def _stack(rng, x, rank, told):
    """Layers one behind the other, of which one at least is a transposed convolution."""
    for _ in range(pick(rng, (1, 1, 2))):
        if chance(rng, 0.4):
            x = _other(rng, rank)(x)
        x = _up(rng, rank, told)(x)
    return _other(rng, rank)(x) if chance(rng, 0.4) else x


def _sequential(rng, sizes, told):
    rank, inputs = len(sizes), _input(rng, sizes, told)
    parts = [keras.Input(batch_shape=inputs.shape)]
    for _ in range(pick(rng, (1, 1, 2))):
        parts += [_other(rng, rank)] if chance(rng, 0.4) else []
        parts.append(_up(rng, rank, told))
    return keras.Sequential(parts)


def _functional(rng, sizes, told):
    """Branches that meet, layers called twice, several inputs and outputs."""
    rank, x = len(sizes), _input(rng, sizes, told)
    how = pick(rng, ("shared", "two outputs", "sum", "plain"))
    told.append(how)
    y = _stack(rng, x, rank, told)
    if how == "shared":
        up, other = _up(rng, rank, told), keras.Input(batch_shape=x.shape)
        merged = pick(rng, (layers.Add, layers.Maximum, layers.Concatenate))()
        return keras.Model([x, other], merged([up(x), up(other)]))
    if how == "two outputs":
        z = _stack(rng, x, rank, told)
        return keras.Model(x, pick(rng, ({"a": y, "b": z}, [y, z], (y, {"c": z}))))
    if how == "sum":
        return keras.Model(x, layers.Add()([y, layers.Identity()(y)]))
    return keras.Model(x, y)


def _wrapped(rng, sizes, told):
    """Once for each of some frames; TimeDistributed has no layers for three dimensions to spare."""
    sizes, rank = sizes[:2], min(len(sizes), 2)
    shape = (*sizes, whole(rng, 1, 3))
    x = keras.Input(batch_shape=(pick(rng, (None, 2)), 2, *shape))
    return keras.Model(x, layers.TimeDistributed(_up(rng, rank, told))(x))


def _nested(rng, sizes, told):
    inner = _sequential(rng, sizes, told)
    x = keras.Input(batch_shape=inner.inputs[0].shape)
    y = inner(x)
    if chance(rng, 0.4):
        told.append("called twice")
        y = layers.Add()([y, inner(layers.Identity()(x))])
    return keras.Model(x, y)


def _fill(model, rng, told):
    """Weights that are all different; at times at the edge of their type."""
    values = [np.abs(rng.standard_normal(w.shape)) + 0.1 for w in model.get_weights()]
    signs = [rng.choice((-1, 1), w.shape) for w in model.get_weights()]
    kept = [v.name for v in model.weights]
    values = [
        v if "variance" in name else v * s for v, s, name in zip(values, signs, kept, strict=True)
    ]
    if values and chance(rng, 0.03):
        told.append("edge filters")
        values[0] = edge_array(rng, values[0].astype("f4"))
    with np.errstate(all="ignore"):
        model.set_weights(values)

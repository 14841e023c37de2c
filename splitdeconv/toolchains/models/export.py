"""Write a benchmark network, or one's own Keras model, as a .tflite or .onnx file of one form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import output
from ...convert import convert, verify
from ...convert.exchange import Inputs
from ...convert.report import Verification
from ...core.typing import NumpyArray
from ...errors import SplitDeconvError, check_choice, check_count
from ...extras import require
from ...formats.recognition.detect import detect
from ...formats.registry import format_of
from ...formats.site import Site
from ...limits.sandbox import Progress
from . import agreement, benchmark, samples as typical, source, tflite

if TYPE_CHECKING:
    import keras

#: The element types that each format is written in.
DTYPES = {"tflite": tflite.DTYPES, "onnx": ("float32", "float16")}


@dataclass(frozen=True)
class Exported:
    """A file that was exported.

    Args:
        path: the file.
        model: the name of the network or Keras model.
        deconv: the form of its transposed convolutions.
        dtype: its element type.
        batch: images per run.
        size: bytes.
        layers: (name in the native file, form) of each transposed convolution.
        verification: the comparison with the Keras model or, of a quantized file, with the native
            file; None for a quantized native file, whose error is in the notes.
        notes: remarks for the reader.
    """

    path: Path
    model: str
    deconv: str
    dtype: str
    batch: int
    size: int
    layers: tuple[tuple[str, str], ...]
    verification: Verification | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain, JSON-serializable values."""
        verification = self.verification and self.verification.to_dict()
        return {**asdict(self), "path": str(self.path), "verification": verification}


def export(
    model: str | os.PathLike[str] | keras.Model,
    path: str | os.PathLike[str],
    deconv: str = "split",
    dtype: str = "float32",
    *,
    samples: Inputs | None = None,
    batch: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Exported:
    """Write a benchmark network or a Keras model as a .tflite or .onnx file, verified by value.

    The native file is made first; the other forms are made by rewriting it, so that integer
    weights, scales and zero points are the same in all of them. A file of floats is compared with
    the Keras model, a quantized one with the native file.

    Args:
        model: one of `splitdeconv.networks.names()`, the path of a .keras file or a
            `keras.Model`, with `keras.layers.Conv2DTranspose` and the like.
        path: the file to write; its suffix, .tflite or .onnx, chooses the format. Images are
            channels first in .onnx files.
        deconv: "native", "nzp" (zero insertion), "split", "rows" or "stacked".
        dtype: "float32", "float16", "int8" or "int16x8" (int16 activations, int8 weights);
            .onnx files are floats. In a .tflite file, float16 is the type of the weights.
        samples: typical inputs by the model's input names, stacked along the first axis, or the
            path of an .npz file of them. They calibrate a quantized file, and outputs are compared
            on them. None: a network's own (latents, photographs), or standard normal numbers.
        batch: images per run.
        seed: seed of a network's weights and of inputs that are drawn.
        overwrite: whether an existing file may be replaced.
        progress: called with the name of each stage.
        **options: options of the network; see `splitdeconv.networks.build`.

    Returns:
        An `Exported`: ``exported.verification``, ``exported.notes``.

    Raises:
        SplitDeconvError: an unknown network, form or type; a path that cannot be written; a model
            that cannot be exported, or has nothing to split; samples that do not fit it; a missing
            framework; or a result that differs. Nothing is written then.

    Example:
        >>> import splitdeconv as sd
        >>> sd.export("dcgan", "dcgan.tflite", "stacked", "int8").layers  # doctest: +SKIP
        (('TRANSPOSE_CONV 3', 'stacked'), ...)
    """
    tell = progress or (lambda stage: None)
    kind = _checked(path, deconv, dtype)
    batch = check_count(batch, "batch", "batch")
    output.check(path, overwrite)
    if kind == "tflite":
        require("tensorflow", "tensorflow")
    tell("building the model")
    built, name = source.model_of(model, seed, options)
    source.check(built, kind, batch)
    given = source.inputs(name, built, samples, seed, quantized=dtype in tflite.ACTIVATIONS)
    tell(f"exporting to .{kind}")
    native = _native(built, kind, dtype, batch, given)
    sites = _sites(native)
    if not sites and deconv != "native":
        raise SplitDeconvError(
            "the model contains no transposed convolution: there is nothing to split",
            where=name,
            expected="a model with transposed convolutions",
            got="none",
            fix="deconv='native' (--deconv native) exports it as it is",
        )
    tell(f"rewriting as {deconv}")
    if (kind, deconv) == ("onnx", "nzp"):
        data, forms, verification = _inserted(built, batch, dtype), ["nzp"] * len(sites), None
    else:
        data, forms, verification = in_form(native, deconv, progress=progress)
    tell("comparing with the Keras model")
    least = 2 if samples is None else 1
    feeds = typical.batches(given, batch, least)
    notes = tuple(f"{one.name} stays native: {one.problem}" for one in sites if one.problem)
    if dtype in tflite.ACTIVATIONS:
        notes += tuple(agreement.quantization(built, data, feeds))
    else:
        outputs = agreement.compare(built, data, kind, dtype, feeds)
        agreement.check(outputs)
        notes += verification.notes if verification else ()
        count = len(feeds) * batch
        verification = Verification(True, outputs, "the Keras model", count, seed)
    written = output.write(path, data, overwrite)
    layers = tuple(zip((site.name for site in sites), forms, strict=True))
    return Exported(written, name, deconv, dtype, batch, len(data), layers, verification, notes)


def _checked(path: str | os.PathLike[str], deconv: str, dtype: str) -> str:
    """The format of the file to write."""
    check_choice(deconv, benchmark.FORMS, "form", "deconv")
    check_choice(dtype, tflite.DTYPES, "element type", "dtype")
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in DTYPES:
        raise SplitDeconvError(
            "invalid output: expected a .tflite or .onnx file",
            where=str(path),
            expected="a name that ends in .tflite or .onnx",
            got=f".{kind}" if kind else "no suffix",
            fix=f"name it {Path(path).with_suffix('.tflite').name}" if Path(path).name else None,
        )
    if dtype not in DTYPES[kind]:
        raise SplitDeconvError(
            f"invalid element type: .{kind} files are not quantized here",
            where="dtype",
            expected=f"{' or '.join(DTYPES[kind])} for .{kind}",
            got=dtype,
            fix=f"write a .tflite file for {dtype}, or export float32 and quantize the .onnx file "
            "with onnxruntime.quantization; splitdeconv convert splits the result",
        )
    return kind


def _native(
    model: keras.Model, kind: str, dtype: str, batch: int, samples: Sequence[NumpyArray]
) -> bytes:
    """The native file."""
    if kind == "onnx":
        from . import onnx

        return onnx.export(model, batch=batch, dtype=dtype)
    if dtype not in tflite.ACTIVATIONS:
        return tflite.export(model, batch=batch, dtype=dtype)
    data = tflite.export(model, batch=batch, dtype=dtype, calibration=list(samples))
    return tflite.full_int8(data, dtype)


def _inserted(model: keras.Model, batch: int, dtype: str) -> bytes:
    """The .onnx file with zero insertion, which no rewriting of a file makes."""
    from . import onnx

    return onnx.export(model, "nzp", batch=batch, dtype=dtype)


def in_form(
    native: bytes,
    deconv: str,
    target: str = "generic",
    samples: int = 8,
    progress: Progress | None = None,
) -> tuple[bytes, list[str], Verification | None]:
    """Rewrite a native file in another form, verified by value.

    Args:
        native: bytes of a .tflite or, unless it is to insert zeros, .onnx file.
        deconv: one of `benchmark.FORMS`.
        target: as for `splitdeconv.convert`; it chooses how the phases are interleaved.
        samples: on how many inputs the two files are compared.
        progress: called with the name of each stage.

    Returns:
        (bytes, form of each transposed convolution, comparison with the native file; None if it is
        the native file).

    Raises:
        SplitDeconvError: it cannot be rewritten, or the result differs.
    """
    if deconv == "native":
        forms = ["native"] * len(_sites(native))
        return native, forms, None
    if deconv != "nzp":
        done = convert(native, target, deconv, samples=samples, progress=progress)
        chosen = [each.form or "native" for each in done.report.decisions]
        return bytes(done.model), chosen, done.report.verification
    data, _ = benchmark.rewritten(native, "nzp")
    proof = verify(native, data, samples, progress=progress)
    if not proof:
        worst = next((each for each in proof.outputs if not each.passed), None)
        raise SplitDeconvError(
            "zero insertion does not compute the same as the native file",
            where=worst.name if worst else None,
            expected="the native file's values",
            got=worst.finding if worst else "nothing to compare",
        )
    return data, ["native" if site.problem else "nzp" for site in _sites(native)], proof


def _sites(native: bytes) -> list[Site]:
    """The transposed convolutions of a file."""
    return format_of(detect(native)).parse(native).sites()

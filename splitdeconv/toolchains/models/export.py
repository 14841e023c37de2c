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
    sites = format_of(kind).parse(native).sites()
    if not sites and deconv != "native":
        raise SplitDeconvError(
            "the model contains no transposed convolution: there is nothing to split",
            where=name,
            expected="a model with transposed convolutions",
            got="none",
            fix="deconv='native' (--deconv native) exports it as it is",
        )
    tell(f"rewriting as {deconv}")
    data, forms, verification = _rewritten(
        built, native, sites, kind, deconv, dtype, batch, progress
    )
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


def _rewritten(
    model: keras.Model,
    native: bytes,
    sites: Sequence[Site],
    kind: str,
    deconv: str,
    dtype: str,
    batch: int,
    progress: Progress | None,
) -> tuple[bytes, list[str], Verification | None]:
    """The file in a form, the form of each transposed convolution, the proof against the native."""
    if deconv == "native":
        return native, ["native"] * len(sites), None
    if deconv != "nzp":
        done = convert(native, form=deconv, progress=progress)
        chosen = [each.form or "native" for each in done.report.decisions]
        return bytes(done.model), chosen, done.report.verification
    if kind == "onnx":
        from . import onnx

        data = onnx.export(model, "nzp", batch=batch, dtype=dtype)
        return data, ["nzp"] * len(sites), None
    data, _ = benchmark.rewritten(native, "nzp")
    proof = verify(native, data, progress=progress)
    if not proof:
        worst = next((each for each in proof.outputs if not each.passed), None)
        raise SplitDeconvError(
            "zero insertion does not compute the same as the native file",
            where=worst.name if worst else None,
            expected="the native file's values",
            got=worst.finding if worst else "nothing to compare",
        )
    return data, ["native" if site.problem else "nzp" for site in sites], proof

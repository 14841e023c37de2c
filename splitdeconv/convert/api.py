"""Inspect and convert a model, given as a path, bytes or an object; the format is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SplitDeconvError
from ..formats import input_shapes
from ..formats.content import ModelObject
from ..formats.registry import format_of, names, owning
from ..limits.sandbox import Progress
from . import exchange, job as jobs
from .exchange import Inputs, ModelFile
from .report import Report
from .rewrite import ModelData, Options, examine, rewrite

if TYPE_CHECKING:
    import pandas

#: Shapes by input name or, for a model with one input, the shape alone.
InputShape: TypeAlias = Mapping[str, Sequence[int]] | Sequence[int]


@dataclass(frozen=True)
class Result:
    """A converted model and the report on it.

    Args:
        report: the `Report`.
        content: the converted model: bytes of a file, or an object in memory.
        folder: folder of the original with the external data of an .onnx model; None if there is
            none.
    """

    report: Report
    content: ModelData
    folder: Path | None = None

    @cached_property
    def model(self) -> bytes | ModelObject:
        """The model: self-contained bytes for .tflite and .onnx, else an object in memory."""
        return format_of(self.report.format).result(self.content, self.folder)

    def save(
        self,
        path: str | os.PathLike[str],
        overwrite: bool = False,
        external_data: bool = False,
    ) -> Path:
        """Write the model to a file, completely or not at all.

        External tensors of an .onnx model are copied to NAME.data, except those that are already in
        the same folder or below it.

        Args:
            path: the file.
            overwrite: whether existing files may be replaced.
            external_data: whether all large tensors of an .onnx model, over 1 KiB, go to NAME.data,
                for files that would otherwise be near protobuf's limit of 2 GiB.

        Raises:
            SplitDeconvError: the folder is missing, full or read-only, a file already exists, the
                suffix belongs to another format, or external data is asked of another format.
        """
        check_output(path, self.report.format, external_data)
        file_format = format_of(self.report.format)
        place = os.fspath(path)
        return file_format.save(self.content, self.folder, place, overwrite, external_data)


def check_output(path: str | os.PathLike[str], name: str, external_data: bool = False) -> None:
    """Reject a file name with the suffix of another format, and options that the format lacks.

    Args:
        path: the file to write.
        name: of the format of what is written.
        external_data: whether large tensors are to be kept in another file.

    Raises:
        SplitDeconvError: the suffix belongs to another format, which would mislead readers, or this
            format keeps everything in one file.
    """
    suffix = Path(path).suffix.lower()
    if suffix in {f".{other}" for other in names()} - {f".{name}"}:
        raise SplitDeconvError(
            "the output cannot be written",
            where=str(path),
            expected=f"a name for a .{name} file",
            got=f"one that ends in {suffix}",
            fix=f"name it {Path(path).with_suffix(f'.{name}').name}; converting keeps the format",
        )
    if external_data and not format_of(name).external:
        raise SplitDeconvError(
            "external data is not possible in this format",
            where="external data",
            expected="an .onnx model",
            got=f"a .{name} model, which is one file",
            fix="omit it",
        )


def inspect(
    model: ModelFile | ModelObject, target: str | os.PathLike[str] = "generic"
) -> pandas.DataFrame:
    """List a model's transposed convolutions, what would happen to each, and why.

    Args:
        model: path or bytes of a .tflite, .onnx, .keras or .pt2 model (recognised by its content),
            a `keras.Model`, a `torch.export.ExportedProgram` or a `torch.nn.Module`.
        target: name of a target, or path of a YAML file that describes one.

    Returns:
        A pandas DataFrame with one row per transposed convolution: name, operator, geometry,
        groups, in_channels, out_channels, dtype, batch; multiply-accumulates per image useful,
        exact, nzp and of each form; verdict ("convert", "leave", "refuse"), form, interleave;
        padded_taps and padding_cost, where taps are zero-padded to kernels that the target accepts;
        and reason.

    Raises:
        SplitDeconvError: the model is not a valid model of these formats, or the target is unknown.

    Example:
        >>> import keras
        >>> import splitdeconv as sd
        >>> up = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", name="up")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), up])
        >>> rows = sd.inspect(model)
        >>> rows[["useful", "nzp", "verdict"]].values.tolist()
        [[19200, 76800, 'convert']]
    """
    return report(model, target).frame()


def report(
    model: ModelFile | ModelObject,
    target: str | os.PathLike[str] = "generic",
    *,
    timeout: float | None = None,
    memory: float | None = None,
) -> Report:
    """Like `inspect`, with operator counts, the target's objections to the model, and notes."""
    options = Options(target=exchange.target_name(target))
    kind = owning(model)
    if kind is not None:
        return examine(kind.name, model, options=options)[1]
    options.check()
    with exchange.job("inspect", model, timeout, memory, options=asdict(options)) as job:
        return Report.from_dict(job.run())


def convert(
    model: ModelFile | ModelObject,
    target: str | os.PathLike[str] = "generic",
    form: str = "auto",
    interleave: str | None = None,
    static_batch: int | None = None,
    layers: str | None = None,
    verify: bool = True,
    *,
    input_shape: InputShape | None = None,
    fold: bool = True,
    samples: int = 8,
    seed: int = 0,
    inputs: Inputs | None = None,
    timeout: float | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """Rewrite every transposed convolution of a model exactly as stride-1 convolutions.

    The result is verified by value. Files are read, rewritten and run in a child process with
    limits on time and memory; a model in memory is processed in this process.

    Args:
        model: path or bytes of a .tflite, .onnx, .keras or .pt2 model (recognised by its content),
            a `keras.Model`, a `torch.export.ExportedProgram` or a `torch.nn.Module`. It
            is not changed, except for a subclassed Keras model, whose layers are replaced in place.
        target: name of a target, or path of a YAML file that describes one. "generic" converts
            everything that can be converted.
        form: "auto" (the target's choice), "split", "rows" or "stacked"; see `splitdeconv.plan`.
        interleave: "concat", "depth_to_space", "transpose", for .tflite files also
            "batch_to_space"; None for the target's choice or, without one, the first that keeps the
            file as resizable as it is.
        static_batch: fix a dynamic batch to this size; a shorthand for input shapes in which only
            the batch is fixed.
        input_shape: shapes that fix open dimensions of inputs, by input name:
            {"NAME": (1, 80, 100)}; for a model with one input, the shape alone is enough.
            Dimensions that the file already fixes must be the same.
        layers: a regular expression; only transposed convolutions with a matching name, or a
            matching label in the output of `splitdeconv inspect`, are converted.
        verify: compare the result with the original by value, and reject it if it differs.
        fold: fold a BatchNormalization and additions, subtractions, multiplications and divisions
            by constants per channel, where they alone read a transposed convolution of an .onnx
            model, into its filters and bias, and let a following activation follow each
            convolution. The report names them. Without `verify`, nothing is folded; what cannot be
            verified is converted without.
        samples, seed, inputs: as for `splitdeconv.verify`.
        timeout, memory: limits of the child process in seconds and GiB; by default they grow with
            the size of the file.
        progress: called with the name of each stage the child enters.

    Returns:
        A `Result`: ``result.model``, ``result.report``, ``result.save(path)``.

    Raises:
        SplitDeconvError: the model is invalid, nothing in it can be converted, the result differs
            from the original, or a limit was exceeded.

    Example:
        >>> import keras
        >>> import splitdeconv as sd
        >>> up = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", name="up")
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), up])
        >>> result = sd.convert(model)
        >>> result.report.operators_after
        {'InputLayer': 1, 'SplitConv2DTranspose': 1}
        >>> result.report.verification.passed
        True
    """
    shapes = input_shapes.checked(input_shape)
    options = Options(
        exchange.target_name(target),
        form,
        interleave,
        layers,
        static_batch,
        shapes,
        fold=bool(fold and verify),
    )
    options.check()
    kind = owning(model)
    if kind is not None:
        return _convert_here(kind.name, model, options, verify, samples, seed, inputs)
    return convert_file(model, options, verify, samples, seed, inputs, timeout, memory, progress)


def convert_file(
    model: ModelFile,
    options: Options,
    verify: bool,
    samples: int,
    seed: int,
    inputs: Inputs | None,
    timeout: float | None,
    memory: float | None,
    progress: Progress | None,
) -> Result:
    """`convert` for a file, with its options as one record."""
    proof: dict[str, Any] = {"verify": bool(verify), "samples": samples, "seed": seed}
    with exchange.job(
        "convert", model, timeout, memory, inputs, options=asdict(options), **proof
    ) as job:
        report = Report.from_dict(job.run(progress))
        beside = job.task.files.beside if report.format == "onnx" else None  # none for bytes
        folder = None if beside is None else beside.parent
        return Result(report, (job.folder / "output").read_bytes(), folder)


def _convert_here(
    kind: str,
    model: ModelObject,
    options: Options,
    verify: bool,
    samples: int,
    seed: int,
    inputs: Inputs | None,
) -> Result:
    """Convert a model in memory, which is trusted."""
    converted, report = rewrite(kind, model, options=options)
    if not verify or not (report.converted or options.fixes):
        return Result(report, converted)
    from .verify.compare import compare

    proof = compare(
        kind,
        model,
        converted,
        samples=samples,
        seed=seed,
        inputs=inputs,
        decisions=report.decisions,
    )
    if not proof and report.folded:
        unfolded = replace(options, fold=False)
        result = _convert_here(kind, model, unfolded, verify, samples, seed, inputs)
        notes = (*result.report.notes, jobs.unproven(proof))
        return replace(result, report=result.report.with_(notes=notes))
    jobs.check(proof, getattr(model, "name", "the model"), options.fixes)
    return Result(report.with_(verification=proof), converted)

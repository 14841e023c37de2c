"""PyTorch modules: twins of `ConvTranspose1d`, `2d` and `3d` that compute by split deconvolution.

A twin has the original's arguments, parameters, initial values and `state_dict`, and it trains like
the original; only the computation differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .core import backends
from .core.apply import apply
from .core.forms import FORMS, INTERLEAVES
from .core.kernels import Kernels
from .core.typing import Array
from .errors import SplitDeconvError, check_choice
from .extras import require
from .ops import plan_for

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = require("torch", "torch")
    nn = torch.nn

_HOOKS = (
    *("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"),
    *("_state_dict_hooks", "_state_dict_pre_hooks"),
    *("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)
_T = TypeVar("_T", bound="_SplitConvTranspose")

__all__ = ["SplitConvTranspose1d", "SplitConvTranspose2d", "SplitConvTranspose3d"]


class _SplitConvTranspose:
    """Methods that the three ranks share; mixed in before PyTorch's own module."""

    _original: ClassVar[Any]

    # PyTorch's own attributes that are used here.
    weight: Any
    bias: Any
    training: bool
    in_channels: int
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    kernel_size: tuple[int, ...]
    groups: int
    _output_padding: Any

    def __init__(
        self,
        *args: Any,
        form: str = "auto",
        interleave: str = "concat",
        pad_to: Sequence[int | Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        mode = kwargs.get("padding_mode", args[9] if len(args) > 9 else "zeros")
        _check_mode(mode, type(self).__name__)
        super().__init__(*args, **kwargs)
        self._choose(form, interleave, pad_to)

    def _choose(
        self, form: str, interleave: str, pad_to: Sequence[int | Sequence[int]] | None
    ) -> None:
        forms = ("auto", *FORMS)
        choices = (("form", form, forms), ("interleave", interleave, INTERLEAVES))
        for name, value, known in choices:
            check_choice(value, known, name, type(self).__name__)
        self.form, self.interleave = form, interleave
        self.pad_to = None if pad_to is None else Kernels.of(pad_to, "pad_to").plain()

    @classmethod
    def of(
        cls: type[_T],
        module: Any,
        *,
        form: str = "auto",
        interleave: str = "concat",
        pad_to: Sequence[int | Sequence[int]] | None = None,
    ) -> _T:
        """A twin of an existing module that shares its parameters.

        Args:
            module: the `ConvTranspose` module of PyTorch of the same number of axes.
            form, interleave, pad_to: as for the class.

        Raises:
            SplitDeconvError: another kind of module, such as a lazy or a quantized one, or one with
                hooks, a computed weight, buffers, submodules or replaced methods.
        """
        own = type(module)
        if own not in (cls._original, cls):
            raise SplitDeconvError(
                f"{cls.__name__} cannot take over this module",
                where=f"{cls.__name__}.of",
                expected=f"a torch.nn.{cls._original.__name__}",
                got=f"{own.__module__}.{own.__name__}",
                fix=_reason(module),
            )
        _check_plain(module, cls.__name__)
        _check_mode(module.padding_mode, cls.__name__)
        twin = cls.__new__(cls)
        nn.Module.__init__(twin)
        internal = vars(nn.Module()).keys() - {"training"}
        twin.__dict__.update({k: v for k, v in vars(module).items() if k not in internal})
        twin.__dict__.pop("_compiled_call_impl", None)  # the code of the original
        for name, parameter in module._parameters.items():
            twin.register_parameter(name, parameter)  # type: ignore[attr-defined]
        twin._choose(form, interleave, pad_to)
        return twin

    def forward(self, input: Array, output_size: Sequence[int] | None = None) -> Array:
        """Transposed convolution and bias.

        Args:
            input: tensor ``(batch, in_channels, *spatial)``, or without the batch.
            output_size: the spatial output lengths, or the whole shape; None for the default.

        Raises:
            SplitDeconvError: `input` has another number of axes, or does not fit the parameters.
        """
        rank = len(self.kernel_size)
        if input.dim() not in (rank + 1, rank + 2):
            raise SplitDeconvError(
                "the input cannot have this shape",
                where=type(self).__name__,
                expected=f"{rank + 1} or {rank + 2} dimensions",
                got=f"shape {tuple(input.shape)}",
            )
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, rank, self.dilation
        )
        if self.form == "native":
            return super().forward(input, output_size)  # type: ignore[misc]
        y = _compute(
            input if input.dim() == rank + 2 else input.unsqueeze(0),
            self.weight,
            self.bias,
            tuple(self.stride),
            tuple(self.padding),
            tuple(extra),
            tuple(self.dilation),
            self.groups,
            self.form,
            self.interleave,
            self.pad_to,
        )
        return y if input.dim() == rank + 2 else y.squeeze(0)

    def extra_repr(self) -> str:
        """The original's, and the form and interleave."""
        own = super().extra_repr()  # type: ignore[misc]
        return f"{own}, form={self.form}, interleave={self.interleave}"


@backends.in_graph
def _compute(
    x: Array,
    weight: Array,
    bias: Array | None,
    strides: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: tuple[int, ...],
    dilations: tuple[int, ...],
    groups: int,
    form: str,
    interleave: str,
    pad_to: Sequence[int | Sequence[int]] | None,
) -> Array:
    rank = weight.dim() - 2
    crops, extra = backends.settled((padding, output_padding))
    filters = weight.permute(*range(2, rank + 2), 1, 0)
    sizes = backends.static_shape(x)[2:]
    if 0 in sizes:
        raise SplitDeconvError(
            "the input is empty",
            where=f"SplitConvTranspose{rank}d",
            expected="lengths of at least 1",
            got=f"shape {tuple(x.shape)}",
        )
    plan = plan_for(
        sizes,
        filters,
        backends.settled(strides),
        [(crop, crop) for crop in crops],
        output_padding=extra,
        dilations=backends.settled(dilations),
        groups=backends.settled(groups),
        form=form,
        pad_to=backends.settled(pad_to),
    )
    y = apply(plan, x.movedim(1, -1), filters, interleave=interleave)
    if bias is not None:
        # Autocast leaves parameters as they are, and PyTorch's own operator casts them.
        y = y + bias.to(y.dtype)
    return backends.of(x).channels_first(y, like=x)


def _check_mode(mode: Any, where: str) -> None:
    """Refuse what PyTorch's own modules refuse, too."""
    if mode != "zeros":
        raise SplitDeconvError(
            "a transposed convolution has no padding_mode but zeros",
            where=where,
            expected="zeros",
            got=repr(mode),
        )


def _check_plain(module: Any, where: str) -> None:
    """Refuse what a twin, which has the parameters and the arguments of a module, would lack."""
    computed = [] if "weight" in module._parameters else ["a weight that is not a parameter"]
    lacking = {
        "hooks or a computed weight": [n for n in _HOOKS if getattr(module, n)] or computed,
        "buffers or submodules": [*module._buffers, *module._modules],
        "replaced methods": [n for n in vars(module) if callable(getattr(type(module), n, None))],
    }
    for what, names in lacking.items():
        if names:
            raise SplitDeconvError(
                f"this module has {what}, which its twin would lack",
                where=f"{where}.of",
                expected="a module with the parameters and the methods of its class alone",
                got=f"{type(module).__name__} with {', '.join(names)}",
                fix="remove them first, and apply them to the twin",
            )


def _reason(module: Any) -> str:
    """What to do with a module that has no twin."""
    kind = type(module).__name__
    if isinstance(module, nn.modules.lazy.LazyModuleMixin):
        return "call it once, so that its number of input channels is known"
    if hasattr(module, "scale") or "quantized" in type(module).__module__:
        return "take the floating-point module, before it is quantized"
    if hasattr(module, "parametrizations"):
        return "remove its parametrizations first, and apply them to the twin"
    return f"make the twin of a ConvTranspose module; {kind} may compute something else"


class SplitConvTranspose1d(_SplitConvTranspose, nn.ConvTranspose1d):
    """Twin of `torch.nn.ConvTranspose1d`; as `SplitConvTranspose2d`.

    Example:
        >>> import torch
        >>> import splitdeconv as sd
        >>> module = sd.torch.SplitConvTranspose1d(4, 8, 3, stride=2, padding=1)
        >>> tuple(module(torch.ones(1, 4, 10)).shape)
        (1, 8, 19)
    """

    _original = nn.ConvTranspose1d


class SplitConvTranspose2d(_SplitConvTranspose, nn.ConvTranspose2d):
    """Twin of `torch.nn.ConvTranspose2d` that computes by split deconvolution, exactly.

    Args:
        *args, **kwargs: those of `torch.nn.ConvTranspose2d`, in its order.
        form: "auto" (see `splitdeconv.core.plan.auto_form`), "split", "rows", "stacked", "paper",
            "nzp", or "native" for PyTorch's own computation.
        interleave: "concat", "depth_to_space" or "transpose".
        pad_to: as for `splitdeconv.plan`.

    Raises:
        SplitDeconvError: an unknown form or interleave, or a padding_mode other than zeros.

    Example:
        >>> import torch
        >>> import splitdeconv as sd
        >>> original = torch.nn.ConvTranspose2d(3, 16, 4, stride=2, padding=1)
        >>> twin = sd.torch.SplitConvTranspose2d.of(original)  # shares its parameters
        >>> x = torch.arange(48.0).reshape(1, 3, 4, 4)
        >>> tuple(twin(x).shape)
        (1, 16, 8, 8)
        >>> torch.allclose(twin(x), original(x), atol=1e-4)
        True
    """

    _original = nn.ConvTranspose2d


class SplitConvTranspose3d(_SplitConvTranspose, nn.ConvTranspose3d):
    """Twin of `torch.nn.ConvTranspose3d`; as `SplitConvTranspose2d`.

    Example:
        >>> import torch
        >>> import splitdeconv as sd
        >>> module = sd.torch.SplitConvTranspose3d(3, 8, 3, stride=2, padding=1)
        >>> tuple(module(torch.ones(1, 3, 2, 4, 6)).shape)
        (1, 8, 3, 7, 11)
    """

    _original = nn.ConvTranspose3d

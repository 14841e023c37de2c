"""How the elements of a tensor lie in memory: contiguously, with channels last, or otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...extras import require

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

#: A length that is only known when the program runs; 1 would make layouts look alike.
_OPEN = 2


class Layout(NamedTuple):
    """Lengths and strides of a tensor at the sizes that the program was exported with."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]


def layout_of(value: Any) -> Layout | None:
    """The layout of a fake tensor; None if it is only known when the program runs."""
    sizes, strides = ([_hint(n) for n in numbers] for numbers in (value.shape, value.stride()))
    known = [n for n in strides if n is not None]
    if len(known) < len(strides):
        return None
    return Layout(tuple(_OPEN if n is None else n for n in sizes), tuple(known))


def laid_out(tensor: Tensor, layout: Layout | None) -> Tensor:
    """A tensor with the strides of a layout; if its sizes are others, with the same order of axes.

    Args:
        tensor: a contiguous tensor.
        layout: the layout; None to leave the tensor as it is.
    """
    shape = tuple(tensor.shape)
    if layout is None or len(layout.strides) != len(shape) or 0 in shape:
        return tensor
    torch = require("torch", "torch")
    reach = 1 + sum((n - 1) * step for n, step in zip(shape, layout.strides, strict=True))
    if shape == layout.sizes and reach >= tensor.numel():  # else, elements share their place
        made = torch.empty_strided(shape, layout.strides, dtype=tensor.dtype, device=tensor.device)
        return made.copy_(tensor)
    # Where strides are equal, all lengths but one are 1: PyTorch lets these change fastest.
    order = sorted(range(len(shape)), key=lambda i: (-layout.strides[i], layout.sizes[i] == 1))
    turned = tensor.permute(order).contiguous()
    return turned.permute([order.index(i) for i in range(len(order))])


def memory_format(value: Any) -> Any:
    """The memory format that PyTorch's operators see in a tensor with a batch, as they do."""
    torch, layout = require("torch", "torch"), layout_of(value)
    if layout is None or not _is_channels_last(layout):
        return torch.contiguous_format
    return torch.channels_last if len(layout.sizes) == 4 else torch.channels_last_3d


def _is_channels_last(layout: Layout) -> bool:
    """PyTorch's rule (c10/core/MemoryFormat.h), by which ambiguous strides are contiguous."""
    sizes, strides = layout
    rank, least = len(sizes), 0
    if rank not in (4, 5) or strides[1] == 0:
        return False
    for axis in (1, *range(rank - 1, 1, -1), 0):
        if not sizes[axis] or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * sizes[axis]
    return True


def result_format(node: Node) -> Any:
    """The memory format of the result of a transposed convolution when the program runs.

    It is computed anew, because exported programs state another one for three axes.
    """
    torch = require("torch", "torch")
    fakes = require("torch._subclasses.fake_tensor", "torch")

    def given(one: Node) -> Any:
        value = one.meta["val"]
        if not hasattr(value, "stride"):
            return _hint(value)
        layout = layout_of(value)
        if layout is None:
            sizes = [_hint(n) or _OPEN for n in value.shape]
            return torch.empty(sizes, dtype=value.dtype, device=value.device)
        return torch.empty_strided(*layout, dtype=value.dtype, device=value.device)

    with fakes.FakeTensorMode(), torch.no_grad():
        args, options = (torch.fx.map_arg(some, given) for some in (node.args, node.kwargs))
        target: Any = node.target
        result = target(*args, **options)
        rank = len(args[1].shape)
        return memory_format(result if result.dim() == rank else result.unsqueeze(0))


def _hint(number: Any) -> int | None:
    """A length; of an open one, that of the example that the program was exported with."""
    if isinstance(number, int):
        return number
    hint = getattr(getattr(number, "node", None), "hint", None)
    return hint if isinstance(hint, int) else None

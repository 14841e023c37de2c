"""PyTorch modules: a copy whose transposed convolutions are twins from `splitdeconv.torch`."""

from __future__ import annotations

import copy
import inspect
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.geometry import resolve
from ...errors import SplitDeconvError
from ...extras import require
from ..input_shapes import ModelInput
from ..model import Model
from ..port import Input, RejectedError, Runner, rejected
from ..site import Site
from .held import held
from .sites import EMPTY, TYPES

if TYPE_CHECKING:
    from torch.nn import Module

    from ..port import Arrays
    from ..site import Decision

_KINDS = {f"ConvTranspose{rank}d": rank for rank in (1, 2, 3)}
_HELD = (
    "the model also reaches it as {}, where a twin would not take its place: "
    "reach it by its name alone, or keep such lists in a torch.nn.ModuleList"
)
#: By converted module: the layers that twins replaced, in the copy and in the original.
_REPLACED: weakref.WeakKeyDictionary[Module, dict[str, list[weakref.ref[Module]]]]
_REPLACED = weakref.WeakKeyDictionary()


class ModuleModel(Model):
    """A module and the places of its transposed convolutions.

    Raises:
        SplitDeconvError: it is compiled from TorchScript, whose parts cannot be exchanged.
    """

    def __init__(self, module: Module) -> None:
        torch = require("torch", "torch")
        if isinstance(module, torch.jit.ScriptModule):
            raise SplitDeconvError(
                "a scripted module cannot be rewritten",
                where="model",
                expected="a torch.nn.Module",
                got=type(module).__name__,
                fix="convert the module before torch.jit.script or torch.jit.trace",
            )
        self._module = module

    def sites(self) -> list[Site]:
        """Every transposed convolution once, also where several places share it."""
        places = held(self._module)
        return [
            _site(name, module, places.get(module))
            for name, module in self._module.named_modules()
            if _rank_of(module) is not None
        ]

    def operators(self) -> list[tuple[str, int]]:
        """The modules without modules of their own, by class; the version is 1."""
        leaves = (module for module in self._module.modules() if not list(module.children()))
        return [(type(leaf).__name__, 1) for leaf in leaves]

    def inputs(self) -> list[ModelInput]:
        """None: a module does not declare them."""
        return []

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Put twins, which own copies of the parameters, into a copy of the module."""
        originals = dict(self._module.named_modules())
        self._module = copy.deepcopy(self._module)
        old = {d.site.name: d for d in decisions if d.verdict == "convert"}
        twins = {
            module: _twin(module, old[_label(name, module)])
            for name, module in self._module.named_modules()
            if _rank_of(module) is not None and _label(name, module) in old
        }
        replaced = {
            name: [weakref.ref(one) for one in (module, originals.get(name)) if one is not None]
            for name, module in self._module.named_modules()
            if module in twins
        }
        self._module = twins.get(self._module, self._module)
        for module in list(self._module.modules()):
            for name, child in module._modules.items():
                if child in twins:
                    setattr(module, name, twins[child])
        _REPLACED[self._module] = replaced

    def serialize(self) -> Module:
        """The module."""
        return self._module

    def let_go(self) -> None:
        """The sites are modules of the original, which stays."""


def load(module: Module) -> dict[str, Runner]:
    """A module under the name "", ready to run on given inputs, which are named as in `forward`.

    Raises:
        RejectedError: it takes no inputs by name.
    """
    named = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is parameter.empty
    ]
    if not named:
        raise RejectedError("its inputs have no names")
    inputs = tuple(Input(name, np.dtype(np.float32), None) for name in named)
    return {"": Runner(inputs, _Run(module))}


class _Run:
    """A module, run in evaluation mode without gradients."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def __call__(self, feed: Arrays) -> Arrays:
        from .runtime import array

        torch = require("torch", "torch")
        like = next(self._module.parameters(), torch.zeros(()))
        given = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in feed.items()}
        given = {
            name: v.to(like.device, like.dtype if v.is_floating_point() else v.dtype)
            for name, v in given.items()
        }
        # Parts may be in another mode than the whole.
        modes = [(module, module.training) for module in self._module.modules()]
        self._module.eval()
        with _watched(self._module):
            try:
                with torch.no_grad():
                    result = self._module(**given)
            except Exception as error:  # the module's code may raise anything
                raise rejected(error) from None
            finally:
                for module, training in modes:
                    module.training = training
        leaves = torch.utils._pytree.tree_leaves(result)
        return {f"output {i}": array(leaf) for i, leaf in enumerate(leaves) if hasattr(leaf, "dim")}


@contextmanager
def _watched(module: Module) -> Iterator[None]:
    """Watch for layers that twins have replaced in a module.

    Raises:
        SplitDeconvError: one of them runs all the same.
    """
    ran: list[str] = []
    handles = [
        layer.register_forward_pre_hook(lambda *given, name=name: ran.append(name))
        for name, layers in _REPLACED.get(module, {}).items()
        for layer in (reference() for reference in layers)
        if layer is not None
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if ran:
        raise SplitDeconvError(
            "the converted module still runs a layer that its twin replaced",
            where=ran[0],
            expected="a module that reaches its layers as registered submodules",
            got="another reference to the layer, such as a global variable",
            fix="reach the layer as a submodule, or leave it out with layers=",
        )


def _rank_of(module: Module) -> int | None:
    """The number of axes of a transposed convolution of PyTorch; None for other modules."""
    if type(module).__module__.startswith("splitdeconv."):
        return None
    nn = require("torch", "torch").nn
    bases = (rank for name, rank in _KINDS.items() if isinstance(module, getattr(nn, name)))
    return next(bases, None)


def _label(name: str, module: Module) -> str:
    """The path of a module; its class if it is the whole model, which has none."""
    return name or type(module).__name__


def _site(name: str, module: Any, place: str | None) -> Site:
    """The record of a layer.

    Args:
        name: its path.
        module: the layer.
        place: where else the model holds it; None if nowhere.
    """
    rank = _rank_of(module)
    assert rank is not None  # only these are asked for
    dtype = str(module.weight.dtype)
    problem, axes = None, None
    try:
        _check(module)
        if 0 in module.weight.shape:
            problem = EMPTY
        else:
            axes = resolve(
                (None,) * rank,
                module.kernel_size,
                module.stride,
                [(p, p) for p in module.padding],
                None,
                module.output_padding,
                module.dilation,
            )
    except SplitDeconvError as error:
        problem = str(error)
    if problem is None and dtype not in TYPES:
        problem = f"it computes in {dtype.removeprefix('torch.')}"
    elif problem is None and place is not None:
        problem = _HELD.format(place)
    return Site(
        name=_label(name, module),
        operator=type(module).__name__,
        axes=axes,
        groups=module.groups,
        in_channels=module.in_channels,
        out_channels=module.out_channels,
        dtype=TYPES.get(dtype, dtype.removeprefix("torch.")),
        batch=None,
        problem=problem,
        key=module,
    )


def _check(module: Module) -> None:
    """Refuse what has no twin, such as a lazy module.

    Raises:
        SplitDeconvError: with the reason.
    """
    _class_of(module).of(module)


def _twin(module: Module, decision: Decision) -> Module:
    kernels = decision.kernels
    twin: Module = _class_of(module).of(
        module,
        form=str(decision.form),
        interleave=str(decision.interleave),
        pad_to=None if kernels is None else kernels.plain(),
    )
    return twin


def _class_of(module: Module) -> Any:
    from ... import torch as twins

    return getattr(twins, f"SplitConvTranspose{_rank_of(module)}d")

"""Layers that a twin would not replace everywhere are refused, and no others."""

import functools
import sys
import types
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import splitdeconv as sd
from splitdeconv.formats.pt2.held import held
from tests.formats.pt2.programs_torch import numbers, whole
from tests.refusals import refused

HIDDEN = {}
GLOBAL = whole(nn.ConvTranspose1d(3, 3, 4, 2))


class Two(nn.Module):
    """Two layers; how the first one is held is for the test to add."""

    def __init__(self, hold=None):
        super().__init__()
        self.up, self.other = (whole(nn.ConvTranspose1d(3, 3, 4, 2), seed) for seed in (1, 2))
        if hold is not None:
            hold(self)

    def forward(self, x):
        return self.other(self.up(x))


class Plain:
    """An object that is no module."""

    def __init__(self, layer):
        self.layer = layer


class Slotted:
    __slots__ = ("layer", "unset")

    def __init__(self, layer):
        self.layer = layer


class OfAGlobal(Two):
    def __init__(self):
        super().__init__()
        self.up = GLOBAL

    def forward(self, x):
        return self.other(GLOBAL(x))


def an_attribute(m):
    object.__setattr__(m, "place", m.up)


def a_function(m):
    layer = m.up
    m.place = lambda x: layer(x)


def a_function_of_the_whole(m):
    m.up.place = lambda x: m.other(x)


HOLDERS = {
    "list": lambda m: setattr(m, "place", [m.up]),
    "nested": lambda m: setattr(m, "place", {"a": (1, [m.up])}),
    "set": lambda m: setattr(m, "place", {m.up}),
    "key": lambda m: setattr(m, "place", {m.up: 1}),
    "attribute": an_attribute,
    "method": lambda m: setattr(m, "place", m.up.forward),
    "partial": lambda m: setattr(m, "place", functools.partial(m.up, output_size=[12])),
    "function": a_function,
    "default": lambda m: setattr(m, "place", lambda x, layer=m.up: layer(x)),
    "object": lambda m: setattr(m, "place", Plain(m.up)),
    "slot": lambda m: setattr(m, "place", [Slotted(m.up)]),
    "weak": lambda m: setattr(m, "place", weakref.ref(m.up)),
    "unregistered": lambda m: setattr(m, "place", [nn.Sequential(m.up)]),
    "hook": lambda m: m.other.register_forward_hook(functools.partial(print, m.up)),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_layer_that_is_also_held_otherwise_is_refused(name):
    model, x = Two(HOLDERS[name]), numbers(2, 3, 5)
    rows = sd.inspect(model).set_index("name")
    assert rows["verdict"]["up"] == "refuse"
    where = "other._forward_hooks" if name == "hook" else "place"
    assert f"the model also reaches it as {where}" in rows["reason"]["up"]
    if name != "hook":  # printing is not for tests, and the hook makes the other one unfit
        assert rows["verdict"]["other"] == "convert"
        made = sd.convert(model).model
        assert type(made.up) is nn.ConvTranspose1d
        assert type(made.other) is sd.torch.SplitConvTranspose1d
        np.testing.assert_array_equal(made(x).detach(), model(x).detach())


def test_what_a_list_runs_is_the_originals_own_value():
    """The fault that this prevents: new weights that the result does not follow."""

    class Listed(Two):
        def forward(self, x):
            return self.other(self.place[0](x))

    model, x = Listed(HOLDERS["list"]), numbers(2, 3, 5)
    made = sd.convert(model).model
    before = made(x).detach()
    np.testing.assert_array_equal(before, model(x).detach())
    with torch.no_grad():
        made.up.weight.add_(1)
    assert not torch.equal(made(x), before)


def test_a_function_keeps_the_layers_of_the_original_and_so_all_below_it():
    reasons = sd.inspect(Two(a_function_of_the_whole)).set_index("name")["reason"]
    assert all("the model also reaches it as up.place" in reasons[name] for name in reasons.index)


def test_a_global_that_the_code_reads_is_seen():
    rows = sd.inspect(OfAGlobal()).set_index("name")
    assert list(rows["verdict"]) == ["refuse", "convert"]
    assert "OfAGlobal.forward" in rows["reason"]["up"]


def test_a_layer_that_runs_all_the_same_is_noticed_by_the_verification():
    class Hidden(Two):
        def forward(self, x):
            return self.other(sys.modules[__name__].HIDDEN["up"](x))

    model = Hidden()
    HIDDEN["up"] = model.up
    inputs = {"x": np.stack([numbers(2, 3, 5), numbers(2, 3, 5) * 2])}
    with refused("the converted module still runs a layer that its twin replaced") as caught:
        sd.convert(model, inputs=inputs)
    assert caught.value.where == "up"
    assert not model.up._forward_pre_hooks
    assert sd.convert(model, inputs=inputs, layers="other").report.verification


def test_what_is_registered_alone_is_converted():
    def allowed(m):
        m.again = nn.ModuleList([m.up])  # registered twice
        m.blocks = [m.again]  # holds what holds the layer
        m.shapes, m.config = [(3, 4)], {"act": torch.relu, "kind": nn.ConvTranspose1d}
        m.weights = [m.up.weight]
        m.back = m.up  # a third name
        m.scale = lambda x: x * 2
        object.__setattr__(m, "itself", m)

    model, x = Two(allowed), numbers(2, 3, 5)
    assert not [one for one in held(model) if isinstance(one, nn.ConvTranspose1d)]
    made = sd.convert(model).model
    assert made.blocks[0][0] is made.back is made.up
    assert type(made.up) is sd.torch.SplitConvTranspose1d
    np.testing.assert_array_equal(made(x).detach(), model(x).detach())


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_a_compiled_module_runs_the_twins(called, inside):
    model, x = Two(), numbers(2, 3, 5)
    right = model(x).detach()
    if inside:
        model.compile(backend="eager")
    else:
        model = torch.compile(model, backend="eager")
    if called:
        model(x)
    result = sd.convert(model)
    assert result.report.converted == 2
    np.testing.assert_array_equal(result.model(x).detach(), right)
    with torch.no_grad():
        for parameter in result.model.parameters():
            parameter.zero_()
    assert not result.model(x).any()


def replaced(layer):
    """A method of the instance."""

    def forward(self, input, output_size=None):
        return type(self).forward(self, input) * 10

    layer.forward = types.MethodType(forward, layer)


OWN = {
    "buffer": (lambda layer: layer.register_buffer("extra", torch.ones(3)), "extra"),
    "submodule": (lambda layer: layer.add_module("sub", nn.Linear(2, 2)), "sub"),
    "hook": (lambda layer: layer.register_state_dict_pre_hook(print), "_state_dict_pre_hooks"),
    "forward": (replaced, "forward"),
    "part": (
        lambda layer: setattr(layer, "_output_padding", lambda *given: [1]),
        "_output_padding",
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_a_layer_with_parts_that_a_twin_lacks_is_refused(name):
    change, word = OWN[name]
    model = Two(lambda m: change(m.up))
    rows = sd.inspect(model).set_index("name")
    assert list(rows["verdict"]) == ["refuse", "convert"]
    assert word in rows["reason"]["up"]
    with refused("which its twin would lack"):
        sd.torch.SplitConvTranspose1d.of(model.up)


@pytest.mark.filterwarnings("ignore")  # of parameters without elements
def test_filters_without_elements_are_refused_alone():
    class Empty(Two):
        def __init__(self):
            super().__init__(lambda m: setattr(m, "none", nn.ConvTranspose1d(3, 0, 4, 2)))

    rows = sd.inspect(Empty()).set_index("name")
    assert rows["reason"]["none"] == "its filters have no elements"
    assert sd.convert(Empty()).report.converted == 2

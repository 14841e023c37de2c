"""Build programs with JAX, and compile them for a TPU or a local device.

`child` runs this module in a prepared environment: Keras on the jax backend, and the settings that
libtpu needs without a TPU. See `libtpu.measure` for the contents of a case.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.experimental.layout import Format, Layout
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun
from jax.sharding import SingleDeviceSharding

from ...core.apply import apply
from ...core.layer import Layer
from ...errors import SplitDeconvError
from . import hlo

#: A result of `libtpu.cases`.
Case: TypeAlias = Mapping[str, Any]
#: A function of weights and inputs, and the shapes of both; of weights that are known, the weights.
Program: TypeAlias = tuple[Callable[..., Any], Any, Any]


def estimate(case: Case) -> list[dict[str, Any]]:
    """The operations of one case's ahead-of-time compiled program, as records."""
    compute, shapes = folded(*program(case))[1:]
    compiled = compiled_for(_device(case["topology"]), compute, shapes)
    return hlo.operations(compiled.as_text()).to_dict("records")


def folded(
    function: Callable[..., Any], weights: Any, x: Any
) -> tuple[Callable[..., Any], Callable[..., Any], list[jax.ShapeDtypeStruct]]:
    """Split a function of weights and an input, to compute once what depends only on the weights.

    The filters of a deployed model are split on the host. If this were left in the program, it
    would be charged for every run.

    Args:
        function: ``function(weights, x)``.
        weights: shapes or arrays, in any structure.
        x: shape of the input, or shapes of several in any structure.

    Returns:
        ``prepare(*leaves of weights) -> constants``, ``compute(*constants, *leaves of x) ->
        outputs``, and the shapes of the arguments of ``compute``.
    """
    closed = jax.make_jaxpr(function)(weights, x)
    jaxpr, count = closed.jaxpr, len(jax.tree.leaves(weights))
    fixed, moving = set(jaxpr.invars[:count]), set(jaxpr.invars[count:])
    # Equations that depend on neither go into both, where they are constants and not arguments.
    early, late = list[Any](), list[Any]()
    for equation in jaxpr.eqns:
        inputs = {v for v in equation.invars if not isinstance(v, Literal)}
        depends = moving if inputs & moving else fixed if inputs & fixed else set()
        depends.update(equation.outvars)
        if depends is not fixed:
            late.append(equation)
        if depends is not moving:
            early.append(equation)
    used = [v for equation in late for v in equation.invars] + jaxpr.outvars
    constants = list(dict.fromkeys(v for v in used if not isinstance(v, Literal) and v in fixed))

    def part(
        invars: Sequence[Any], equations: Sequence[Any], outvars: Sequence[Any]
    ) -> Callable[..., Any]:
        program = jaxpr.replace(invars=invars, outvars=outvars, eqns=equations)
        return jaxpr_as_fun(ClosedJaxpr(program, closed.consts))

    invars = constants + jaxpr.invars[count:]
    shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in invars]
    return part(jaxpr.invars[:count], early, constants), part(invars, late, jaxpr.outvars), shapes


def program(case: Case) -> Program:
    """A case's function of weights and inputs, and their shapes.

    The weights of a network that is to be timed are its own, drawn from a seed or read from a file:
    only with weights of a trained network's scale do values stay apart through all layers.
    """
    return {"layer": _layer, "network": _network, "chain": _chain}[case["kind"]](case)


def _layer(case: Case) -> Program:
    (layer,), dtype = case["layers"], jnp.dtype(case["dtype"])
    planned = Layer.from_row(layer).plan(case["form"])
    filters = (layer["k_h"], layer["k_w"], layer["c_out"] // layer["groups"], layer["c_in"])
    image = (case["batch"], layer["in_h"], layer["in_w"], layer["c_in"])
    return (
        lambda w, x: apply(planned, x, w, interleave=case["interleave"]),
        jax.ShapeDtypeStruct(filters, dtype),
        jax.ShapeDtypeStruct(image, dtype),
    )


def _network(case: Case) -> Program:
    """A benchmark network by name, or the model in a .keras file."""
    from ...convert import convert
    from ...networks import build, names

    known, form = case["model"] in names(), case["form"]
    options: dict[str, Any] = {}
    if form == "auto":
        options["target"] = case["target"]
    if known:
        deconv = "native" if form == "auto" else form
        seed = None if case["topology"] else 0
        model = build(case["model"], deconv, seed=seed, dtype=case["dtype"])
    elif form != "nzp":
        from ...formats.keras.model import KerasModel

        with open(case["model"], "rb") as file:
            model = KerasModel.parse(file.read()).serialize()
        options["form"] = form
    else:
        raise SplitDeconvError(
            "the zero-insertion baseline is only available for built-in networks",
            where="form nzp",
            expected="a benchmark network",
            got=f"the file {case['model']}",
            fix="omit the form nzp",
        )
    if form == "auto" or (not known and form != "native"):
        options["static_batch"] = case["batch"]  # the best choice may depend on it
        model = convert(model, verify=False, **options).model
    for layer in model.layers:
        if hasattr(layer, "interleave") and form != "auto":
            layer.interleave = case["interleave"]
    shapes = [tuple(x.shape[1:]) for x in model.inputs]
    if any(None in shape for shape in shapes):
        raise SplitDeconvError(
            "the inputs of the model must have a fixed size",
            where=f"model {case['model']}",
            expected="fixed sizes, except for the batch",
            got=f"inputs {shapes}",
            fix="save the model with inputs of fixed size",
        )
    inputs: Any = [
        jax.ShapeDtypeStruct((case["batch"], *x.shape[1:]), jnp.dtype(x.dtype))
        for x in model.inputs
    ]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    shape_only = jax.ShapeDtypeStruct
    weights = [
        [shape_only(v.shape, v.dtype) if case["topology"] else v.value for v in part]
        for part in _variables(model)
    ]
    return lambda w, x: model.stateless_call(*w, x, training=False)[0], weights, inputs


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def _chain(case: Case) -> Program:
    """A chain of only the transposed convolutions of a network, each followed by bias and ReLU."""
    from .phase_chain import run_phases_apart

    dtype, layers = jnp.dtype(case["dtype"]), case["layers"]
    weights = [
        (
            jax.ShapeDtypeStruct((a["k_h"], a["k_w"], a["c_out"], a["c_in"]), dtype),
            jax.ShapeDtypeStruct((a["c_out"],), dtype),
        )
        for a in layers
    ]

    def apart(weights: Any, x: Any) -> Any:
        plans = [Layer.from_row(row).plan("stacked") for row in layers]
        return run_phases_apart(plans, x, weights, jax.nn.relu)

    def each(weights: Any, x: Any) -> Any:
        for row, (w, b) in zip(layers, weights, strict=True):
            planned = Layer.from_row(row).plan(case["form"])
            x = jax.nn.relu(apply(planned, x, w, interleave=case["interleave"]) + b)
        return x

    shape = (case["batch"], layers[0]["in_h"], layers[0]["in_w"], layers[0]["c_in"])
    return apart if case["form"] == "apart" else each, weights, jax.ShapeDtypeStruct(shape, dtype)


@cache
def _device(topology: str) -> Any:
    return topologies.get_topology_desc(platform="tpu", topology_name=topology).devices[0]


def compiled_for(device: Any, function: Callable[..., Any], shapes: Sequence[Any]) -> Any:
    """The program for one device in its preferred layouts, which a network would use as well."""
    free = Format(Layout.AUTO, SingleDeviceSharding(device))
    return jax.jit(function, in_shardings=free, out_shardings=free).lower(*shapes).compile()

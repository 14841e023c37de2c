"""The format of ONNX: protocol buffers, run by ONNX Runtime on the CPU."""

from ...extras import require
from ..content import content
from ..format import Format
from ..graph import Node, alive
from ..port import DEFINITION, Runner
from ..recognition import wire


class Onnx(Format):
    """See `splitdeconv.formats.format`; what a method needs is imported when it is called."""

    name = "onnx"
    alone = (DEFINITION,)
    sized = True

    def begins(self, head):
        return wire.is_onnx(head)

    def source(self, path):
        return path

    def bytes_outside(self, model, path):
        from .storage.outside import refers_to_files

        return self.parse(model, path).bytes_outside if refers_to_files(model) else 0

    def parse(self, data, path=None):
        from .model import OnnxModel

        return OnnxModel.parse(data, path=path)

    def load(self, model, path=None, kernels="default", native=False, threads=None):
        if kernels == DEFINITION:
            from .definition import Defined

            defined = Defined(content(model), path)
            return {"": Runner(defined.inputs, defined)}
        from .runtime import load

        return load(model, path, kernels, threads)

    def cut(self, original, converted, site, folder=None):
        from .cut import cut

        return cut(original, converted, site, folder)

    def spoiled(self, model, site):
        """The model with the operator's result negated."""
        from .graph import scopes

        onnx = require("onnx", "onnx")
        proto = onnx.load_model_from_string(content(model))
        graph = scopes(proto)[site.key.place].graph
        index, node = next(
            (i, n) for i, n in enumerate(graph.node) if n.output[:1] == site.key.node.output[:1]
        )
        name = node.output[0]
        node.output[0] = f"{name}_before_negation"
        graph.node.insert(index + 1, onnx.helper.make_node("Neg", [node.output[0]], [name]))
        return proto.SerializeToString()

    def tables(self, model):
        from .indices import tables

        return tables(model)

    def lengths(self, model):
        from .indices import lengths

        return lengths(model)

    def result(self, content, folder):
        from .storage.saving import completed

        return content if folder is None else completed(content, folder)

    def save(self, content, folder, path, overwrite=False):
        from .storage.saving import save

        return (
            super().save(content, folder, path, overwrite)
            if folder is None
            else save(content, folder, path, overwrite)
        )

    def layers(self, data, where, path=None, size=None):
        from .layers import layers

        return layers(content(data), where, size)

    def nodes(self, data):
        graph = require("onnx", "onnx").load_model_from_string(data).graph
        fixed = {tensor.name for tensor in graph.initializer}
        operators = (
            Node(node.op_type, tuple(name for name in node.input if name), tuple(node.output))
            for node in graph.node
        )
        return alive(operators, fixed)


FORMAT = Onnx()

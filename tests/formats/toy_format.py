"""A format for tests: one JSON object with the geometry and filters of one operator.

What stands here is all that a format needs. Another package would name `FORMAT` in an entry point.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import splitdeconv as sd
from splitdeconv.core.definition import conv_transpose
from splitdeconv.formats.cut import Cut
from splitdeconv.formats.format import Format
from splitdeconv.formats.input_shapes import ModelInput
from splitdeconv.formats.model import Model
from splitdeconv.formats.port import Input, Runner
from splitdeconv.formats.site import Site

MAGIC = b"TOY1"


class ToyModel(Model):
    """One layer."""

    def __init__(self, held):
        self.held = held
        self.filters = np.array(held["filters"], "f4")
        self.plan = sd.plan(held["size"], self.filters.shape[:2], held["strides"], held["padding"])

    def sites(self):
        if self.held.get("form"):
            return []
        *_, out_channels, in_channels = self.filters.shape
        return [
            Site("up", "Deconv", self.plan.axes, 1, in_channels, out_channels, "float32", key=0)
        ]

    def operators(self):
        return [("SplitDeconv" if self.held.get("form") else "Deconv", 1)]

    def inputs(self):
        return [ModelInput("x", (1, *self.held["size"], self.filters.shape[3]))]

    def apply(self, decisions):
        for decision in decisions:
            if decision.verdict == "convert":
                self.held = {**self.held, "form": decision.form}

    def serialize(self):
        return MAGIC + json.dumps(self.held).encode()


class Toy(Format):
    """Run by NumPy: as the definition has it, or split."""

    name = "toy"
    kernels = ("default",)

    def begins(self, head):
        return head[: len(MAGIC)] == MAGIC

    def parse(self, data, path=None):
        data = data.read_bytes() if isinstance(data, Path) else data
        return ToyModel(json.loads(data.removeprefix(MAGIC)))

    def load(self, model, path=None, kernels="default", native=False, threads=None):
        toy = self.parse(model)

        def run(feed):
            if toy.held.get("form"):
                plan = replace(toy.plan, form=toy.held["form"])
                return {"y": np.asarray(sd.apply(plan, feed["x"], toy.filters))}
            return {"y": conv_transpose(feed["x"], toy.filters, toy.plan).astype("f4")}

        return {"": Runner((Input("x", np.dtype("f4"), toy.inputs()[0].shape),), run)}

    def cut(self, original, converted, site, folder=None):
        return Cut(original, converted)


FORMAT = Toy()

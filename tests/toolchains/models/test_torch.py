"""The published decoders as PyTorch modules: their layers fit, and weights are the trained ones."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import splitdeconv as sd
from splitdeconv.formats.pt2.archive import file
from splitdeconv.toolchains.models import torch as models
from tests.formats.pt2.programs_torch import export, run
from tests.refusals import refused

LAYERS = models.decoders()


@pytest.mark.parametrize("network", LAYERS["network"].unique())
def test_the_layers_of_a_decoder_follow_each_other(network):
    rows = LAYERS[LAYERS["network"] == network].to_dict("records")
    for one, following in pairwise(rows):
        out = (one["length"] - 1) * one["stride"] - 2 * one["padding"] + one["kernel"]
        assert following["length"] == out
        assert following["c_in"] == one["c_out"]
    assert all(len(row["source"]) > 20 for row in rows)


@pytest.mark.parametrize(
    ("network", "name"), [("dcgan", "up5"), ("dac", "up1"), ("unetr", "decoder2")]
)
def test_a_layer_is_a_module_with_an_input(network, name):
    row = LAYERS.set_index(["network", "layer"]).loc[network, name]
    module, x = models.layer(network, name)
    assert x.shape == (1, row["c_in"], *[row["length"]] * row["axes"])
    assert module(x).shape[1] == row["c_out"]
    again, same = models.layer(network, name)
    other, _ = models.layer(network, name, seed=1)
    assert torch.equal(module.weight, again.weight)
    assert torch.equal(x, same)
    assert not torch.equal(module.weight, other.weight)
    assert not module.training


def test_the_generator_makes_the_images_of_the_trained_weights():
    module = models.generator("face_dcgan")
    latents = sd.pretrained.samples("face_dcgan", 2)
    made = module(torch.from_numpy(latents)[:, :, None, None]).detach().numpy()
    right = np.asarray(sd.pretrained.load("face_dcgan")(latents)).transpose(0, 3, 1, 2)
    assert right.std() > 0.2
    # float32 sums of up to 4x4x512 products in two orders; tanh bounds the values by 1.
    np.testing.assert_allclose(made, right, atol=1e-4)


def test_a_program_computes_what_its_module_does():
    module, x = models.layer("unetr", "decoder5")
    program = file.load(models.program(module, x), "the program")
    torch.testing.assert_close(run(program, x), module(x))
    assert models.operators(program).to_dict() == {"aten.conv_transpose3d.input": 1}


def test_operators_are_counted():
    class Twice(torch.nn.Module):
        def forward(self, x):
            return torch.relu(torch.relu(x) + 1)

    counted = models.operators(export(Twice(), torch.ones(2)))
    assert counted.to_dict() == {"aten.relu.default": 2, "aten.add.Tensor": 1}


def test_unknown_names_and_other_weights_are_refused(monkeypatch):
    with refused("unknown network"):
        models.layer("vgg", "up1")
    with refused("unknown layer of dac"):
        models.layer("dac", "up9")
    with refused("unknown generator"):
        models.generator("eye_cdcgan")
    whole = sd.pretrained.read_checkpoint
    monkeypatch.setattr(
        models.pretrained,
        "read_checkpoint",
        lambda path: {key: dict(list(part.items())[:-1]) for key, part in whole(path).items()},
    )
    with refused("the weights do not fit the generator"):
        models.generator("face_dcgan")

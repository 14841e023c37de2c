"""Which trained generator stands for which network; runs and documents rely on no other."""

from pathlib import Path

from splitdeconv import networks
from splitdeconv.pretrained import names, of_network
from tools import runs

ROOT = Path(__file__).resolve().parents[2]


def test_each_generator_stands_for_one_network_of_its_kind():
    found = {network: of_network(network) for network in networks.names()}
    assert {network: name for network, name in found.items() if name} == {
        "dcgan": "face_dcgan",
        "artgan": "eye_cdcgan",
        "fst": "vintage_cyclegan",
    }
    assert {name for name in found.values() if name} == set(names())
    assert of_network("face_dcgan") is None


def test_images_are_promised_for_these_networks_and_for_no_other():
    promised = {
        run.parameters["network"]: f"03_{run.parameters['network']}_images" in run.figures
        for run in runs.read_all(ROOT)
        if run.notebook.stem == "03_benchmark"
    }
    assert promised == {network: of_network(network) is not None for network in networks.names()}

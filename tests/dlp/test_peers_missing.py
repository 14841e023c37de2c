"""Simulators are run again for those runs alone of which no rows were kept."""

import numpy as np
import pandas as pd

from splitdeconv.study import measured
from tools.peers import __main__ as peers


def test_only_what_is_missing_is_run_and_other_rows_stay(tmp_path, monkeypatch):
    """A run of SCALE-Sim and one of ZigZag are taken out of what was kept."""
    out = {
        peers.PEERS["scalesim"]: ("sngan", "sd", "16x16", "output_stationary"),
        peers.PEERS["zigzag"]: ("dcgan", "nzp", "32x7", "output_stationary"),
    }
    tables = {name: measured.read(name) for name in peers.WRITTEN}
    less = {}
    for name, table in tables.items():
        keys = table[["peer", "network", "method", "array", "dataflow"]]
        gone = [out[row[0]] == row[1:] for row in keys.itertuples(index=False, name=None)]
        less[name] = table[~np.array(gone)]
    assert [len(tables[name]) - len(less[name]) for name in peers.WRITTEN] == [5 + 3, 3]
    asked, written = [], {}
    rows = {"ours": [1], "theirs": [2], "same": [True], "layer": ["new"], "times": [1]}

    def compared(run, runs):
        counted = pd.DataFrame(rows).assign(**run.labels)
        energy = {name: [3.0] for name in tables["peers_energy"].columns[3:9]}
        spent = pd.DataFrame({"layer": ["new"], "kind": "deconv", **energy}).assign(**run.labels)
        return counted, spent if run.peer == "zigzag" else None

    monkeypatch.setattr(peers, "run_all", asked.extend)
    monkeypatch.setattr(peers.Run, "compared", compared)
    monkeypatch.setattr(peers.measured, "read", less.get)
    monkeypatch.setattr(peers.measured, "write", lambda name, table: written.update({name: table}))
    peers.main(tmp_path, "missing")
    runs = tmp_path / "peers" / "runs"
    folders = {
        "scalesim": runs / "scalesim_sngan_sd_pe_array_16x16_output_stationary",
        "zigzag": runs / "zigzag_dcgan_nzp_pe_array_32x7_output_stationary",
    }
    assert {job.peer: list(job.folders) for job in asked} == {
        peer: [folder] for peer, folder in folders.items()
    }
    assert {folder.name for folder in runs.iterdir()} == {
        folder.name for folder in folders.values()
    }
    for name, news in (("peers_cycles", 2), ("peers_energy", 1)):
        new = written[name]["layer"] == "new"
        assert new.sum() == news
        assert written[name][~new]["date"].tolist() == less[name]["date"].tolist()

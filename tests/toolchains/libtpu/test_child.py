"""The process that compiles for TPUs: it may die, hang or print, and the next case goes on."""

import pytest

from splitdeconv.toolchains import libtpu
from tests.toolchains.libtpu.subject import NATIVE, SUBJECT
from tests.toolchains.needs import needs

pytestmark = pytest.mark.slow
needs_compiler, needs_jax = needs("jax", "libtpu"), needs("jax")


@needs_compiler
def test_what_libtpu_refuses_is_a_reason_and_the_next_goes_on():
    first, second = libtpu.cases([SUBJECT], generations=["v2", "v3"], variants=NATIVE)
    found = libtpu.measure([{**first, "topology": "v99:2x2"}, second])
    assert "v99" in found["reason"][0]
    assert found["cycles"][1] > 0


@needs_compiler
def test_compiling_leaves_no_file_behind():
    import tempfile
    from pathlib import Path

    def logs():
        return set(Path(tempfile.gettempdir()).glob("tpu_logs/*"))

    before = logs()
    assert (
        libtpu.measure(libtpu.cases([SUBJECT], generations=["v2"], variants=NATIVE))["reason"]
        .isna()
        .all()
    )
    assert logs() <= before


STAND_IN = """
import json, os, signal, sys, time
copy = {"name": "a", "opcode": "copy", "shape": "", "bytes": 1, "cycles": 7, "kind": "other"}
for line in sys.stdin:
    (case,) = json.loads(line)
    if case["batch"] == 1: sys.exit("out of memory, says the compiler")
    if case["batch"] == 2: time.sleep(60)
    if case["batch"] == 3: print("I0000 hello")
    elif case["batch"] == 5: os.kill(os.getpid(), signal.SIGKILL)
    elif case["batch"] == 6: sys.stdout.buffer.write(b"\\xff\\xfe\\n")
    elif case["batch"] == 7: print("x" * 3_000_000)
    elif case["batch"] == 8: print("7")
    elif case["batch"] == 9: print("[]")
    elif case["batch"] == 10: print("[[], []]")
    elif case["batch"] == 11: print('{"cycles": 1}')
    else: print(json.dumps([[copy]]))
    sys.stdout.flush()
"""


@needs_compiler
def test_a_process_that_ends_hangs_or_rambles_is_a_reason_and_the_next_goes_on(
    monkeypatch, tmp_path
):
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(libtpu, "_CHILD", "stand_in")
    cases = libtpu.cases([SUBJECT], generations=["v2"], batches=range(1, 13), variants=NATIVE)
    found = libtpu.measure(cases, timeout=3)
    assert found["reason"][0] == "the process ended with code 1: out of memory, says the compiler"
    assert found["reason"][1] == "took longer than 3 s"
    assert found["reason"][2] == "unexpected answer: 'I0000 hello'"
    assert (
        found["reason"][4]
        == "the process was ended by signal 9 (Killed), as the system does when memory runs out"
    )
    assert found["reason"][5] == "unexpected answer: '\ufffd\ufffd'"
    assert found["reason"][6] == f"unexpected answer: '{'x' * 80}'"
    for place, said in ((7, "7"), (8, "[]"), (9, "[[], []]"), (10, "{'cycles': 1}")):
        assert found["reason"][place] == f"unexpected answer: {said}"
    assert found["cycles"].dropna().to_dict() == {3: 7, 11: 7}


@needs_jax
def test_what_is_printed_while_jax_is_imported_is_no_answer(monkeypatch, tmp_path):
    # A plugin of JAX that greets, and a JAX that is broken, as a wrong jaxlib makes it.
    (tmp_path / "jax_plugins").mkdir()
    (tmp_path / "jax_plugins" / "loud.py").write_text(
        "print('hello')\ndef initialize(): print('again')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cases = libtpu.cases([SUBJECT], generations=[libtpu.HERE], dtypes=["float32"], variants=NATIVE)
    assert libtpu.measure(cases, turns=3, budget=1)["reason"].isna().all()
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text(
        "print('hello')\nraise RuntimeError('jaxlib is of another version')\n"
    )
    found = libtpu.measure(cases, turns=3, budget=1)
    assert found["reason"].tolist() == ["RuntimeError: jaxlib is of another version"]

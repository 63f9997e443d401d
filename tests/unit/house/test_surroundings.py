"""The library does not depend on the reader's language, clock or network."""

import os
import socket
import subprocess
import sys

import pytest

from fpnlib.claims import all_claims

PROGRAM = """
from fpnlib.claims import verdicts
from fpnlib.explore import all_explorers
planner = all_explorers()["research_planner"]()
print(repr(verdicts()).encode())
print(planner.readout.encode())
"""


def said(**environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], env=os.environ | environment, capture_output=True, check=True
    )
    return done.stdout


def test_language_and_clock_change_nothing():
    here = said(LC_ALL="C.UTF-8", TZ="UTC")
    assert here.count(b"\\n") >= len(all_claims()) - 1
    elsewhere = {"TZ": "Asia/Kathmandu", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    assert said(LC_ALL="C", PYTHONCOERCECLOCALE="0", **elsewhere) == here


def test_stored_weights_and_explorers_need_no_network(monkeypatch):
    def refuse(*address):
        raise OSError(f"no network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", 9))
    from fpnlib.models import HED, EfficientNetLite0, PNet
    from fpnlib.notes.segmentation_difficulties.explorers import superpixels

    for model in (EfficientNetLite0, HED, PNet):
        assert not model.pretrained().training
    assert superpixels().readout

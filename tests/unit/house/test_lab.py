import re
from types import SimpleNamespace

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.util import import_object

from fpnlib.lab import Prompt
from repository import ROOT


@pytest.mark.parametrize("file", ["Makefile", "README.md", "tests/support/lab.py"])
def test_readers_and_tests_have_the_connection_that_sends_at_once(file):
    named = re.findall(r"kernel_websocket_connection_class=([\w.]+)", (ROOT / file).read_text())
    assert [import_object(name) for name in named] == [Prompt]


def test_the_socket_keeps_nothing_back_before_the_first_message(monkeypatch):
    done = []
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: done.append("connected"))
    connection = Prompt.__new__(Prompt)
    handler = SimpleNamespace(set_nodelay=lambda on: done.append(f"no delay {on}"))
    monkeypatch.setattr(Prompt, "websocket_handler", handler)
    connection.connect()
    assert done == ["no delay True", "connected"]

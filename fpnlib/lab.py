"""What `make lab` tells JupyterLab's server: to send each answer at once."""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class Prompt(ZMQChannelsWebsocketConnection):
    """The connection between kernel and page, without Nagle's algorithm.

    A kernel says "busy" before each picture, and TCP would keep a picture of less than one packet (64 kB on one's own
    machine) until the page has confirmed that word, for which Linux takes 40 ms. For
    `--ServerApp.kernel_websocket_connection_class`.
    """

    def connect(self) -> Any:
        """Connect, as Jupyter's own class does."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()

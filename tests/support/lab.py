"""A JupyterLab of its own on a copy of the book, and a browser's view of one notebook in it."""

import ctypes
import json
import math
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright

START_SECONDS, RUN_SECONDS, STEP_SECONDS = 60, 120, 15
LOOK_EVERY = 100  # milliseconds; at every frame, which is what Playwright does untold, looking costs more than showing
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # All cells are drawn at once, so that those further down can be asked for their pictures.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
PROMPT = ".jp-Notebook .jp-CodeCell .jp-InputPrompt"
ERROR = ", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr"))
# JupyterLab draws markdown after the cells, and gives each picture its address after that.
SETTLED = """() => {
  const markdown = [...document.querySelectorAll(".jp-Notebook .jp-MarkdownCell")];
  const images = [...document.querySelectorAll(".jp-Notebook img")];
  return markdown.every(cell => cell.querySelector(".jp-RenderedMarkdown")?.childElementCount)
    && images.every(image => image.getAttribute("src") && image.complete);
}"""
MOVED = "([explorer, before]) => explorer.dataset.state !== before"
AT_REST = """explorer => {
  const picture = explorer.querySelector(".fpnlib-picture");
  return picture.dataset.final === "true" && picture.dataset.state === explorer.dataset.state && !explorer.ariaBusy;
}"""
# Digests the bytes behind an explorer's picture.
PICTURE = """async image => {
  const blob = await (await fetch(image.src)).blob();
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest)).join(" ");
}"""


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    address: str
    token: str
    book: Path

    def url(self, notebook: str) -> str:
        """Return the address that opens a notebook in a fresh workspace."""
        return f"{self.address}/lab/tree/{notebook}?reset&token={self.token}"


@contextmanager
def jupyter_lab(folders: list[Path], home: Path) -> Iterator[Server]:
    """Serve a copy of `folders`, with every setting and trace of it inside `home`."""
    book = home / "book"
    for folder in folders:
        shutil.copytree(folder, book / folder.name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    names = ["CONFIG", "DATA", "RUNTIME"]
    environment = os.environ | {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in names}
    environment |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    environment |= {"IPYTHONDIR": str(home / "ipython")}
    for name, values in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16), book)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={server.token}", "--allow-root"]
    command += [f"--ServerApp.root_dir={book}", "--LabApp.extension_manager=readonly"]
    command += ["--ServerApp.kernel_websocket_connection_class=fpnlib.lab.Prompt"]
    bound = _end_with_parent if sys.platform == "linux" else None
    with (
        (home / "server.log").open("w") as log,
        subprocess.Popen(
            command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT, preexec_fn=bound
        ) as process,
    ):
        try:
            _wait_for(server, process, home / "server.log")
            yield server
        finally:
            process.terminate()  # JupyterLab stops its kernels on the way out
            try:
                process.wait(STEP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


# Loaded here, for little is safe between fork and exec.
_C = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, of whatever; Chromium and kernels see that for themselves."""
    _C.prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.address}/api/status?token={server.token}", timeout=5):
                return
        except (URLError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def launch(playwright: Playwright, chromium: str) -> Browser:
    """Start an installed Chromium."""
    return playwright.chromium.launch(executable_path=chromium, args=FLAGS)


class OpenNotebook:
    """One notebook of so many cells in a browser."""

    def __init__(self, page: Page, address: str, cells: int) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(STEP_SECONDS * 1000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.goto(address)
        last = page.locator(".jp-NotebookPanel .jp-Notebook .jp-Cell").nth(cells - 1)
        last.wait_for(timeout=START_SECONDS * 1000)
        page.wait_for_function(SETTLED, polling=LOOK_EVERY)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")

    def broken_images(self) -> list[str]:
        """Return the addresses of pictures in cells that did not load."""
        self.page.wait_for_function(SETTLED, polling=LOOK_EVERY)  # pictures may have come since the notebook was opened
        return self.page.locator(".jp-Notebook img").evaluate_all(
            "images => images.filter(i => !i.naturalWidth).map(i => i.src.slice(0, 100))"
        )

    def run_all(self, seconds: float = RUN_SECONDS) -> None:
        """Run all cells through the menu and wait until the last is done, or one has failed; so long at most."""
        # The notebook's own indicator says "idle" even before there is a kernel, and then nothing would run.
        self.page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle").wait_for(
            timeout=START_SECONDS * 1000
        )
        self.page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
        self._forget_prompts()
        self._choose("Run", "Run All Cells")
        self._wait_for_prompts(seconds)

    def restart_and_run_all(self) -> None:
        """Restart the kernel, which all live explorers lose, and run all cells again."""
        self._forget_prompts()
        self._choose("Kernel", "Restart Kernel and Run All Cells…")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self._wait_for_prompts(RUN_SECONDS)

    def _choose(self, menu: str, item: str) -> None:
        for name in (menu, item):
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def _forget_prompts(self) -> None:
        # The prompts are those of a finished run; without them only new ones can be seen.
        self.page.evaluate(f"document.querySelectorAll('{PROMPT}').forEach(prompt => prompt.textContent = '')")

    def _wait_for_prompts(self, seconds: float) -> None:
        """Wait until all cells have run in a fresh kernel, or one has failed."""
        self.page.wait_for_function(
            f"""() => {{
                const prompts = [...document.querySelectorAll('{PROMPT}')].map(prompt => prompt.textContent);
                return document.querySelector('{ERROR}') || prompts.every((text, i) => text === `[${{i + 1}}]:`);
            }}""",
            timeout=seconds * 1000,
            polling=LOOK_EVERY,
        )

    def cell_errors(self) -> list[str]:
        """Return the text of every error and of everything on stderr in the cells' outputs."""
        return self.page.locator(ERROR).all_inner_texts()

    def explorers(self) -> list["OpenExplorer"]:
        """Return the live explorers of the page, top to bottom."""
        return [OpenExplorer(self.page, root) for root in self.page.locator(".fpnlib-explorer").all()]

    def screenshots(self, folder: Path, name: str) -> None:
        """Save the whole notebook as one picture per screenful: name-1.png, name-2.png, …"""
        folder.mkdir(parents=True, exist_ok=True)
        area = self.page.locator(".jp-Notebook .jp-WindowedPanel-outer, .jp-Notebook.jp-WindowedPanel-outer").first
        height = area.evaluate("area => (area.scrollTop = 0, area.clientHeight)")
        # Below the last cell JupyterLab leaves a screen of white.
        whole = area.evaluate(
            """area => [...area.querySelectorAll(".jp-Cell")].at(-1).getBoundingClientRect().bottom
                       - area.getBoundingClientRect().top"""
        )
        for number in range(1, 1 + math.ceil(whole / height)):
            area.evaluate("(area, top) => { area.scrollTop = top; }", (number - 1) * height)
            area.screenshot(path=folder / f"{name}-{number}.png")


class OpenExplorer:
    """One live explorer on a page."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.page, self.root = page, root
        self.picture = root.locator("img.fpnlib-picture")
        self.readout = root.get_by_role("status")
        self.slider = root.get_by_role("slider").first

    def at_rest(self) -> tuple[str, str]:
        """Wait for the final picture of the state that is wanted; return the readout and a digest of the picture."""
        self.page.wait_for_function(AT_REST, arg=self.root.element_handle(), polling=LOOK_EVERY)
        return self.readout.inner_text(), self.picture.evaluate(PICTURE)

    def press(self, *keys: str) -> tuple[str, str]:
        """Press keys on the first slider and return what the explorer shows then."""
        self.slider.focus()
        for key in keys:
            before = self.root.get_attribute("data-state")
            self.page.keyboard.press(key)
            self.page.wait_for_function(MOVED, arg=[self.root.element_handle(), before], polling=LOOK_EVERY)
        return self.at_rest()

    def step(self) -> tuple[str, str]:
        """Return the key that moves the first slider away from its place, and the key that moves it back."""
        # Where it lies under "more", it cannot be focused before that is opened.
        self.root.evaluate("root => root.querySelectorAll('.fpnlib-more').forEach(more => more.open = true)")
        value, highest = (float(self.slider.evaluate(f"slider => slider.{name}")) for name in ("value", "max"))
        return ("ArrowRight", "ArrowLeft") if value < highest else ("ArrowLeft", "ArrowRight")

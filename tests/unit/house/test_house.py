"""The repository itself: its settings agree, it names no registry, its layers hold, its pictures have words."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = (ROOT / "constraints.txt").read_text().splitlines()
INSTALL = '-c constraints.txt -e ".[lab,site,test]"'
# What tools make and git ignores; hidden folders other than these two are tools' too.
MADE = {"__pycache__", "build", "out", "site", "fpnlib.egg-info"}
HIDDEN = {".ci", ".github"}


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file of the repository, also where there is no git."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path.name not in MADE and (not path.name.startswith(".") or path.name in HIDDEN):
            yield from files(path)


def normal(requirement: str) -> str:
    """The normal form of the name in a requirement or a pin."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=ROOT)


def test_conda_installs_what_pip_installs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, by_pip = environment["dependencies"]
    assert python == "python=3.11"
    assert pip == "pip"
    assert " ".join(by_pip["pip"]).replace(".[lab,site,test]", '".[lab,site,test]"') == INSTALL


def test_make_and_the_workflow_install_the_same():
    assert f"pip install {INSTALL}\n" in (ROOT / "Makefile").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    job = workflow["jobs"]["test"]
    steps = job["steps"]
    assert steps[-1] == {"run": ".ci/run"}
    assert steps[1]["with"]["python-version"] == "${{ matrix.python }}"
    # Every version that is declared is tried.
    declared = SpecifierSet(PROJECT["project"]["requires-python"])
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(20) if f"3.{minor}" in declared]


def test_every_part_of_ci_runs_and_any_can_fail_it(tmp_path):
    parts = ["test", "test-lab", "test-ledger", "test-threads", "test-avx2", "test-default", "test-site"]
    for failing in (*parts, "nothing"):
        for name in ("make", "chromium"):
            (tmp_path / name).write_text(f'#!/bin/sh\necho "made $1"\n[ "$1" != {failing} ]\n')
            (tmp_path / name).chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run([ROOT / ".ci/run"], env=os.environ | {"PATH": path}, capture_output=True, text=True)
        made = re.findall(r"^made (\S+)$", done.stdout, re.MULTILINE)
        assert made == ["install", "assets", *parts]
        assert (done.returncode == 0) == (failing == "nothing")


@pytest.mark.parametrize(
    ("target", "instructions"), [("test", set()), ("test-avx2", {"AVX2", "avx2"}), ("test-default", {"default"})]
)
def test_make_sets_the_instructions_of_another_processor(target, instructions, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\nenv\n")
    (tmp_path / "python").chmod(0o755)
    command = ["make", "--old-file=install", "--old-file=assets", target, f"BIN={tmp_path}"]
    names = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY")
    plain = {name: value for name, value in os.environ.items() if name not in names}
    said = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(rf"^(?:{'|'.join(names)})=(.+)$", said, re.MULTILINE)) == instructions


def test_every_direct_dependency_is_pinned():
    project = PROJECT["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    assert {normal(name) for name in wanted} - {normal(pin) for pin in PINS} == set()


def test_pins_are_exact_and_torch_is_the_plain_release():
    assert "torch==2.13.0" in PINS
    assert "torch==2.13.0" in PROJECT["project"]["dependencies"]
    assert [pin for pin in PINS if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert [pin for pin in PINS if pin.startswith(("nvidia", "triton"))] == []


def test_no_file_names_a_registry_or_a_download_address():
    # In pieces, for this file is one of those read.
    hosts = ("pypi.|org", "python|hosted", "anaconda.|org", "download.py|torch", "hugging|face.co", "npmjs.|org")
    options = ("index|-url", "find|-links")
    patterns = [re.escape(name.replace("|", "")) for name in hosts + options]
    patterns.append(r"https?://[^\s\"]+\.(?:whl|tar\.gz|tgz|conda)\b")
    named = re.compile("|".join(patterns))
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in files()
        if (match := named.search(path.read_bytes().decode(errors="ignore")))
    }
    assert found == {}
    assert named.search("see https://py" + "pi.org/simple")


def test_layers_hold():
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_everything_below_the_pictures_is_held_to_draw_nothing():
    (contract,) = (c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "forbidden")
    assert {"matplotlib", "ipywidgets"} <= set(contract["forbidden_modules"])
    science = {"metrics", "ops", "models", "schedules", "data", "assets", "training"}
    present = {
        path.stem for path in (ROOT / "fpnlib").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(contract["source_modules"]) == {f"fpnlib.{name}" for name in science & present}


def test_importing_the_library_is_cheap():
    heavy = run("-X", "importtime", "-c", "import fpnlib").stderr
    assert "fpnlib" in heavy
    loaded = {line.rsplit("|", 1)[-1].strip() for line in heavy.splitlines()}
    assert loaded.isdisjoint({"torch", "numpy", "matplotlib", "ipywidgets"})


@pytest.mark.parametrize("options", [["check"], ["format", "--check"]], ids=["rules", "layout"])
def test_code_is_as_ruff_wants_it(options):
    done = run("-m", "ruff", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_knows_only_local_hooks():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    done = run("-m", "pre_commit", "validate-config")
    assert done.returncode == 0, done.stdout


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    library = re.search(r'__version__ = "(.+)"', (ROOT / "fpnlib/__init__.py").read_text())[1]
    assert citation["version"] == library == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]["text"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")

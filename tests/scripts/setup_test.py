"""scripts/lib/setup.sh with stubs in the place of dpkg-query, apt-cache, id, sudo and python3."""

import os
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[2] / "scripts/lib/setup.sh"


@pytest.fixture
def shell(tmp_path):
    stubs = tmp_path / "stubs"
    stubs.mkdir()

    def stub(name, body):
        (stubs / name).write_text(f"#!/bin/bash\n{body}\n")
        (stubs / name).chmod(0o755)

    def run(command):
        script = f'set -euo pipefail; VCAS_ROOT="{tmp_path}"; source "{SETUP}"; {command}'
        environment = os.environ | {"PATH": f"{stubs}:{os.environ['PATH']}"}
        environment.pop("VCAS_SKIP_SYSTEM_PACKAGES", None)
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=environment)

    stub("dpkg-query", "[[ ${*: -1} == present-dev ]] && echo -n installed")
    run.stub, run.root = stub, tmp_path
    return run


def test_nothing_is_installed_when_nothing_is_missing(shell):
    shell.stub("apt-get", "exit 9")
    assert shell("install_system_packages present-dev").returncode == 0


def test_without_root_the_missing_packages_are_named(shell):
    shell.stub("id", "echo 1000")
    shell.stub("sudo", "exit 1")
    done = shell("install_system_packages present-dev absent-dev")
    assert done.returncode == 1
    assert "sudo apt-get install absent-dev\n" in done.stderr


def test_a_release_that_lacks_a_package_is_told_so(shell):
    shell.stub("id", "echo 0")
    shell.stub("apt-get", "[[ $1 == update ]]")
    shell.stub("apt-cache", "exit 0")
    done = shell("install_system_packages absent-dev")
    assert done.returncode == 1
    assert "has no package absent-dev" in done.stderr


def test_the_list_is_updated_once_and_only_missing_packages_are_installed(shell):
    log = shell.root / "log"
    shell.stub("id", "echo 0")
    shell.stub("apt-get", f'echo "$@" >>"{log}"')
    shell.stub("apt-cache", "echo found")
    assert shell("install_system_packages absent-dev present-dev other-dev").returncode == 0
    update, install = log.read_text().splitlines()
    assert update.startswith("update")
    assert install.split()[-2:] == ["absent-dev", "other-dev"]


def test_the_check_of_packages_can_be_left_out(shell):
    assert shell("VCAS_SKIP_SYSTEM_PACKAGES=1; install_system_packages absent-dev").returncode == 0


def test_once_repeats_only_after_a_change_or_a_failure(shell):
    (shell.root / ".venv").mkdir()
    requirements = shell.root / "requirements.txt"
    step = f"once step {requirements} bash -c 'echo ran; exit $0' "
    requirements.write_text("a==1\n")
    assert shell(step + "1").returncode == 1
    assert shell(step + "0").stdout == "ran\n"
    assert shell(step + "0").stdout == ""
    requirements.write_text("a==2\n")
    assert shell(step + "0").stdout == "ran\n"


@pytest.mark.parametrize(("version", "used"), [("2.10.1", 1), ("2.11.0", 0), ("2.14.1+cu130", 0), ("2.15.0", 1), ("3.11.0", 1)])
def test_only_a_torch_of_a_supported_version_is_taken(shell, version, used):
    package = shell.root / "site" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
    done = shell(f'export PYTHONPATH="{shell.root}/site"; importable_torch')
    assert done.returncode == used
    assert done.stdout == ("" if used else f"{shell.root}/site\n")


@pytest.mark.parametrize(("release", "packages"), [("debian", "chromium-headless-shell\n"), ("ubuntu", "")])
def test_a_browser_is_wanted_where_it_is_a_package(shell, release, packages):
    (shell.root / "os-release").write_text(f'ID={release}\nPRETTY_NAME="{release} 1"\n')
    done = shell(f"browser_packages {shell.root}/os-release")
    assert done.returncode == 0
    assert done.stdout == packages


def test_jobs_are_bound_by_cores_and_by_memory(shell):
    shell.stub("nproc", "echo 64")
    shell.stub("awk", "echo 9")
    assert shell("build_jobs").stdout == "4\n"
    shell.stub("nproc", "echo 2")
    assert shell("build_jobs").stdout == "2\n"
    shell.stub("awk", "echo 1")
    assert shell("build_jobs").stdout == "1\n"

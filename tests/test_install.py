"""The one line of set-up: an old Python, a half-made .venv, an address that does not answer.

What it installs is not tried here: every run of these tests stands on it.
"""

import ast
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import install  # noqa: E402

PIN = re.compile(r"\btorch *== *([\w.]+)")


@pytest.fixture
def calls(monkeypatch):
    """The commands that install.py would run, which are not run but for short questions."""
    made, call = [], subprocess.call

    def record(command, **settings):
        made.append(list(map(str, command)))
        return call(command, **settings) if "timeout" in settings else 0

    monkeypatch.setattr(install.subprocess, "call", record)
    return made


# --- what can be wrong before anything is installed ----------------------------------------------


def test_an_old_python_can_read_the_file_and_is_told_what_is_needed(monkeypatch):
    ast.parse((ROOT / "install.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    monkeypatch.setattr(install.sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer.*make PYTHON="):
        install.main([])


def test_another_argument_is_refused():
    with pytest.raises(SystemExit, match="takes --here or nothing, got --hree"):
        install.main(["--hree"])


def test_a_folder_that_is_no_virtual_environment_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("years of work")
    monkeypatch.setattr(install, "VENV", str(tmp_path))
    with pytest.raises(SystemExit, match="is no virtual environment"):
        install.make_venv()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_half_made_environment_is_made_again_and_a_whole_one_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(install, "VENV", str(tmp_path / "venv"))
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = nowhere")
    python = install.make_venv()
    assert "made again" in capsys.readouterr().out
    assert subprocess.call([python, "-c", "import pip"]) == 0
    (tmp_path / "venv" / "mine").touch()
    assert install.make_venv() == python and (tmp_path / "venv" / "mine").exists()
    assert capsys.readouterr().out == ""


def test_without_the_venv_module_the_package_that_brings_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "VENV", str(tmp_path / "venv"))
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # an import then fails
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        install.make_venv()


# --- PyTorch -------------------------------------------------------------------------------------


@pytest.fixture
def linux(monkeypatch):
    """A Linux without a GPU and without PyTorch, whose pip knows no other place to look."""
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    works = install.works

    def without_torch(python, *arguments):
        return "-c" not in arguments and works(python, *arguments)

    monkeypatch.setattr(install, "works", without_torch)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.mark.parametrize("address", ["refused", "silent"])
def test_an_address_that_does_not_answer_costs_seconds_and_one_line(
    address, linux, calls, monkeypatch, capsys
):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        if address == "silent":
            hole.listen()  # takes the connection and says nothing
            monkeypatch.setattr(install, "SECONDS", 6)  # 20 for readers
        monkeypatch.setattr(install, "TORCH_INDEX", f"http://127.0.0.1:{hole.getsockname()[1]}/cpu")
        start = time.monotonic()
        install.install_torch(sys.executable)
        assert time.monotonic() - start < 30
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and "the ordinary build follows" in lines[0]
    assert not [command for command in calls if "install" in command]


def test_the_cpu_build_is_fetched_from_its_own_address_alone(linux, calls, monkeypatch):
    monkeypatch.setattr(install, "works", lambda python, *rest: "-c" not in rest)
    install.install_torch(sys.executable)
    [command] = calls
    assert command[command.index("--index-url") + 1] == install.TORCH_INDEX
    assert "--no-deps" in command and f"torch=={pinned()}" in command


@pytest.mark.parametrize("reason", ["another system", "a GPU", "installed"])
def test_the_cpu_build_is_not_fetched_where_it_is_not_needed(reason, linux, calls, monkeypatch):
    monkeypatch.setattr(install, "works", lambda *command: reason == "installed")
    if reason == "another system":
        monkeypatch.setattr(install.platform, "system", lambda: "Darwin")
    if reason == "a GPU":
        monkeypatch.setattr(install.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    install.install_torch(sys.executable)
    assert not calls


def test_here_means_the_python_that_runs_it(calls, monkeypatch):
    monkeypatch.setattr(install, "install_torch", lambda python: None)
    install.main(["--here"])
    assert calls[-1][0] == sys.executable and calls[-1][-2:] == ["-r", "requirements.txt"]


# --- one pin, no second index --------------------------------------------------------------------


def pinned():
    return PIN.search((ROOT / "requirements.txt").read_text(encoding="utf-8")).group(1)


def texts():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True)  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    for name in listed.stdout.splitlines():
        if Path(name).suffix in (".md", ".txt", ".py", ".toml", ".yml", ".json", ".cff", ""):
            path = ROOT / name
            if path.is_file():
                yield name, path.read_text(encoding="utf-8", errors="ignore")


def test_the_torch_pin_is_the_same_wherever_it_stands():
    stated = {name: set(PIN.findall(text)) for name, text in texts()}
    assert stated["requirements.txt"] == {pinned()}
    assert not {name: pins for name, pins in stated.items() if pins - {pinned()}}


def test_no_file_gives_pip_a_second_index():
    """An extra index that does not answer costs pip 8 to 98 s for each of 176 projects."""
    second = re.compile("extra[-_]" + "index", re.IGNORECASE)
    assert not [name for name, text in texts() if second.search(text)]

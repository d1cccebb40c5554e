"""Recipes: every shipped weight and stored table has one, and it writes what it says."""

import json
import os
import subprocess
import sys

import pytest
import torch

from aecourse import recipes, weights
from aecourse.recipes import __main__ as command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of weights of its own."""
    for module in (command, weights):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def test_every_entry_of_the_manifest_has_a_recipe_and_every_recipe_an_entry():
    assert set(recipes.WEIGHTS) == set(weights.manifest())


def test_every_row_of_the_table_of_few_labels_has_a_recipe_and_every_recipe_a_row():
    assert set(recipes.TABLES) == {f"few_labels_{name}" for name in weights.few_label_errors()}


def test_a_recipe_writes_weights_that_load_and_an_entry_with_what_was_measured_on_them(
    folder, monkeypatch
):
    def third(model):
        return {"third": model.weight[0, 0].item(), "training": model.training}

    def trained():
        return torch.nn.Linear(1, 1).requires_grad_(False).apply(lambda m: m.weight.fill_(1 / 3))

    monkeypatch.setitem(recipes.WEIGHTS, "tiny", recipes.Recipe(trained, third))
    command.main(["tiny"])
    rounded = torch.tensor(1 / 3).half().item()
    assert weights.load(torch.nn.Linear(1, 1), "tiny").weight.item() == rounded
    entry = weights.manifest()["tiny"]
    assert entry["metrics"] == {"third": rounded, "training": False}, "as shipped, in eval mode"
    assert entry["command"] == "python -m aecourse.recipes tiny" and entry["seed"] == 0


def test_a_recipe_keeps_the_other_entries_and_repeats_its_numbers(folder, monkeypatch):
    tiny = recipes.Recipe(lambda: torch.nn.Linear(2, 2), lambda model: {})
    for name in ("one", "two", "one"):
        monkeypatch.setitem(recipes.WEIGHTS, name, tiny)
        command.main([name])
    one, two = (weights.manifest()[name]["sha256"] for name in ("one", "two"))
    assert one == two and list(weights.manifest()) == ["one", "two"]


def test_a_table_is_stored_by_its_encoder(folder, monkeypatch):
    monkeypatch.setitem(recipes.TABLES, "few_labels_tiny", lambda: {"scratch": {100: [50.0]}})
    command.main(["few_labels_tiny"])
    stored = json.loads((folder / "few_labels.json").read_text(encoding="utf-8"))
    assert stored["tiny"]["errors"] == {"scratch": {"100": [50.0]}}
    assert stored["tiny"]["command"] == "python -m aecourse.recipes few_labels_tiny"


@pytest.mark.parametrize("names", [[], ["nonsense"], ["restorer", "nonsense"]])
def test_a_wrong_name_says_what_there_is_and_trains_nothing(names, monkeypatch):
    monkeypatch.setattr(command, "make_weights", None)  # calling it would be a TypeError
    with pytest.raises(SystemExit, match="name one or more of digit_classifier .*few_labels_conv"):
        command.main(names)


def test_the_command_runs():
    run = subprocess.run([sys.executable, "-m", "aecourse.recipes"], capture_output=True,
                         text=True, env=os.environ)  # fmt: skip
    assert run.returncode == 1 and "vae_latent_50" in run.stderr

"""Shipped weights: what the manifest says is what loads, and nothing else loads."""

import hashlib
import json
import pickle
import re
import statistics
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save

from aecourse import recipes, weights
from aecourse.generation import DigitClassifier

NAMES = sorted(weights.manifest())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of weights of its own, with one small network in it."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    torch.manual_seed(0)
    ship(tmp_path, save({key: t.half() for key, t in torch.nn.Linear(3, 2).state_dict().items()}))
    return tmp_path


def ship(folder, content):
    entry = {"command": "python -m remake", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"small": entry}))
    (folder / "small.safetensors").write_bytes(content)


def test_the_digit_classifier_is_shipped():
    assert "digit_classifier" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_says_how_it_was_made_and_matches_its_file(name):
    entry = weights.manifest()[name]
    assert entry["command"] == f"python -m aecourse.recipes {name}"
    assert {"seed", "minutes", "machine", "metrics", "sha256"} <= set(entry)
    content = (weights.FOLDER / f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert all(torch.isfinite(tensor.float()).all() for tensor in parse(content).values())


def test_every_file_of_weights_has_an_entry():
    assert {path.name for path in weights.FOLDER.glob("*.safetensors")} == {
        f"{name}.safetensors" for name in NAMES
    }


def test_loading_restores_every_tensor_in_place_and_in_the_models_own_dtype():
    model = DigitClassifier()
    assert weights.load(model, "digit_classifier") is model
    content = (weights.FOLDER / "digit_classifier.safetensors").read_bytes()
    stored, state = parse(content), model.state_dict()
    assert stored.keys() == state.keys()
    assert all(torch.equal(state[key].float(), stored[key].float()) for key in stored)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    double = weights.load(DigitClassifier().double(), "digit_classifier")
    assert all(p.dtype == torch.float64 for p in double.parameters())


def test_stored_accuracy_is_at_least_99_percent():
    assert weights.manifest()["digit_classifier"]["metrics"]["test_accuracy"] >= 0.99


def test_few_labels_name_their_command_and_masked_pretraining_wins_where_the_book_says_so():
    found = weights.few_label_errors()
    for name, entry in found.items():
        assert entry["command"] == f"python -m aecourse.recipes few_labels_{name}"
        errors = entry["errors"]
        assert set(errors) == {"masked", "plain", "scratch"}
        assert all(len(errors[start][n]) >= 3 for start in errors for n in ("100", "1000"))
    for name in ("mlp_32", "mlp_128", "mlp_512"):
        mean = {start: {n: statistics.mean(values) for n, values in by_size.items()}
                for start, by_size in found[name]["errors"].items()}  # fmt: skip
        for n in ("100", "1000"):
            assert mean["masked"][n] < min(mean["plain"][n], mean["scratch"][n])
    assert mean["masked"]["100"] <= 12 and mean["masked"]["1000"] <= 5  # mlp_512


def test_a_missing_table_of_few_labels_names_the_command_that_rebuilds_it(folder):
    message = r"few_labels\.json is missing; rebuild it with `python -m aecourse.recipes (.*)`"
    with pytest.raises(OSError, match=message) as error:
        weights.few_label_errors()
    assert re.search(message, str(error.value))[1].split() == [*recipes.TABLES]


def test_the_shipped_tokens_read_and_draw_as_well_as_the_book_says():
    stored = {name: entry["metrics"] for name, entry in weights.manifest().items()}
    assert stored["token_transformer"]["read_accuracy"] >= 0.97
    assert stored["token_transformer"]["draw_agreement"] >= 0.95
    assert stored["digit_vqvae"]["codes_used"] >= 0.95 * 512
    assert stored["digit_vqvae"]["perplexity"] >= 0.5 * 512


@pytest.mark.parametrize("name", ["", "digits", "../digit_classifier", "manifest.json", None])
def test_an_unknown_name_is_refused_and_the_known_ones_listed(name):
    with pytest.raises(ValueError, match=f"name must be one of .*digit_classifier.* got {name!r}"):
        weights.load(DigitClassifier(), name)


@pytest.mark.parametrize(
    "model",
    [torch.nn.Linear(4, 2), torch.nn.Linear(3, 2, bias=False), torch.nn.BatchNorm1d(2)],
    ids=["other shape", "fewer parameters", "other parameters"],
)
def test_another_model_is_refused(folder, model):
    with pytest.raises(ValueError, match="model must fit the weights 'small'"):
        weights.load(model, "small")


def test_a_missing_file_names_itself_and_the_command_that_rebuilds_it(folder):
    (folder / "small.safetensors").unlink()
    message = r"small\.safetensors is missing; rebuild it with `python -m remake`"
    with pytest.raises(OSError, match=message):
        weights.load(torch.nn.Linear(3, 2), "small")


@pytest.mark.parametrize("damage", ["one bit", "cut short", "empty", "longer"])
def test_a_damaged_file_never_gives_weights(folder, damage):
    path, model = folder / "small.safetensors", torch.nn.Linear(3, 2)
    content, before = path.read_bytes(), model.weight.clone()
    path.write_bytes({
        "one bit": content[:-1] + bytes([content[-1] ^ 1]),
        "cut short": content[:-4],
        "empty": b"",
        "longer": content + b"\0",
    }[damage])  # fmt: skip
    expected = hashlib.sha256(content).hexdigest()
    with pytest.raises(OSError, match=re.escape(f"damaged: expected SHA-256 {expected}")):
        weights.load(model, "small")
    assert torch.equal(model.weight, before)


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_never_unpickled_even_with_the_right_checksum(folder):
    sprung = folder / "sprung"
    content = pickle.dumps(Trap(sprung))
    pickle.loads(content)
    assert sprung.exists()  # the trap works
    sprung.unlink()
    ship(folder, content)
    with pytest.raises(SafetensorError):
        weights.load(torch.nn.Linear(3, 2), "small")
    assert not sprung.exists()

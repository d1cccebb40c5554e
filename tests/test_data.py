"""The embedded images and the batches made of them."""

import hashlib
import time

import numpy as np
import pytest
import torch

from aecourse import data
from aecourse.data import batches


@pytest.mark.parametrize(
    ("load", "split", "n"),
    [(data.mnist, "train", 60_000), (data.mnist, "test", 10_000),
     (data.fashion, "train", 10_000), (data.fashion, "test", 2_000)],
)  # fmt: skip
def test_images_have_the_promised_shapes_types_and_range(load, split, n):
    x, y = load(split)
    assert x.shape == (n, 784) and x.dtype == torch.float32
    assert y.shape == (n,) and y.dtype == torch.int64
    assert x.min() == 0 and x.max() == 1 and y.unique().tolist() == list(range(10))


def test_pixels_are_the_files_bytes_divided_by_255():
    raw = np.load(data.files("aecourse") / "datasets" / "mnist.npz")["test_images"]
    assert np.array_equal((data.mnist("test").x * 255).round().byte().numpy(), raw.reshape(-1, 784))


def test_a_second_call_takes_less_than_50_ms():
    data.mnist("train")
    start = time.perf_counter()
    data.mnist("train")
    assert time.perf_counter() - start < 0.05


def test_a_write_into_the_shared_tensor_does_not_reach_the_next_caller():
    pristine = data.fashion("test").x.clone()
    data.fashion("test").x[0].fill_(7)
    assert torch.equal(data.fashion("test").x, pristine)


def test_a_first_call_in_inference_mode_leaves_the_cache_usable():
    data._load.cache_clear()
    with torch.inference_mode():
        data.fashion("test")
    assert data.fashion("test").x.shape == (2000, 784)


def test_a_damaged_file_is_named_with_its_expected_sha256(tmp_path):
    good = (data.files("aecourse") / "datasets" / "fashion_mnist_subset.npz").read_bytes()
    damaged = tmp_path / "fashion_mnist_subset.npz"
    damaged.write_bytes(good[:5000] + bytes([good[5000] ^ 1]) + good[5001:])
    expected = hashlib.sha256(good).hexdigest()
    with pytest.raises(OSError, match=f"fashion_mnist_subset.npz is damaged.*{expected}"):
        data._read_checked(damaged)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OSError, match=f"mnist.npz is missing.*{data.SHA256['mnist.npz']}"):
        data._read_checked(tmp_path / "mnist.npz")


X = torch.arange(10.0).unsqueeze(1)


def test_a_pass_contains_every_row_once():
    parts = list(batches(X, 4, seed=0))
    assert [len(part) for part in parts] == [4, 4, 2] and len(batches(X, 4, seed=0)) == 3
    assert torch.equal(torch.cat(parts).sort(dim=0).values, X)


def test_each_pass_is_another_permutation():
    loader = batches(X, 10, seed=0)
    (first,), (second,) = list(loader), list(loader)
    assert not torch.equal(first, second)


def test_a_permutation_depends_on_seed_and_pass_alone():
    a, b = batches(X, 3, seed=5), batches(X, 5, seed=5)
    for _ in range(3):
        left = torch.cat(list(a))
        torch.rand(7)  # other draws do not disturb it
        assert torch.equal(left, torch.cat(list(b)))
    assert not torch.equal(torch.cat(list(batches(X, 3, seed=6))),
                           torch.cat(list(batches(X, 3, seed=5))))  # fmt: skip


def test_an_interrupted_pass_does_not_change_the_next_one():
    broken, whole = batches(X, 3, seed=1), batches(X, 3, seed=1)
    next(iter(broken)), list(whole)
    assert torch.equal(torch.cat(list(broken)), torch.cat(list(whole)))


def test_labels_stay_with_their_images():
    for x, y in batches(X, 3, y=X[:, 0].long(), seed=0):
        assert torch.equal(x[:, 0].long(), y)


def test_without_shuffling_the_order_is_kept():
    assert torch.equal(torch.cat(list(batches(X, 3, seed=0, shuffle=False))), X)


def test_labels_of_another_number_of_rows_are_refused():
    with pytest.raises(ValueError, match=r"y must have 10 rows as x, got shape \(3, 1\)"):
        batches(X, 2, y=X[:3], seed=0)


@pytest.mark.parametrize("random", [torch.randn, torch.rand])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_drawn_by_the_generator_with_all_digits_of_the_dtype(random, dtype):
    like = torch.zeros(1, dtype=dtype)
    drawn = data.draw(random, (40, 3), like, torch.Generator().manual_seed(5))
    expected = random(40, 3, dtype=dtype, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, expected) and drawn.dtype == dtype


def test_noise_is_drawn_on_the_device_of_the_generator_and_moved():
    generator = torch.Generator().manual_seed(5)
    fresh = generator.get_state()
    drawn = data.draw(torch.randn, (2, 3), torch.zeros(1, device="meta"), generator)
    assert drawn.device.type == "meta"
    assert not torch.equal(generator.get_state(), fresh)


def test_without_a_generator_the_global_one_draws():
    torch.manual_seed(3)
    drawn = data.draw(torch.randn, (4,), torch.zeros(1))
    assert torch.equal(drawn, torch.randn(4, generator=torch.Generator().manual_seed(3)))

"""Every row once an epoch, in batches of nearly equal size."""

import numpy as np
import pytest
import torch

from skae.engine import batches as module
from skae.engine.batches import Batch, Batches, as_tensor


def numbered(n_rows, n_columns=3):
    """Rows that can be told apart: their first entry is their number."""
    return torch.arange(n_rows * n_columns, dtype=torch.float32).reshape(n_rows, n_columns)


def row_numbers(batches):
    return [(batch.x[:, 0] / 3).round().int().tolist() for batch in batches]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("n_rows", "n_batches"), [(1, 1), (2, 1), (7, 3), (64, 8), (65, 8), (100, 7), (5, 5), (3, 9)]
)
def test_every_row_once_in_batches_of_nearly_equal_size(n_rows, n_batches, shuffle):
    batches = Batches(Batch.of(numbered(n_rows)), n_batches, shuffle)
    assert len(batches) == min(n_rows, n_batches)
    numbers = row_numbers(batches)
    assert len(numbers) == len(batches)
    sizes = [len(batch) for batch in numbers]
    assert max(sizes) - min(sizes) <= 1
    flat = [number for batch in numbers for number in batch]
    assert sorted(flat) == list(range(n_rows))
    if not shuffle:
        assert flat == list(range(n_rows))


@pytest.mark.parametrize("batch_size", [2, 3, 16, 32])
def test_no_batch_of_one_row_unless_it_is_the_only_one(batch_size):
    """As `fit` cuts: as many batches as the batch size asks for at least."""
    for n_rows in range(2, 100):
        n_batches = -(-n_rows // batch_size)
        sizes = [len(batch) for batch in Batches(Batch.of(numbered(n_rows)), n_batches, True)]
        assert max(sizes) <= batch_size
        # Three rows in batches of at most two cannot do without.
        assert min(sizes) > 1 or n_rows < 2 * n_batches


def test_the_order_is_another_one_each_epoch():
    batches = Batches(Batch.of(numbered(50)), 5, shuffle=True)
    assert row_numbers(batches) != row_numbers(batches)


def test_the_order_follows_from_torchs_seed():
    batches = Batches(Batch.of(numbered(50)), 5, shuffle=True)
    orders = []
    with torch.random.fork_rng():
        for _ in range(2):
            torch.manual_seed(3)
            orders.append(row_numbers(batches))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("gather_bytes", [1, 40, 100, 500])
def test_gathering_in_blocks_gives_the_same_batches(gather_bytes, shuffle, monkeypatch):
    rows = Batch.of(numbered(50).masked_fill(numbered(50) % 7 == 0, torch.nan))
    batches = Batches(rows, 9, shuffle)

    def epoch():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return list(batches)

    at_once = epoch()
    monkeypatch.setattr(module, "GATHER_BYTES", gather_bytes)
    assert rows.x.nbytes > gather_bytes
    in_blocks = epoch()
    assert len(in_blocks) == len(at_once)
    for one, other in zip(in_blocks, at_once, strict=True):
        assert all(
            a is b or torch.equal(a, b) for a, b in zip(tuple(one), tuple(other), strict=True)
        )


@pytest.mark.parametrize("shuffle", [True, False])
def test_targets_and_masks_go_with_their_rows(shuffle):
    x = numbered(20)
    rows = Batch(x, -x, x > 10)
    for batch in Batches(rows, 4, shuffle):
        assert torch.equal(batch.target, -batch.x)
        assert torch.equal(batch.observed, batch.x > 10)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_target_that_is_the_input_is_gathered_once(shuffle):
    for batch in Batches(Batch.of(numbered(20)), 4, shuffle):
        assert batch.target is batch.x
        assert batch.observed is None


def test_rows_of_any_shape():
    images = torch.arange(10 * 2 * 3.0).reshape(10, 2, 3)
    batches = list(Batches(Batch.of(images), 3, shuffle=False))
    assert torch.equal(torch.cat([batch.x for batch in batches]), images)


# -- Batch --------------------------------------------------------------------------------------


def test_a_batch_of_known_entries_rebuilds_itself():
    x = numbered(4)
    batch = Batch.of(x)
    assert batch.x is x
    assert batch.target is x
    assert batch.observed is None
    assert len(batch) == 4


def test_a_batch_with_missing_entries_has_them_at_the_center():
    x = torch.tensor([[1.0, torch.nan], [torch.nan, 4.0]])
    batch = Batch.of(x)
    assert batch.x.tolist() == batch.target.tolist() == [[1.0, 0.0], [0.0, 4.0]]
    assert batch.observed.tolist() == [[True, False], [False, True]]
    assert x.isnan().sum() == 2  # the rows that were handed in are not written to


def test_mapping_a_batch():
    x = torch.tensor([[1.0, torch.nan], [2.0, 4.0], [5.0, 6.0]])
    mapped = Batch.of(x).map(lambda tensor: tensor[1:])
    assert mapped.x.tolist() == [[2.0, 4.0], [5.0, 6.0]]
    assert mapped.target is mapped.x
    assert mapped.observed.all()
    other = Batch(x, x + 1).map(lambda tensor: tensor[:1])
    assert other.target[0, 0] == 2.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("writeable", [True, False])
def test_tensors_share_the_memory_of_arrays(writeable):
    array = np.zeros((3, 2))
    array.flags.writeable = writeable
    tensor = as_tensor(array)
    assert tensor.data_ptr() == array.ctypes.data

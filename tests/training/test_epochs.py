"""Which tiles an epoch asks for: the same each time, and shared by all processes."""

import pytest

from wsiseg.training.sampling import EpochSampler, Sampling, TileRequest


def asks_of(sampler: EpochSampler, epoch: int = 0) -> list[list[TileRequest]]:
    sampler.set_epoch(epoch)
    return list(sampler)


def flat(batches: list[list[TileRequest]]) -> list[TileRequest]:
    return [ask for batch in batches for ask in batch]


@pytest.mark.parametrize("balanced", [False, True])
def test_an_epoch_is_the_same_each_time(balanced: bool) -> None:
    sampling = Sampling(10, balanced, seed=5)
    for epoch in (0, 3):
        first, second = (asks_of(EpochSampler(sampling, 7, 4), epoch) for _ in range(2))
        assert first == second


def test_epochs_and_seeds_differ() -> None:
    orders = {
        tuple(
            ask.sample for ask in flat(asks_of(EpochSampler(Sampling(20, False, seed=s), 20, 4), e))
        )
        for s in range(3)
        for e in range(3)
    }
    assert len(orders) == 9


def test_an_epoch_that_is_gone_back_to_is_the_one_it_was() -> None:
    sampler = EpochSampler(Sampling(9, False), 9, 2)
    epochs = [asks_of(sampler, epoch) for epoch in range(3)]
    assert asks_of(sampler, 1) == epochs[1]


@pytest.mark.parametrize("zooms", [(1.0,), (0.5, 1.0, 2.0)])
@pytest.mark.parametrize("tiles", [1, 6, 13])
def test_no_number_comes_twice_in_a_training(tiles: int, zooms: tuple[float, ...]) -> None:
    sampler = EpochSampler(Sampling(tiles, False, zooms), 5, 4)
    numbers = [ask.number for epoch in range(4) for ask in flat(asks_of(sampler, epoch))]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("tiles", [8, 11, 1])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("zooms", [(1.0,), (0.5, 2.0)])
def test_all_batches_are_of_one_size_and_all_processes_have_as_many(
    tiles: int, world: int, zooms: tuple[float, ...]
) -> None:
    sampling = Sampling(tiles, False, zooms)
    for rank in range(world):
        sampler = EpochSampler(sampling, 8, 4, rank, world)
        batches = asks_of(sampler)
        assert {len(batch) for batch in batches} == {4}
        assert len(batches) == len(sampler) == len(zooms) * -(-tiles // (4 * world))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("zooms", [(1.0,), (0.5, 2.0)])
def test_two_processes_share_what_one_would_do(zooms: tuple[float, ...], balanced: bool) -> None:
    sampling = Sampling(24, balanced, zooms, seed=2)
    shares = [asks_of(EpochSampler(sampling, 24, 3, rank, 2), 1) for rank in range(2)]
    assert not {*flat(shares[0])} & {*flat(shares[1])}
    # Step by step both together learn from the batch that one process would, twice as large.
    together = [one + other for one, other in zip(*shares, strict=True)]
    assert together == asks_of(EpochSampler(sampling, 24, 6), 1)
    assert flat(together) == flat(asks_of(EpochSampler(sampling, 24, 3), 1))


@pytest.mark.parametrize(("samples", "batch"), [(12, 4), (12, 5), (1, 1), (3, 8)])
def test_every_sample_comes_up_once_per_pass(samples: int, batch: int) -> None:
    zooms = (0.5, 1.0)
    sampler = EpochSampler(Sampling(samples, False, zooms), samples, batch)
    for epoch in range(3):
        requests = flat(asks_of(sampler, epoch))
        for zoom in zooms:
            shown = [ask.sample for ask in requests if ask.zoom == zoom]
            assert sorted(shown[:samples]) == list(range(samples))
            # The last batch is filled up with samples from the beginning.
            assert shown[samples:] == [shown[i % samples] for i in range(len(shown) - samples)]


def test_passes_follow_each_other_in_orders_of_their_own() -> None:
    requests = flat(asks_of(EpochSampler(Sampling(20, False, (1.5, 0.5)), 20, 5)))
    assert [ask.zoom for ask in requests] == [1.5] * 20 + [0.5] * 20
    assert [a.sample for a in requests[:20]] != [a.sample for a in requests[20:]]


def test_balanced_tiles_come_from_no_sample_in_particular() -> None:
    assert {a.sample for a in flat(asks_of(EpochSampler(Sampling(9, True), 3, 2)))} == {None}

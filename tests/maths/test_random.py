import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glassnet.errors import OptionError
from glassnet.maths.random import Purpose, Stream, philox, seed_of

LARGEST = 2**64 - 1
words = st.integers(0, LARGEST)
fours = st.tuples(words, words, words, words)
pairs = st.tuples(words, words)


def numpy_philox(counter, key):
    """The four words that NumPy makes of a counter; its generator adds one to it before it begins."""
    before = (sum(word << (64 * i) for i, word in enumerate(counter)) - 1) % 2**256
    return np.random.Philox(counter=before, key=key[0] + (key[1] << 64)).random_raw(4)


def a_stream(**fields):
    return Stream(**({"seed": 0, "purpose": Purpose.DROPOUT} | fields))


# The generator


@settings(max_examples=200)
@given(fours, pairs)
def test_philox_equals_numpys_bit_for_bit(counter, key):
    assert [int(word) for word in philox(*counter, *key)] == numpy_philox(counter, key).tolist()


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (
            [0] * 4,
            [0] * 2,
            [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B],
        ),
        (
            [LARGEST] * 4,
            [LARGEST] * 2,
            [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0],
        ),
        (  # the digits of π
            [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
            [0x452821E638D01377, 0xBE5466CF34E90C6C],
            [0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6],
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_philox_gives_the_known_answers_published_with_random123(counter, key, expected):
    assert [int(word) for word in philox(*counter, *key)] == expected


def test_philox_broadcasts_its_arguments():
    c0, c1 = np.arange(3, dtype=np.uint64), np.arange(2, dtype=np.uint64)[:, np.newaxis]
    got = philox(c0, c1, 5, 6, 7, 8)
    assert all(word.shape == (2, 3) and word.dtype == np.uint64 for word in got)
    for row in range(2):
        for block in range(3):
            alone = numpy_philox((block, row, 5, 6), (7, 8))
            assert [int(word[row, block]) for word in got] == alone.tolist()


def test_philox_refuses_a_number_that_is_no_word():
    with pytest.raises(OverflowError):
        philox(-1, 0, 0, 0, 0, 0)


# The layout: a contract, so it is spelled out here from NumPy's generator


def test_bits_follow_the_documented_layout():
    stream = Stream(seed=11, purpose=Purpose.SPLIT, step=22, layer=33, first_row=44)
    got = stream.bits(2, 6)
    assert got.dtype == np.uint64
    for row in range(2):
        for unit in range(6):
            block = numpy_philox((unit // 4, 44 + row, 22, (4 << 32) + 33), (11, 0))
            assert got[row, unit] == block[unit % 4]


def test_keep_compares_half_words_in_the_documented_layout():
    stream = Stream(seed=1, purpose=Purpose.DROPOUT, step=2, layer=3)
    got = stream.keep(0.25, 2, 19)
    for row in range(2):
        for unit in range(19):
            word = int(numpy_philox((unit // 8, row, 2, (3 << 32) + 3), (1, 0))[unit % 8 // 2])
            half = word >> 32 if unit % 2 else word % 2**32
            assert got[row, unit] == (half >= 2**30)  # a quarter of 2³²


def test_the_purposes_keep_their_numbers():
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        "INITIALISE": 1,
        "ORDER": 2,
        "DROPOUT": 3,
        "SPLIT": 4,
        "DATA": 5,
        "CHECK": 6,
        "TEST": 7,
    }


@settings(max_examples=50)
@given(
    seed=words,
    first=st.integers(0, 2**63),
    skipped=st.integers(0, 20),
    n_rows=st.integers(0, 20),
    n_units=st.integers(0, 40),
    extra=st.integers(0, 9),
)
def test_a_slice_of_rows_or_units_is_that_part_of_the_whole(seed, first, skipped, n_rows, n_units, extra):
    whole = a_stream(seed=seed, first_row=first)
    part = whole.at(first_row=first + skipped)
    rows, units = slice(skipped, skipped + n_rows), slice(n_units)
    n_all, p_all = skipped + n_rows + extra, n_units + extra
    for draw in (Stream.bits, Stream.uniform, Stream.normal, lambda s, n, p: s.keep(0.4, n, p)):
        np.testing.assert_array_equal(draw(part, n_rows, n_units), draw(whole, n_all, p_all)[rows, units])


@pytest.mark.parametrize("shape", [(9000, 5), (3, 40_001)])
def test_a_draw_of_many_tiles_equals_its_rows_drawn_alone(shape):
    stream = a_stream()
    whole = stream.bits(*shape)
    for row in (0, 1, 2, shape[0] - 1):
        np.testing.assert_array_equal(stream.at(first_row=row).bits(1, shape[1])[0], whole[row])
    last = shape[1] - 1
    block = numpy_philox((last // 4, shape[0] - 1, 0, 3 << 32), (0, 0))
    assert whole[-1, -1] == block[last % 4]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"purpose": Purpose.ORDER}, {"step": 1}, {"layer": 1}, {"first_row": 100}]
)
def test_streams_that_differ_in_one_field_share_no_word(change):
    first, second = a_stream().bits(50, 50), a_stream(**change).bits(50, 50)
    assert not np.intersect1d(first, second).size


def test_at_changes_only_the_fields_it_is_given():
    assert a_stream(seed=5, layer=2).at(step=7) == Stream(5, Purpose.DROPOUT, step=7, layer=2)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_draw_is_an_empty_array(shape):
    stream = a_stream()
    for drawn in (
        stream.bits(*shape),
        stream.uniform(*shape),
        stream.normal(*shape),
        stream.keep(0.5, *shape),
    ):
        assert drawn.shape == shape


def test_draws_are_c_contiguous_so_that_what_follows_sums_in_one_order():
    stream = a_stream()
    for drawn in (stream.bits(4, 5), stream.uniform(4, 5), stream.normal(4, 5), stream.keep(0.5, 4, 5)):
        assert drawn.flags.c_contiguous


# Distributions. With fixed seeds these cannot fail by chance; limits are five standard errors.


def test_every_bit_is_one_half_of_the_time():
    n = 100_000
    drawn = a_stream(seed=1).bits(1000, n // 1000).reshape(-1, 1)
    ones = ((drawn >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).sum(axis=0)
    assert np.abs(ones - n / 2).max() < 5 * np.sqrt(n / 4)


def test_uniform_has_the_moments_and_distribution_of_its_name():
    drawn = a_stream(seed=2).uniform(1000, 100).ravel()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Mean 1/2 and variance 1/12; the variance of (U - ½)² is 1/80 - 1/144 = 1/180.
    assert abs(drawn.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / drawn.size)
    assert abs(((drawn - 1 / 2) ** 2).mean() - 1 / 12) < 5 * np.sqrt(1 / 180 / drawn.size)
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_normal_has_the_moments_and_distribution_of_its_name():
    drawn = a_stream(seed=3).normal(1000, 101)
    # Variances of x, x², x³ and x⁴ of a standard normal: 1, 3 - 1, 15 and 105 - 9.
    for power, (mean, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
        assert abs((drawn**power).mean() - mean) < 5 * np.sqrt(variance / drawn.size)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3


def test_the_two_normal_numbers_of_a_pair_are_uncorrelated_and_so_are_their_squares():
    drawn = a_stream(seed=4).normal(1000, 100)
    x, y = drawn[:, 0::2], drawn[:, 1::2]
    assert abs((x * y).mean()) < 5 / np.sqrt(x.size)  # the variance of xy is 1
    assert abs(((x**2 - 1) * (y**2 - 1)).mean()) < 5 * 2 / np.sqrt(x.size)  # and of this product 2 · 2


class FixedWords(Stream):
    """A stream whose words are all the same: the edges of the uniform range cannot be met by drawing."""

    word = 0

    def _words(self, n_rows, n_blocks):
        return np.full((n_rows, 4 * n_blocks), self.word, dtype=np.uint64)


def test_the_smallest_word_gives_zero_and_the_largest_stays_below_one():
    stream = FixedWords(0, Purpose.CHECK)
    assert stream.uniform(1, 1)[0, 0] == 0
    assert stream.uniform(1, 1, np.float32)[0, 0] == 0
    assert np.isfinite(stream.normal(2, 2)).all()
    FixedWords.word = LARGEST
    try:
        assert stream.uniform(1, 1)[0, 0] == 1 - 2.0**-53
        assert stream.uniform(1, 1, np.float32)[0, 0] == np.float32(1) - np.float32(2.0**-24)
        # r = sqrt(-2 log 2⁻⁵³) = sqrt(106 log 2) = 8.5717, and V is almost 1: x = r, y = 0.
        np.testing.assert_allclose(stream.normal(1, 2), [[np.sqrt(106 * np.log(2)), 0]], rtol=1e-12, atol=1e-12)
    finally:
        FixedWords.word = 0


def test_float32_and_float64_uniforms_agree_to_rounding_and_float32_stays_below_one():
    stream = a_stream(seed=5)
    wide, narrow = stream.uniform(300, 300), stream.uniform(300, 300, np.float32)
    assert narrow.dtype == np.float32
    assert narrow.max() < 1
    difference = wide - narrow.astype(np.float64)
    assert difference.min() >= 0
    assert difference.max() < 2.0**-24


def test_uniform_refuses_another_type():
    with pytest.raises(OptionError, match=r"^dtype must be float64 or float32, got <class 'numpy\.float16'>$"):
        a_stream().uniform(1, 1, np.float16)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_keep_keeps_one_minus_rate_of_the_units(rate):
    kept = a_stream(seed=6).keep(rate, 1000, 101)
    assert kept.dtype == bool
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / kept.size)


def test_neighbouring_units_and_rows_are_kept_independently():
    kept = a_stream(seed=7).keep(0.3, 1000, 100)
    for one, other in ((kept[:, :-1], kept[:, 1:]), (kept[:-1], kept[1:])):
        both = (one & other).mean()
        assert abs(both - 0.49) < 5 * np.sqrt(0.49 * 0.51 / one.size) * 2  # neighbours share a unit: twice the error


def test_keep_at_the_ends_of_the_range_keeps_all_or_none():
    stream = a_stream()
    assert stream.keep(0, 100, 100).all()
    assert not stream.keep(1, 100, 100).any()
    assert not stream.keep(1 - 2.0**-40, 100, 100).any()


def test_a_higher_rate_drops_what_a_lower_one_drops_and_more():
    stream = a_stream()
    assert (stream.keep(0.2, 50, 50) >= stream.keep(0.6, 50, 50)).all()


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan"), "a half"])
def test_keep_refuses_a_rate_that_is_no_probability(rate):
    with pytest.raises(OptionError) as raised:
        a_stream().keep(rate, 1, 1)
    assert str(raised.value) == f"rate must be a number from 0 to 1, got {rate!r}"


@settings(max_examples=50)
@given(seed=words, n=st.integers(0, 200))
def test_a_permutation_holds_every_row_once(seed, n):
    order = Stream(seed, Purpose.ORDER).permutation(n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_all_permutations_are_equally_likely():
    n_draws = 6000
    stream = Stream(8, Purpose.ORDER)
    orders = [tuple(stream.at(step=step).permutation(3).tolist()) for step in range(n_draws)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


# Arguments


@pytest.mark.parametrize(
    ("field", "value", "bits"),
    [("seed", -1, 64), ("seed", 2**64, 64), ("step", 0.5, 64), ("layer", 2**32, 32), ("first_row", True, 64)],
)
def test_a_field_out_of_range_is_named(field, value, bits):
    with pytest.raises(OptionError) as raised:
        a_stream(**{field: value})
    expected = f"{field} must be a whole number from 0 to 2**{bits} - 1, got {value!r}"
    assert str(raised.value) == expected
    assert raised.value.argument == field


def test_numpy_integers_are_taken_for_fields():
    stream = a_stream(seed=np.int64(3), step=np.int32(4), layer=np.uint8(255), first_row=np.int8(127))
    expected = a_stream(seed=3, step=4, layer=255, first_row=127)
    assert stream == expected
    np.testing.assert_array_equal(stream.bits(3, 3), expected.bits(3, 3))


def test_seed_of_a_whole_number_is_that_number():
    assert seed_of(0) == 0
    assert seed_of(np.int32(42)) == 42
    assert seed_of(LARGEST) == LARGEST
    assert type(seed_of(np.int64(1))) is int


def test_seed_of_none_is_another_one_each_time():
    seeds = {seed_of(None) for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**64 for seed in seeds)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_seed_of_a_generator_is_drawn_from_it(make):
    generator = make(0)
    seeds = [seed_of(generator) for _ in range(50)]
    assert len(set(seeds)) == 50
    assert seeds == [seed_of(twin) for twin in [make(0)] for _ in range(50)]
    assert 2**63 <= max(seeds) < 2**64  # all 64 bits are drawn: 50 seeds below 2⁶³ have chance 2⁻⁵⁰


@pytest.mark.parametrize("value", [-1, 2**64])
def test_seed_of_a_number_out_of_range_names_random_state(value):
    with pytest.raises(OptionError) as raised:
        seed_of(value)
    assert str(raised.value) == f"random_state must be from 0 to 2**64 - 1, got {value}"
    assert raised.value.argument == "random_state"


@pytest.mark.parametrize("value", ["zero", 1.0, True])
def test_seed_of_something_else_names_random_state(value):
    with pytest.raises(OptionError) as raised:
        seed_of(value)
    expected = f"random_state must be None, a whole number, or NumPy's Generator or RandomState, got {value!r}"
    assert str(raised.value) == expected

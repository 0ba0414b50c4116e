"""Random numbers as pure functions of where they are used: counter-based streams.

A usual generator is a state that every draw moves on, so a number depends on all draws before it. Here a
number is computed from its place alone: (seed, purpose, step, layer) name a stream, (row, unit) a number in
it. Slices of a batch, threads in any order, compiled code and a resumed run all draw the same numbers.

The generator is Philox 4x64-10: four random 64-bit words from a counter of four words and a key of two.

    counter = (unit block, row, step, purpose · 2³² + layer)        key = (seed, 0)

    whole words : unit u of a row is word u % 4 of block u // 4, 64 bits a unit (`bits`, `uniform`, `normal`)
    half words  : unit u of a row lies in word (u % 8) // 2 of block u // 8, in its low 32 bits when u is even
                  and in its high ones when u is odd (`keep`)

This layout is a contract: a seed means the same numbers in every later version. All draws from one stream
read the same words, so what must be independent takes a purpose, step or layer of its own.

Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 3.3.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from glassnet.errors import OptionError
from glassnet.maths.elementary import cos, log, sqrt

__all__ = ["Purpose", "Stream", "order_of", "philox", "philox_rounds", "seed_of"]

Array = Any  # an array of uint64 or a scalar
Words = tuple[Array, Array, Array, Array]

# The paper's constants: two multipliers, and the steps of the key, 2⁶⁴ times (sqrt(5) - 1)/2 and sqrt(3) - 1.
_MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
_MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
_KEY_STEP_0 = np.uint64(0x9E3779B97F4A7C15)
_KEY_STEP_1 = np.uint64(0xBB67AE8584CAA73B)
_ROUNDS = 10

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)

_TILE = 8192  # blocks computed at a time: the few arrays of this length stay in a core's cache


class Purpose(enum.IntEnum):
    """What a stream is for. The numbers are part of the stream's definition: add to them, never renumber."""

    INITIALISE = 1  # the weights a network starts with
    ORDER = 2  # the order of the rows in an epoch
    DROPOUT = 3  # which units a step keeps
    SPLIT = 4  # which rows are set aside for validation
    DATA = 5  # generated data sets
    CHECK = 6  # points of a gradient check and the like
    TEST = 7  # which rows are set aside for a report


def _multiply(a: Array, b: Array) -> tuple[Array, Array]:
    """The 128-bit product of two 64-bit words as (high word, low word), by halves: (a₁2³² + a₀)(b₁2³² + b₀).

    No sum below can overflow: (2³²-1)² + 2(2³²-1) = 2⁶⁴ - 1.
    """
    a0, a1 = a & _LOW_HALF, a >> _HALF
    b0, b1 = b & _LOW_HALF, b >> _HALF
    middle = a1 * b0 + ((a0 * b0) >> _HALF)
    other = a0 * b1 + (middle & _LOW_HALF)
    return a1 * b1 + (middle >> _HALF) + (other >> _HALF), a * b


def philox_rounds(c0: Array, c1: Array, c2: Array, c3: Array, k0: Array, k1: Array) -> Words:
    """The ten rounds of Philox on uint64 values that wrap silently: nothing but integer operations."""
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(_MULTIPLIER_0, c0)
        high1, low1 = _multiply(_MULTIPLIER_1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + _KEY_STEP_0, k1 + _KEY_STEP_1
    return c0, c1, c2, c3


def philox(counter0: Array, counter1: Array, counter2: Array, counter3: Array, key0: Array, key1: Array) -> Words:
    """Philox 4x64-10: the four random words of a counter of four words under a key of two.

    The arguments are whole numbers in [0, 2⁶⁴) or uint64 arrays of them that broadcast together. Each of the
    four words comes back as a uint64 array of the broadcast shape, () for scalars. Raises OverflowError for a
    Python integer outside that range.

    Counters that vary along different axes are best given as (n, 1) and (1, m): the first rounds then work on
    these small arrays.
    """
    given = (counter0, counter1, counter2, counter3, key0, key1)
    words = [np.asarray(word, dtype=np.uint64) for word in given]
    shape = np.broadcast_shapes(*(word.shape for word in words))
    # NumPy warns when a uint64 scalar wraps, but not when an array does.
    c0, c1, c2, c3 = philox_rounds(*(np.atleast_1d(word) for word in words))
    return c0.reshape(shape), c1.reshape(shape), c2.reshape(shape), c3.reshape(shape)


@dataclass(frozen=True)
class Stream:
    """A plane of random numbers, rows by units, named by (seed, purpose, step, layer).

    seed      : from 0 to 2⁶⁴ - 1, see `seed_of`.
    purpose   : what the numbers are for.
    step      : from 0 to 2⁶⁴ - 1, the training step or epoch.
    layer     : from 0 to 2³² - 1, the place in the network, or any number that tells two uses apart.
    first_row : from 0 to 2⁶⁴ - 1, the row at which draws begin: with k, they are rows k, k + 1, ...

    A longer or wider draw begins with the shorter or narrower one.
    Raises OptionError for a field out of range.
    """

    seed: int
    purpose: Purpose
    step: int = 0
    layer: int = 0
    first_row: int = 0

    def __post_init__(self) -> None:
        """Check the fields, and make them Python integers: NumPy's would overflow in sums."""
        for field, bits in (("seed", 64), ("purpose", 32), ("step", 64), ("layer", 32), ("first_row", 64)):
            value = getattr(self, field)
            if not _is_whole(value) or not 0 <= value < 2**bits:
                rule = f"must be a whole number from 0 to 2**{bits} - 1"
                raise OptionError(rule, argument=field, value=value)
            if field != "purpose":
                object.__setattr__(self, field, int(value))

    def at(self, **changes: Any) -> Stream:
        """The same stream with some fields changed: `stream.at(step=7, layer=2)`."""
        return replace(self, **changes)

    def bits(self, n_rows: int, n_units: int) -> np.ndarray:
        """Random words, (n_rows, n_units) uint64: all 2⁶⁴ values equally likely."""
        return np.ascontiguousarray(self._words(n_rows, -(-n_units // 4))[:, :n_units])

    def uniform(self, n_rows: int, n_units: int, dtype: Any = np.float64) -> np.ndarray:
        """Uniform numbers in [0, 1), (n_rows, n_units): the first 53 bits of each word, or 24 for float32.

        Both read the same words: the float32 number is the float64 one, rounded down to a multiple of 2⁻²⁴.
        Raises OptionError for another dtype.
        """
        if np.dtype(dtype) == np.float64:
            return (self.bits(n_rows, n_units) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        if np.dtype(dtype) == np.float32:
            return (self.bits(n_rows, n_units) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        raise OptionError("must be float64 or float32", argument="dtype", value=dtype)

    def normal(self, n_rows: int, n_units: int) -> np.ndarray:
        """Standard normal numbers, (n_rows, n_units) float64, |x| < 8.6, by the transform of Box and Muller.

        Units 2j and 2j+1 are made of the same two uniform numbers, U of unit 2j and V of unit 2j+1:

            r = sqrt(-2 log(1 - U)),   x = r cos(2πV),   y = r sin(2πV) = r cos(2π(V - ¼))

        1 - U lies in (0, 1], so the logarithm is finite.
        Source: Box, Muller, A note on the generation of random normal deviates, Ann. Math. Stat. 29 (1958).
        """
        n_pairs = -(-n_units // 2)
        pairs = self.uniform(n_rows, 2 * n_pairs).reshape(n_rows, n_pairs, 2)
        # Contiguous, since NumPy may evaluate a strided array by other instructions, with another last bit.
        U, V = np.ascontiguousarray(pairs[..., 0]), np.ascontiguousarray(pairs[..., 1])
        r = sqrt(-2.0 * log(1.0 - U))
        both = np.stack([r * cos(2.0 * np.pi * V), r * cos(2.0 * np.pi * (V - 0.25))], axis=-1)
        return np.ascontiguousarray(both.reshape(n_rows, 2 * n_pairs)[:, :n_units])

    def permutation(self, n: int) -> np.ndarray:
        """A random order of n rows, (n,) int64: the order that sorts the stream's first row of n words."""
        return order_of(self.bits(1, n)[0])

    def keep(self, rate: float, n_rows: int, n_units: int) -> np.ndarray:
        """Dropout's mask, (n_rows, n_units) bool: True where a unit is kept, which has probability 1 - rate.

        A unit is kept when its half word is at least round(rate · 2³²): whole numbers are compared, so the
        mask is the same for every float type. The probability is exact to 2⁻³³; rate 0 keeps all and 1 none.
        Raises OptionError for a rate outside [0, 1].
        """
        if not isinstance(rate, Real) or not 0.0 <= rate <= 1.0:
            raise OptionError("must be a number from 0 to 1", argument="rate", value=rate)
        threshold = round(float(rate) * 2**32)
        if threshold == 2**32:  # does not fit into 32 bits
            return np.zeros((n_rows, n_units), dtype=bool)
        words = self._words(n_rows, -(-n_units // 8))
        halves = words.astype("<u8", copy=False).view("<u4")  # low half first, on any machine
        return halves[:, :n_units] >= np.uint32(threshold)

    def _words(self, n_rows: int, n_blocks: int) -> np.ndarray:
        """All words of blocks 0, 1, ..., n_blocks - 1 of each row, (n_rows, 4 · n_blocks) uint64."""
        words = np.empty((n_rows, n_blocks, 4), dtype=np.uint64)
        rows = np.uint64(self.first_row) + np.arange(n_rows, dtype=np.uint64)[:, np.newaxis]
        blocks = np.arange(n_blocks, dtype=np.uint64)
        width = max(1, min(n_blocks, _TILE))
        height = _TILE // width
        for top in range(0, n_rows, height):
            for left in range(0, n_blocks, width):
                tile = (slice(top, top + height), slice(left, left + width))
                drawn = philox(blocks[tile[1]], rows[tile[0]], self.step, self._place, self.seed, 0)
                for lane, word in enumerate(drawn):
                    words[(*tile, lane)] = word
        return words.reshape(n_rows, 4 * n_blocks)

    @property
    def _place(self) -> int:
        return (int(self.purpose) << 32) + self.layer


def order_of(words: np.ndarray) -> np.ndarray:
    """The order that sorts random words, (n,) int64.

    Equal words (chance n²/2⁶⁵) keep their order, so the result does not depend on the sorting method.
    """
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


def seed_of(random_state: Any) -> int:
    """The seed in [0, 2⁶⁴) that a `random_state` stands for.

    None: drawn from the operating system, another one each time. A whole number: itself. NumPy's Generator or
    RandomState: drawn from it, which moves it on.
    Raises OptionError for anything else or a number out of range.
    """
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**64, dtype=np.uint64))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**64, dtype=np.uint64))
    if not _is_whole(random_state):
        raise OptionError(
            "must be None, a whole number, or NumPy's Generator or RandomState",
            argument="random_state",
            value=random_state,
        )
    if not 0 <= random_state < 2**64:
        raise OptionError("must be from 0 to 2**64 - 1", argument="random_state", value=random_state)
    return int(random_state)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)

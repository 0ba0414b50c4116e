"""Spike 3: layout and blocking of the matrix products, in GFLOP/s on one thread.

    python benchmarks/spikes/products.py [shapes] [tiles] [stride] [large] [narrow]      # default: all

shapes : the three products of a dense layer at the shapes of the benchmarks, by the engine's kernel and by `np.dot(A,
         B, out)` with samples along rows and along columns. Each call comes from Python, which takes about 0.5 µs more
         of either.
tiles  : rows × vectors of columns of the register tile.
stride : buffers whose rows are a power of two apart, with and without the padding of a cache line.
large  : 1024 units and samples: the operand A packed for each strip of rows, and the sum cut into blocks of k.
narrow : the gradient of a layer of a few units by sums along samples, and by tiles on dZ with a sample a row.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import aligned, best, callable_kernel, machine

from glassnet.engine import machine as processor
from glassnet.engine import microkernel
from glassnet.engine.memory import int64s, jit, reals_of
from glassnet.engine.plan import _columns

DTYPE = np.float32
SIZE, LANES = 4, processor.lanes(DTYPE)
SHAPES = [  # batch, inputs, outputs
    (32, 10, 16), (128, 20, 64), (128, 64, 32), (256, 32, 128), (256, 128, 64), (256, 256, 256),
    (128, 784, 256), (256, 784, 256), (128, 256, 128), (768, 4, 32), (768, 32, 16), (1504, 2, 5), (1024, 1024, 1024),
]  # fmt: skip


class Layer:
    """Random operands of a dense layer, as the engine and as BLAS have them; `product` and its result by name."""

    def __init__(self, n: int, p: int, q: int, stride: int | None = None) -> None:
        random = np.random.default_rng(0)
        self.n, self.p, self.q = n, p, q
        self.stride = stride or _columns(1 << 20, n, np.dtype(DTYPE))[1] if n <= 256 else stride or n + 16
        self.wide = -(-q // LANES) * LANES
        self.W = aligned(p, q)
        self.X, self.Z, self.dZ, self.dX = (aligned(units, self.stride) for units in (p, q, q, p))
        self.dZ_rows, self.dW = aligned(n, self.wide), aligned(p, self.wide)
        self.W[:] = random.standard_normal((p, q))
        self.X[:, :n], self.dZ[:, :n] = random.standard_normal((p, n)), random.standard_normal((q, n))
        self.dZ_rows[:, :q] = self.dZ[:, :n].T
        self.X_rows = np.ascontiguousarray(self.X[:, :n].T)
        self.X_columns, self.dZ_columns = self.X[:, :n].copy(), self.dZ[:, :n].copy()

    def arguments(self, product: str) -> list[int]:
        """Of the engine's kernel."""
        n, p, q, stride = self.n, self.p, self.q, self.stride
        W, X, Z, dZ, dX, rows, dW = (
            array.ctypes.data for array in (self.W, self.X, self.Z, self.dZ, self.dX, self.dZ_rows, self.dW)
        )
        return {
            "forward": [W, 1, q, X, stride, Z, stride, q, n, p, 0],
            "backward": [W, q, 1, dZ, stride, dX, stride, p, n, q, 0],
            "gradient": [X, stride, 1, rows, self.wide, dW, self.wide, p, self.wide, n, 0],
        }[product]

    def result(self, product: str) -> tuple[np.ndarray, np.ndarray]:
        """What the kernel wrote, and what it should be."""
        n, q = self.n, self.q
        if product == "forward":
            return self.Z[:, :n], self.W.T @ self.X_columns
        if product == "backward":
            return self.dX[:, :n], self.W @ self.dZ_columns
        return self.dW[:, :q], self.X_columns @ self.dZ_columns.T

    def dots(self, product: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Operands of np.dot: samples along rows, samples along columns."""
        dZ = np.ascontiguousarray(self.dZ_rows[:, : self.q])
        return {
            "forward": [(self.X_rows, self.W), (self.W.T, self.X_columns)],
            "backward": [(dZ, self.W.T), (self.W, self.dZ_columns)],
            "gradient": [(self.X_rows.T, dZ), (self.X_columns, self.dZ_columns.T)],
        }[product]

    def speed(self, seconds: float) -> float:
        """GFLOP/s of one product."""
        return 2e-9 * self.n * self.p * self.q / seconds


PRODUCTS = ("forward", "backward", "gradient")


def repeating(kernel: Any, name: str, n_arguments: int) -> Callable[[list[int]], float]:
    """A function that gives the seconds of one call of a kernel with these arguments, called again and again by a loop
    in compiled code: ctypes takes longer than a small product."""
    function = jit(kernel)
    lines = ["def repeat(arguments, times):", f"    x = int64s(arguments, {n_arguments})"]
    values = ", ".join(f"x[{i}]" for i in range(n_arguments))
    lines += ["    for _ in range(times):", f"        function({values})"]
    scope: dict[str, Any] = {"int64s": int64s, "function": function}
    exec("\n".join(lines), scope)
    repeat = callable_kernel(scope["repeat"], name, 2)

    def seconds(arguments: list[int]) -> float:
        given, times = np.array(arguments, np.int64), 1
        begun = time.thread_time()
        while time.thread_time() - begun < 2e-4:
            times *= 2
            begun = time.thread_time()
            repeat(given.ctypes.data, times)
        return best(lambda: repeat(given.ctypes.data, times)) / times

    return seconds


def kernel_speed(kernel: Callable[[list[int]], float], layer: Layer, product: str) -> float:
    """GFLOP/s of a kernel with the signature of the engine's, its result checked."""
    seconds = kernel(layer.arguments(product))
    found, expected = layer.result(product)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    return layer.speed(seconds)


@functools.cache
def engines() -> Callable[[list[int]], float]:
    """The engine's own kernel."""
    return repeating(microkernel.product(DTYPE), "spike_product", 11)


def shapes() -> None:
    print(f"{'shapes':22} {'ours: forward backward gradient':>32} {'np.dot, rows':>27} {'np.dot, columns':>27}")
    for n, p, q in SHAPES:
        layer = Layer(n, p, q)
        figures = [kernel_speed(engines(), layer, product) for product in PRODUCTS]
        for place in (0, 1):
            for product in PRODUCTS:
                A, B = layer.dots(product)[place]
                out = np.empty((A.shape[0], B.shape[1]), DTYPE)
                figures.append(layer.speed(best(lambda A=A, B=B, out=out: np.dot(A, B, out))))
        text = [f"{figure:8.1f}" for figure in figures]
        print(f"{n:5}, {p:4} -> {q:4}     ", *text[:3], "   |", *text[3:6], "|", *text[6:], flush=True)


def tiles() -> None:
    print(f"\n{'tile':8} of products 192, 256 -> 192 / 192, 32 -> 96 / 96, 784 -> 192: forward, backward, gradient")
    layers = [Layer(192, 256, 192), Layer(192, 32, 96), Layer(96, 784, 192)]
    before = processor.tile_rows, processor.TILE_COLUMNS
    for rows, columns in [(14, 1), (28, 1), (6, 2), (8, 2), (10, 2), (12, 2), (14, 2), (8, 3), (9, 3), (6, 4)]:
        processor.tile_rows, processor.TILE_COLUMNS = lambda rows=rows: rows, columns
        try:
            kernel = repeating(microkernel.product(DTYPE), f"spike_tile_{rows}_{columns}", 11)
        finally:
            processor.tile_rows, processor.TILE_COLUMNS = before
        figures = [[f"{kernel_speed(kernel, layer, product):6.1f}" for product in PRODUCTS] for layer in layers]
        print(f"{rows} × {columns:<4}", "  |  ".join(" ".join(each) for each in figures), flush=True)


def blocked(block_k: int, pack: bool) -> Callable[..., None]:  # noqa: C901 - two functions, and their branches
    """The engine's kernel on one block of k (0: all) and one strip of rows after the other, A packed if asked."""
    multiply, reals, rows = jit(microkernel.product(DTYPE)), reals_of(DTYPE), processor.tile_rows()

    @jit
    def pack_strip(a, a_row, a_k, m, n_k, to):
        out = reals(to, m * n_k)
        if a_row == 1:
            for k in range(n_k):
                source = reals(a + SIZE * k * a_k, m)
                for i in range(m):
                    out[k * m + i] = source[i]
        else:
            for i in range(m):
                source = reals(a + SIZE * i * a_row, n_k)
                for k in range(n_k):
                    out[k * m + i] = source[k]

    def kernel(A, a_row, a_k, B, b_k, C, c_row, n_rows, n_columns, n_k, add, scratch):
        n_strips = (n_rows + rows - 1) // rows
        at_once = block_k if block_k else n_k
        first = 0
        while first < n_k:
            n, row, adding = min(at_once, n_k - first), 0, 1 if first > 0 else add
            for strip in range(n_strips):
                m = (n_rows - row + n_strips - strip - 1) // (n_strips - strip)
                a, along, down = A + SIZE * (row * a_row + first * a_k), a_row, a_k
                if pack:
                    pack_strip(a, along, down, m, n, scratch)
                    a, along, down = scratch, 1, m
                b, c = B + SIZE * first * b_k, C + SIZE * row * c_row
                multiply(a, along, down, b, b_k, c, c_row, m, n_columns, n, adding)
                row += m
            first += at_once

    return kernel


def variant(block_k: int, pack: bool) -> Callable[[list[int]], float]:
    """A kernel of `blocked`, with the engine's arguments."""
    kernel, scratch = repeating(blocked(block_k, pack), f"spike_{block_k}_{int(pack)}", 12), aligned(64, 4096)
    return lambda arguments: kernel([*arguments, scratch.ctypes.data])


def stride() -> None:
    print("\nstride of 256 -> 256 and of 784 -> 256: forward, backward, gradient")
    for p in (256, 784):
        for n, to in [(256, 256), (256, 272), (512, 512), (512, 528), (1024, 1024), (1024, 1040)]:
            layer = Layer(n, p, 256, stride=to)
            figures = [f"{kernel_speed(engines(), layer, product):6.1f}" for product in PRODUCTS]
            print(f"{p:4} units, {n:4} columns, stride {to:4}: ", *figures, flush=True)


def large() -> None:
    print("\nlarge: forward, backward, gradient")
    kernels = {"as it is": engines()}
    for block_k, pack in [(256, False), (512, False), (0, True), (256, True), (384, True), (512, True)]:
        kernels[f"{'packed' if pack else ''} {f'k by {block_k}' if block_k else ''}".strip()] = variant(block_k, pack)
    for n, p, q in [(256, 256, 256), (256, 512, 512), (128, 784, 256), (256, 1024, 1024), (1024, 1024, 1024)]:
        layer = Layer(n, p, q)
        speeds = []
        for product in PRODUCTS:
            A, B = min(layer.dots(product), key=lambda pair: best(lambda: np.dot(*pair), rounds=5))
            out = np.empty((A.shape[0], B.shape[1]), DTYPE)
            speeds.append(f"{layer.speed(best(lambda A=A, B=B, out=out: np.dot(A, B, out), rounds=20)):6.1f}")
        print(f"{n:4}, {p:4} -> {q:4}  {'np.dot':20}", *speeds, flush=True)
        for way, kernel in kernels.items():
            figures = [f"{kernel_speed(kernel, layer, product):6.1f}" for product in PRODUCTS]
            print(f"{'':20}{way:20}", *figures, flush=True)


def narrow() -> None:
    print("\nnarrow: µs of a gradient by dots, by tiles and the transposition before them")
    dots = repeating(microkernel.dots(DTYPE), "spike_dots", 10)
    transpose = repeating(microkernel.transpose(DTYPE), "spike_transpose", 6)
    for n, p in [(256, 32), (256, 128), (1504, 5)]:
        for q in (1, 2, 3, 4, 6, 8, 10, 12, 16):
            layer, G = Layer(n, p, q), aligned(p, q)
            d = [layer.X.ctypes.data, layer.stride, layer.dZ.ctypes.data, layer.stride, G.ctypes.data, q, p, q, n, 0]
            by_dots = dots(d)
            np.testing.assert_allclose(G, layer.result("gradient")[1], rtol=1e-3, atol=1e-3)
            offsets = np.minimum(np.arange(layer.wide), q - 1) * layer.stride
            t = [layer.dZ.ctypes.data, offsets.ctypes.data, layer.wide, n, layer.dZ_rows.ctypes.data, layer.wide]
            by_tiles = engines()(layer.arguments("gradient"))
            turning = transpose(t)
            print(f"{n:5} samples, {p:3} -> {q:2}: {by_dots * 1e6:6.2f}  {by_tiles * 1e6:6.2f} + {turning * 1e6:5.2f}")


if __name__ == "__main__":
    print(machine())
    for part in sys.argv[1:] or ("shapes", "tiles", "stride", "large", "narrow"):
        {"shapes": shapes, "tiles": tiles, "stride": stride, "large": large, "narrow": narrow}[part]()

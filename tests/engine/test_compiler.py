"""The compiler: Python functions into machine code, loaded without Numba."""

import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from glassnet.engine import compiler

pytest.importorskip("numba")

# Kernels as a module of their own, since several processes compile them.
KERNELS = """
import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic


@intrinsic
def pointer(typing_context, address):
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())

    return types.CPointer(types.float64)(address), generate


@njit(error_model="numpy")
def part(x, first, last):
    total = 0.0
    for number in x[first:last]:
        total += number
    return total


def cumulate(x, y, n):
    x, y = carray(pointer(x), (n,)), carray(pointer(y), (n,))
    for i in range(n):
        y[i] = part(x, 0, i + 1)


def divide(x, y):
    x, y = carray(pointer(x), (1,)), carray(pointer(y), (1,))
    y[0] = x[0] / y[0]


def beyond(x):
    carray(pointer(x), (1,))[x] = 1.0


def refuse(x):
    if x > 3:
        raise ValueError("too large")


def allocate(x):
    carray(pointer(x), (1,))[0] = np.ones(x).sum()


def print_it(x):
    print(x)
"""


@pytest.fixture(scope="module")
def kernels():
    scope = {"__name__": "kernels_of_this_test"}
    exec(KERNELS, scope)
    return scope


def python(code, timeout=120, **environment):
    """What a new Python process prints that runs `code` after the kernels above."""
    environment = {**os.environ, "PYTHONPATH": str(Path(compiler.__file__).parents[2]), **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def call(address, *arguments):
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))(address)(*arguments)


def test_a_kernel_computes_what_its_python_function_says(kernels):
    x, y = np.array([1.0, 2.0, 4.0, 8.0]), np.zeros(4)
    address = compiler.load({"cumulate": compiler.object_code(kernels["cumulate"], "cumulate")})["cumulate"]
    call(address, x.ctypes.data, y.ctypes.data, 3)
    np.testing.assert_array_equal(y, [1.0, 3.0, 7.0, 0.0])


def test_division_by_zero_is_infinite_and_no_exception(kernels):
    x, y = np.array([-1.0]), np.array([0.0])
    address = compiler.load({"divide": compiler.object_code(kernels["divide"], "divide")})["divide"]
    call(address, x.ctypes.data, y.ctypes.data)
    assert y[0] == -np.inf


def test_a_kernel_compiled_again_has_the_same_bytes_here_and_in_another_process(kernels, tmp_path):
    first = compiler.object_code(kernels["cumulate"], "cumulate")
    assert compiler.object_code(kernels["cumulate"], "cumulate") == first
    code = (
        f"import hashlib\nfrom glassnet.engine.compiler import object_code\n{KERNELS}\n"
        "object_code(divide, 'divide')\nprint(hashlib.sha256(object_code(cumulate, 'cumulate')).hexdigest())"
    )
    assert python(code) == hashlib.sha256(first).hexdigest()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("refuse", "can raise an exception"), ("allocate", "can raise|calls what"), ("print_it", "can raise|calls what")],
)
def test_a_kernel_that_could_raise_allocate_or_use_objects_is_refused(kernels, name, reason):
    with pytest.raises(compiler.KernelDefect, match=f"the kernel {name} ({reason})"):
        compiler.object_code(kernels[name], name)


@pytest.mark.parametrize(
    "settings",
    [
        {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_DEBUGINFO": "1"},
        {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_OPT": "max"},
    ],
)
def test_numba_settings_of_the_host_process_do_not_count_and_are_left_as_they_were(settings):
    code = f"""{KERNELS}
import ctypes
import hashlib
from numba.core import config
from glassnet.engine.compiler import load, object_code
names = ("BOUNDSCHECK", "OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "CPU_NAME")
before = [getattr(config, name) for name in names]
objects = {{f.__name__: object_code(f, f.__name__) for f in (cumulate, divide, beyond)}}
assert [getattr(config, name) for name in names] == before
x, y = np.array([1.0, 2.0, 4.0]), np.zeros(3)
ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(load(objects)["cumulate"])(x.ctypes.data, y.ctypes.data, 3)
print(y.tolist())
"""
    assert python(code, **settings) == "[1.0, 3.0, 7.0]"


def test_a_compiler_that_is_switched_off_is_a_typed_error():
    code = """
from glassnet.engine.compiler import CompilerUnavailable, object_code
try:
    object_code(lambda x: None, "nothing")
except CompilerUnavailable as error:
    print(error)
"""
    assert python(code, NUMBA_DISABLE_JIT="1") == "Numba is switched off (NUMBA_DISABLE_JIT)"


def test_loading_needs_no_numba(kernels, tmp_path):
    (tmp_path / "divide.o").write_bytes(compiler.object_code(kernels["divide"], "divide"))
    code = f"""
import pathlib, sys
from glassnet.engine.compiler import load
code = pathlib.Path({str(tmp_path / "divide.o")!r}).read_bytes()
print(load({{"divide": code}})["divide"] != 0, "numba" in sys.modules)
"""
    assert python(code) == "True False"


def test_an_object_without_the_kernel_is_an_error(kernels):
    with pytest.raises(RuntimeError, match="do not define the kernels multiply"):
        compiler.load({"multiply": compiler.object_code(kernels["divide"], "divide")})


def test_an_object_that_needs_an_unknown_function_is_an_error_and_not_the_end_of_the_process():
    import llvmlite.binding as llvm

    module = llvm.parse_assembly("""
        declare void @nobody_has_this()
        define void @glassnet_asks() {
            call void @nobody_has_this()
            ret void
        }
    """)
    code = compiler.target_machine().emit_object(module)
    if code[:4] != b"\x7fELF":
        pytest.skip("only objects of the format ELF are checked")
    with pytest.raises(RuntimeError, match="the kernel asks needs functions that are missing here: nobody_has_this"):
        compiler.load({"asks": code})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_compiles_can_compile_too(kernels):
    stop = threading.Event()

    def keep_compiling():
        while not stop.is_set():
            compiler.object_code(kernels["divide"], "divide")

    thread = threading.Thread(target=keep_compiling)
    thread.start()
    try:
        for _ in range(5):
            time.sleep(0.02)
            child = os.fork()
            if child == 0:
                try:
                    compiler.load({"divide": compiler.object_code(kernels["divide"], "divide")})
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            deadline = time.monotonic() + 30.0
            done, status = 0, 0
            while not done and time.monotonic() < deadline:
                done, status = os.waitpid(child, os.WNOHANG)
                time.sleep(0.005)
            if not done:
                os.kill(child, 9)
                os.waitpid(child, 0)
            assert done, "the child did not finish within 30 seconds"
            assert status == 0
    finally:
        stop.set()
        thread.join()

"""Python functions made into machine code: compiled by Numba once, loaded by LLVM alone ever after.

A *kernel* is a Python function of int64 arguments (addresses and counts) that returns nothing, written in the subset
of the language that Numba compiles without Python objects. `object_code` compiles it for this machine's processor into
a relocatable object, plain bytes that a file can keep; `load` makes an object's code callable and gives its address:

    address = load({"add": object_code(add, "add")})["add"]
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)(a, b, c)

Numba is imported by `object_code` only: loading takes milliseconds where starting Numba takes seconds. A kernel has
nobody to report to, so one that could raise an exception or allocate memory is refused when it is compiled.

No setting of Numba's counts here (NUMBA_OPT, NUMBA_BOUNDSCHECK, …), since the host process may have set them for its
own functions; no fast-math flag is ever set, so that each operation is IEEE 754's.
"""

from __future__ import annotations

import inspect
import operator
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from glassnet.engine.symbols import strange, undefined_symbols

__all__ = ["CompilerUnavailable", "KernelDefect", "exclusive", "host_features", "load", "object_code", "target_machine"]

Kernel = Callable[..., None]

PREFIX = "glassnet_"

_RAISED = "glassnet_raised"  # called, in a kernel's first form, where it raises; optimised away when it never does


class _Lock:
    """A reentrant lock that lets a fork go first: a thread that compiles kernel after kernel would not let it in.

    Where a lock is free again only for a moment, the one who has just had it is the first to take it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held = threading.local()  # how often this thread has it
        self.fork_waits = False

    def __enter__(self) -> None:
        depth = getattr(self._held, "depth", 0)
        while self.fork_waits and not depth:
            time.sleep(0.001)
        self._lock.acquire()
        self._held.depth = depth + 1

    def __exit__(self, *exception: object) -> None:
        self._held.depth -= 1
        self._lock.release()

    def enter_for_fork(self) -> None:
        """Take the lock before any other thread that waits for it."""
        self.fork_waits = True
        self._lock.acquire()
        self._held.depth = getattr(self._held, "depth", 0) + 1
        self.fork_waits = False


# Guards LLVM, Numba and `_engines`; held across every fork. Reentrant: compiling a kernel may load another.
_lock = _Lock()
_engines: list[Any] = []  # loaded code lives as long as the process: addresses are handed out for good

_held_for_fork: list[Any] = []


def _before_fork() -> None:
    """Let the kernel at hand be finished: a child has only the thread that forked, and what was locked stays locked.

    Numba's and LLVM's own locks are waited for as well, since LLVM's objects may be freed at any time.
    """
    modules = ("numba.core.compiler_lock", "global_compiler_lock"), ("llvmlite.binding.ffi", "lib._lock")
    found = [(sys.modules.get(module), name) for module, name in modules]
    others = [operator.attrgetter(name)(module) for module, name in found if _has(module, name)]
    _lock.enter_for_fork()
    for lock in others:  # in the order in which a compilation takes them
        lock.__enter__()
    _held_for_fork.append([_lock, *others])


def _after_fork() -> None:
    for lock in reversed(_held_for_fork.pop()):
        lock.__exit__(None, None, None)


def _has(module: Any, name: str) -> bool:
    try:
        operator.attrgetter(name)(module)
    except AttributeError:  # not imported, or another version
        return False
    return True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class CompilerUnavailable(RuntimeError):  # noqa: N818 - a state of the machine rather than a mistake
    """Numba cannot compile here: it is missing, too old, broken, or switched off (NUMBA_DISABLE_JIT)."""


class KernelDefect(RuntimeError):  # noqa: N818 - a mistake in glassnet, which no user can make
    """A kernel does what no kernel may: raise an exception, allocate memory, call a function of unknown origin."""


def exclusive() -> AbstractContextManager[Any]:
    """Within this block no other thread compiles, loads or forks; a thread may enter it again."""
    return _lock


def object_code(function: Kernel, name: str) -> bytes:
    """Compile `function` for this processor into an object file that exports `void glassnet_<name>(int64, …)`.

    function : takes positional arguments only, each an int64 (two to four addresses, mostly), and returns None.
    name     : letters, digits and underscores of ASCII, as in C.
    Raises CompilerUnavailable when Numba cannot compile at all, KernelDefect when the kernel might raise or calls
    anything but C's mathematics, and Numba's own errors when the function is not in its subset of Python.
    """
    if not (PREFIX + name).isidentifier() or not name.isascii():
        raise ValueError(f"the name of a kernel must be made of letters, digits and underscores, got {name!r}")
    with _lock, _numba() as for_host:
        return _compiled(function, PREFIX + name, for_host)


def load(objects: Mapping[str, bytes]) -> dict[str, int]:
    """Make the kernels in `objects` (name -> bytes from `object_code`) callable; return their addresses by name.

    The code stays for the life of the process. Needs llvmlite, not Numba.
    Raises RuntimeError when an object is damaged or needs a function that this process does not have.
    """
    if not objects:
        return {}
    with _lock:
        import llvmlite.binding as llvm

        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
        for name, data in objects.items():
            missing = [symbol for symbol in undefined_symbols(data) if llvm.address_of_symbol(symbol) is None]
            if missing:  # LLVM would end the process
                raise RuntimeError(f"the kernel {name} needs functions that are missing here: {', '.join(missing)}")
            engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        engine.finalize_object()
        found = {name: engine.get_function_address(PREFIX + name) for name in objects}
        _engines.append(engine)
    absent = [name for name, address in found.items() if not address]
    if absent:
        raise RuntimeError(f"the objects do not define the kernels {', '.join(absent)}")
    return found


def target_machine() -> Any:
    """LLVM's description of this processor, all its features in use, for code that is linked where it is loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    # As Numba does: since LLVM 7 code compiled on x86 for its own process must not be position independent.
    reloc = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=host_features(),
        opt=3,
        reloc=reloc,
        codemodel="jitdefault",
        jit=True,
    )


def host_features() -> str:
    """The features of this processor as LLVM writes them (`+avx2,+fma,…`); empty where LLVM cannot tell."""
    import llvmlite.binding as llvm

    try:
        return llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # some ARM systems
        return ""


@contextmanager
def _numba() -> Iterator[bool]:
    """Numba ready to compile a kernel until the block ends; the value says if it optimises for this processor."""
    try:
        import numba.core.compiler
        import numba.core.registry  # noqa: F401
        from numba.core import config as numba_config
        from numba.core.compiler_lock import global_compiler_lock
    except Exception as error:  # a broken installation raises anything
        raise CompilerUnavailable(f"Numba cannot be imported: {error}") from error
    config: Any = numba_config
    # Under Numba's own lock nothing else compiles in this process, so no function but ours sees the values set here.
    with global_compiler_lock:
        config.reload_config()  # what the environment says now
        if config.DISABLE_JIT:
            raise CompilerUnavailable("Numba is switched off (NUMBA_DISABLE_JIT)")
        # BOUNDSCHECK overrides the flag of a compilation, and the helpers a kernel calls are compiled with its flags.
        ours: dict[str, Any] = {
            "BOUNDSCHECK": None,
            "OPT": type(config.OPT)(3),
            "LOOP_VECTORIZE": 1,
            "SLP_VECTORIZE": 0,
            "DEBUGINFO_DEFAULT": 0,
        }
        before = {name: getattr(config, name) for name in ours}
        vars(config).update(ours)
        try:
            yield config.CPU_NAME is None and config.CPU_FEATURES is None
        finally:
            vars(config).update(before)


def _compiled(function: Kernel, name: str, for_host: bool) -> bytes:
    module = _with_one_entry(*_lowered(function), name, n=len(inspect.signature(function).parameters))
    machine = target_machine()
    if for_host:  # optimised by Numba already: only what the new caller shows is left to do
        _remove_unused(module, machine)
    if not for_host or strange(_declared(module)):
        _optimise(module, machine)
    module.verify()
    _refuse(strange(_declared(module)), function)
    code: bytes = machine.emit_object(module)
    _refuse(strange(undefined_symbols(code)), function)  # this step may call helpers of its own, such as fmodf
    return code


def _lowered(function: Kernel) -> tuple[Any, str]:
    """LLVM's module for `function` with all it calls, and the name it has there.

    There it is `i32 (ptr result, ptr exception, i64, …)`; the result is positive when it raised.
    """
    import llvmlite.binding as llvm
    from numba import types
    from numba.core import compiler, cpu
    from numba.core.codegen import JITCodeLibrary
    from numba.core.registry import cpu_target

    class Unloaded(JITCodeLibrary):
        """Code that Numba optimises but does not load: it is emitted once, from the module made of it."""

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._verify_declare_only_symbols()
            self._finalized = True

    flags: Any = compiler.Flags()
    flags.no_compile = True  # no executable of Numba's
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.nrt = True  # Numba wants it wherever an array is handed on; a kernel that needs it at last is refused
    flags.error_model = "numpy"
    flags.boundscheck = False
    flags.debuginfo = False
    flags.fastmath = cpu.FastMathOptions(False)
    context = cpu_target.target_context
    library = Unloaded(context.codegen(), function.__name__)
    arguments = (types.int64,) * len(inspect.signature(function).parameters)
    compiled = compiler.compile_extra(
        cpu_target.typing_context, context, function, arguments, types.void, flags, {}, library=library
    )
    library.finalize()
    return llvm.parse_assembly(library.get_llvm_str()), compiled.fndesc.llvm_func_name


def _with_one_entry(module: Any, native: str, name: str, n: int) -> Any:
    """The module with a function `void name(i64, …)` of `n` arguments that calls `native`, and is all others see."""
    import llvmlite.binding as llvm

    callee = '@"' + native.replace("\\", "\\5c").replace('"', "\\22") + '"'
    arguments = [f"i64 %a{i}" for i in range(n)]
    caller = llvm.parse_assembly(f"""
        declare i32 {callee}({", ".join(["ptr", "ptr", *["i64"] * n])})
        declare void @{_RAISED}()
        define void @{name}({", ".join(arguments)}) {{
            %result = alloca ptr
            %exception = alloca ptr
            %status = call i32 {callee}({", ".join(["ptr %result", "ptr %exception", *arguments])})
            %raised = icmp sgt i32 %status, 0
            br i1 %raised, label %raise, label %end
        raise:
            call void @{_RAISED}()
            br label %end
        end:
            ret void
        }}
    """)
    module.link_in(caller)
    for item in [*module.functions, *module.global_variables]:
        if not item.is_declaration and item.name != name:
            item.linkage = "internal"
    return module


def _remove_unused(module: Any, machine: Any) -> None:
    """Remove what the one entry cannot reach, the branch for exceptions first if it is proved never to be taken."""
    import llvmlite.binding as llvm

    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.add_strip_symbols_pass()  # Numba numbers its names, so that they differ from one process to the next
    passes.run(module, builder)


def _optimise(module: Any, machine: Any) -> None:
    """Optimise the module as a whole, as Numba does by default."""
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.add_strip_symbols_pass()  # Numba numbers its names, so that they differ from one process to the next
    passes.run(module, builder)


def _declared(module: Any) -> list[str]:
    """The functions and variables that the module expects from elsewhere."""
    items = [*module.functions, *module.global_variables]
    return [item.name for item in items if item.is_declaration and not item.name.startswith("llvm.")]


def _refuse(names: list[str], function: Kernel) -> None:
    """Raise KernelDefect if there is a symbol that no kernel may use."""
    if _RAISED in names:
        raise KernelDefect(f"the kernel {function.__name__} can raise an exception")
    if names:
        raise KernelDefect(f"the kernel {function.__name__} calls what no kernel may: {', '.join(names)}")

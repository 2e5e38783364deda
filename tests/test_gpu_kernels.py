"""The device code of the GPU kernels, compiled for the host: it computes what the array code computes."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from rpca_affect.engine.cells import gpu as gpu_kernels

COMPILER = shutil.which("g++") or shutil.which("c++")
LOOPS = """
#define EACH(T, NAME)                                                                                             \\
    extern "C" void NAME(long cells, const T* value, const T* argument, const T* base, const unsigned char* seen,  \\
                         const double* slack, const double* lam, const double* ratio, const double* mu, T* kept,  \\
                         T* carried, double* violated, double* held) {                                            \\
        for (long k = 0; k < cells; ++k) {                                                                        \\
            kept[k] = shrunk_(value[k], argument[k], base[k], bool(seen[k]), slack[k], lam[k], ratio[k], mu[k],    \\
                              carried[k]);                                                                        \\
            violated[k] = violated_(value[k], argument[k], base[k], bool(seen[k]), slack[k], lam[k], ratio[k],     \\
                                    mu[k]);                                                                       \\
            held[k] = held_(value[k], argument[k], base[k], bool(seen[k]), slack[k], lam[k], ratio[k], mu[k]);     \\
        }                                                                                                         \\
    }
EACH(float, on_float32)
EACH(double, on_float64)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if COMPILER is None:
        pytest.skip("no C++ compiler here")
    source, built = (tmp_path_factory.mktemp("kernels") / name for name in ("shrink.cpp", "shrink.so"))
    source.write_text(f"#define __device__\n#define __forceinline__ inline\n{gpu_kernels.SHRINK}{LOOPS}")
    subprocess.run([COMPILER, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", source, "-o", built], check=True)
    return ctypes.CDLL(str(built))


@pytest.mark.parametrize("dtype, bound", [("float64", 1e-13), ("float32", 1e-5)])
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("slack", [False, True])
def test_the_device_functions_do_what_the_array_code_does(library, dtype, bound, seen, slack):
    draw = np.random.default_rng(3)
    shape = (3, 8, 20)
    values, argument, base = (draw.standard_normal(shape).astype(dtype) for _ in range(3))
    mask = draw.random(shape) > 0.2 if seen else None
    weight = draw.random((1, 8, 1)) if slack else None
    numbers = [draw.uniform(0.5, 1.5, (3, 1, 1)) for _ in range(3)]
    cells = gpu_kernels.Cells(values, argument, base, mask, weight, *numbers)
    full = [values, argument, base, True if mask is None else mask, 0.0 if weight is None else weight, *numbers]
    kinds = [dtype] * 3 + ["uint8"] + ["float64"] * 4
    given = [np.ascontiguousarray(np.broadcast_to(x, shape), dtype=kind) for x, kind in zip(full, kinds)]
    found = [np.empty(shape, kind) for kind in (dtype, dtype, "float64", "float64")]
    pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in (*given, *found)]
    getattr(library, f"on_{dtype}")(ctypes.c_long(values.size), *pointers)
    kept, carried, violated, held = found
    for ours, theirs in zip((kept, carried), gpu_kernels.kept_and_carried(cells)):
        np.testing.assert_allclose(ours, theirs, atol=bound)
    per_matrix = {"axis": (1, 2), "keepdims": True}
    np.testing.assert_allclose(violated.sum(**per_matrix), gpu_kernels.violated_square(cells), rtol=bound)
    np.testing.assert_allclose(held.sum(**per_matrix), gpu_kernels.held_square(cells), rtol=bound)

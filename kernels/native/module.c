/* lcodec.kernels._native: the exact layers of `kernels/exact_native.py` and the search of motion of
   `kernels/block_matching.py` in C, for the instructions this processor has.

   Arguments are numbers and the addresses of arrays whose types and shapes the caller answers for. No call holds the
   interpreter's lock while it computes, or keeps anything. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "works.h"

#define ISA plain
#include "layers.h"
#include "motion.h"
#include "motion_rate.h"
#undef ISA

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86_SETS
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA avx2
#define WITH_AVX2
#include "layers.h"
#include "motion.h"
#include "motion_rate.h"
#undef WITH_AVX2
#undef ISA
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,prefer-vector-width=512")
#define ISA avx512_vnni
#define WITH_VNNI
#include "layers.h"
#include "motion.h"
#include "motion_rate.h"
#undef WITH_VNNI
#undef ISA
#pragma GCC pop_options
#endif

typedef struct {
    const char *name;
    Part linear, head, block;
    void (*depthwise)(const Depthwise *, const int32_t *, long, long, long, long, int32_t *);
    void (*gate)(const int32_t *, const int32_t *, long, long, long, int, int32_t *);
    void (*add)(const int32_t *, const int32_t *, long, int32_t *);
    void (*put)(const PutWork *);
    void (*features)(const int32_t *, const long *, long, long, long, int32_t, int32_t *);
    void (*magnitude)(const int32_t *, long, int32_t, int32_t *);
    void (*field_cost)(const Field *, const int32_t *, int32_t *, float *);
    void (*field_better)(const Field *, int32_t *, float *, const int32_t *, int32_t *);
    void (*field_refined)(const Field *, int32_t *, float *, int32_t, int32_t *);
    void (*coarse)(const float *, const float *, long, long, long, long, long, float, const float *, long, long, int32_t *,
                   float *);
    double (*settle)(const Settling *, long);
} Set;

#define SET(name, isa)                                                                                              \
    {name,       linear_part_##isa, head_part_##isa, block_part_##isa, depthwise_##isa,    gate_##isa,          \
     add_##isa,  put_##isa,         features_##isa,  magnitude_##isa,  field_cost_##isa,   field_better_##isa,  \
     field_refined_##isa, coarse_##isa, settle_##isa}

static const Set SETS[] = {
    SET("plain", plain),
#ifdef X86_SETS
    SET("AVX2", avx2),
    SET("AVX-512 VNNI", avx512_vnni),
#endif
};

static int count_sets(void) {
#ifdef X86_SETS
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return 2;
    return 3;
#else
    return 1;
#endif
}

/* The arguments as numbers, the first of them a set that this processor has. */
static const Set *numbers(PyObject *const *arguments, Py_ssize_t given, Py_ssize_t wanted, long long *n) {
    if (given != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments, not %zd", given, wanted);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < wanted; i++) {
        n[i] = PyLong_AsLongLong(arguments[i]);
        if (n[i] == -1 && PyErr_Occurred()) return NULL;
    }
    if (n[0] < 0 || n[0] >= count_sets()) {
        PyErr_SetString(PyExc_ValueError, "no such set of instructions");
        return NULL;
    }
    return &SETS[n[0]];
}

#define POINTER(type, n) ((type *)(intptr_t)(n))

#include "layer_calls.h"
#include "motion_calls.h"

#define FAST(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

static PyMethodDef METHODS[] = {FAST(linear), FAST(head),      FAST(gated_block), FAST(depthwise), FAST(gate),  FAST(add),
                                FAST(put),    FAST(features),  FAST(magnitude),   FAST(field),     FAST(coarse),
                                FAST(settle),
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module == NULL) return NULL;
    const int count = count_sets();
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names != NULL && i < count; i++) {
        PyObject *name = PyUnicode_FromString(SETS[i].name);
        if (name == NULL || PyTuple_SetItem(names, i, name) < 0) Py_CLEAR(names);
    }
    if (names == NULL || PyModule_AddObjectRef(module, "SETS", names) < 0) Py_CLEAR(module);
    Py_XDECREF(names);
    return module;
}

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

enum { LOWEST = -32768, HIGHEST = 32767, ROWS_AT_MOST = 8 };

/* `most_square`: rows of a smaller squared length have sums, bias included, that fit 32 bits. */
typedef struct {
    const int16_t *weight;
    const int32_t *bias, *shift;
    float most_square;
    long inputs, outputs, pairs, blocks;
} Linear;

typedef struct {
    const int32_t *weight, *bias, *shift;
    long channels;
} Depthwise;

typedef struct {
    Linear enter, leave, expand, reduce;
    Depthwise mix;
    int shift;
} Block;

/* Rows of features, `step` apart: those of some places, or one after the other. */
typedef struct {
    const int32_t *x;
    long step;
    const int64_t *places;
} Source;

/* `linear` in parts: `rows` of them, saturated from `lowest` on; `room_bytes` of room for each part. */
typedef struct {
    const Linear *layer;
    Source source;
    long rows;
    int32_t lowest, *out;
    char *room;
    size_t room_bytes;
} LinearWork;

/* `head` in parts. */
typedef struct {
    const Linear *layer;
    Source source;
    long rows;
    int row_shift, row_centre, row_most, whole_bits;
    long stride;
    int32_t *mean;
    int16_t *row;
    char *room;
    size_t room_bytes;
} HeadWork;

typedef struct {
    const int16_t *symbols;
    const int32_t *mean;
    long stride;
    int bits;
    long channels, count;
    const int64_t *places;
    int32_t *plane;
    long step, channel_step;
} PutWork;

/* A block of `entropy/blocks.py` in parts: the places first..end, counted row by row. `entered`: all places, behind the
   first layer and rectified. */
typedef struct {
    const Block *block;
    const int32_t *x, *entered;
    long height, width, first, end;
    int32_t *out;
    char *room;
    size_t room_bytes;
} BlockWork;

/* Luminance (SIDE down, SIDE across) and samples between the pixels of another plane of a height and width, continued by
   `border`: 16 phases of (rows, columns). `bits` of vectors by their distance from those around. Vectors are (down,
   across, 2) int32, of (y, x) in quarter pixels. */
enum { SIDE = 16, BITS_AT_MOST = 4096 };
typedef struct {
    const float *current, *samples, *bits;
    long down, across, rows, columns, height, width, border;
    float bit_cost;
} Field;

/* Motion in the course of being weighed against its bits: what `codec/video/motion_rate.py` says. Of every block its
   place in the order of coding, its level (-1 in the first grid), the four that it is predicted from, and those that are
   predicted from it. `bits` of symbols -BOUND..BOUND and of those beyond, by table row; `mode_row` and `first_row` of
   each field are rows. Vectors are what is to be added to `base`, the expected ones. `modes` are 0 for both references, 1 for the first, -1 for the second; unused with one. */
enum { BOUND = 64, SYMBOLS = 2 * BOUND + 2 };
typedef struct {
    Field field[2];
    int fields;
    const int32_t *order, *level, *around, *dependents_start, *dependents;
    const float *bits;
    long first_row[2], mode_row;
    float bit_cost;
    const int32_t *base[2];
    int32_t *vectors[2], *modes;
} Settling;

#include "parts.h"

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

enum { LINEAR_NUMBERS = 5, DEPTHWISE_NUMBERS = 4 };

/* What describes a layer: weight, bias, shift, most_square, and int64 inputs, outputs, blocks, pairs. */
static Linear linear_of(const long long *n) {
    const int64_t *sizes = POINTER(const int64_t, n[4]);
    return (Linear){.weight = POINTER(const int16_t, n[0]),
                    .bias = POINTER(const int32_t, n[1]),
                    .shift = POINTER(const int32_t, n[2]),
                    .most_square = *POINTER(const float, n[3]),
                    .inputs = (long)sizes[0],
                    .outputs = (long)sizes[1],
                    .blocks = (long)sizes[2],
                    .pairs = (long)sizes[3]};
}

/* What describes a depthwise layer: weight (9, C), bias, shift, channels. */
static Depthwise depthwise_of(const long long *n) {
    return (Depthwise){.weight = POINTER(const int32_t, n[0]),
                       .bias = POINTER(const int32_t, n[1]),
                       .shift = POINTER(const int32_t, n[2]),
                       .channels = (long)n[3]};
}

/* Bytes that `linear` needs beside its arguments. */
static size_t room_of(const Linear *layer) {
    return (size_t)(ROWS_AT_MOST * (layer->pairs * 4 + 16 * layer->blocks * 12));
}

/* linear(set, *layer, threads, x, step, rows, out): rows of x are `step` apart */
static PyObject *linear(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[1 + LINEAR_NUMBERS + 5], *rest = n + 1 + LINEAR_NUMBERS;
    const Set *set = numbers(arguments, given, 1 + LINEAR_NUMBERS + 5, n);
    if (set == NULL) return NULL;
    const Linear layer = linear_of(n + 1);
    const long threads = (long)rest[0];
    LinearWork work = {.layer = &layer,
                       .source = {.x = POINTER(const int32_t, rest[1]), .step = (long)rest[2]},
                       .rows = (long)rest[3],
                       .lowest = LOWEST,
                       .out = POINTER(int32_t, rest[4]),
                       .room_bytes = room_of(&layer)};
    if ((work.room = malloc((size_t)threads * work.room_bytes)) == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    in_parts(set->linear, &work, threads);
    Py_END_ALLOW_THREADS;
    free(work.room);
    Py_RETURN_NONE;
}

/* head(set, *layer, threads, x, step, places, rows, row_shift, row_centre, row_most, whole_bits, stride, mean, row): of
   2 C outputs at places the C means, int32, whole numbers of so many bits, and the C table rows, int16, each (C, rows),
   whose channels are `stride` apart */
static PyObject *head(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[1 + LINEAR_NUMBERS + 12], *rest = n + 1 + LINEAR_NUMBERS;
    const Set *set = numbers(arguments, given, 1 + LINEAR_NUMBERS + 12, n);
    if (set == NULL) return NULL;
    const Linear layer = linear_of(n + 1);
    const long threads = (long)rest[0];
    HeadWork work = {.layer = &layer,
                     .source = {.x = POINTER(const int32_t, rest[1]),
                                .step = (long)rest[2],
                                .places = POINTER(const int64_t, rest[3])},
                     .rows = (long)rest[4],
                     .row_shift = (int)rest[5],
                     .row_centre = (int)rest[6],
                     .row_most = (int)rest[7],
                     .whole_bits = (int)rest[8],
                     .stride = (long)rest[9],
                     .mean = POINTER(int32_t, rest[10]),
                     .row = POINTER(int16_t, rest[11]),
                     .room_bytes = room_of(&layer) + (size_t)(ROWS_AT_MOST * layer.outputs) * sizeof(int32_t)};
    if ((work.room = malloc((size_t)threads * work.room_bytes)) == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    in_parts(set->head, &work, threads);
    Py_END_ALLOW_THREADS;
    free(work.room);
    Py_RETURN_NONE;
}

/* depthwise(set, *layer, x (H, W, C), height, width, out) */
static PyObject *depthwise(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[1 + DEPTHWISE_NUMBERS + 4], *rest = n + 1 + DEPTHWISE_NUMBERS;
    const Set *set = numbers(arguments, given, 1 + DEPTHWISE_NUMBERS + 4, n);
    if (set == NULL) return NULL;
    const Depthwise layer = depthwise_of(n + 1);
    const long height = (long)rest[1], width = (long)rest[2];
    Py_BEGIN_ALLOW_THREADS;
    set->depthwise(&layer, POINTER(const int32_t, rest[0]), height, width, 0, height * width,
                   POINTER(int32_t, rest[3]));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* gated_block(set, *enter, *mix, *leave, *expand, *reduce, shift, threads, x (H, W, C), height, width, first, end, out):
   rows first..end of the block of `entropy/blocks.py` */
static PyObject *gated_block(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    enum { LAYERS = 4 * LINEAR_NUMBERS + DEPTHWISE_NUMBERS };
    long long n[1 + LAYERS + 8], *rest = n + 1 + LAYERS;
    const Set *set = numbers(arguments, given, 1 + LAYERS + 8, n);
    if (set == NULL) return NULL;
    const long long *layers = n + 1;
    const Block block = {.enter = linear_of(layers),
                         .mix = depthwise_of(layers + LINEAR_NUMBERS),
                         .leave = linear_of(layers + LINEAR_NUMBERS + DEPTHWISE_NUMBERS),
                         .expand = linear_of(layers + 2 * LINEAR_NUMBERS + DEPTHWISE_NUMBERS),
                         .reduce = linear_of(layers + 3 * LINEAR_NUMBERS + DEPTHWISE_NUMBERS),
                         .shift = (int)rest[0]};
    const long threads = (long)rest[1], height = (long)rest[3], width = (long)rest[4], channels = block.mix.channels;
    const int32_t *x = POINTER(const int32_t, rest[2]);
    /* Of the four layers `expand` is the widest; beside it, three planes of a few rows. */
    const size_t room_bytes = room_of(&block.expand) + (size_t)(3 * ROWS_AT_MOST * channels) * sizeof(int32_t);
    char *room = malloc((size_t)threads * room_bytes);
    int32_t *entered = malloc((size_t)(height * width * channels) * sizeof *entered);
    if (room == NULL || entered == NULL) {
        free(room);
        free(entered);
        return PyErr_NoMemory();
    }
    const LinearWork enter = {.layer = &block.enter,
                              .source = {.x = x, .step = channels},
                              .rows = height * width,
                              .out = entered,
                              .room = room,
                              .room_bytes = room_bytes};
    const BlockWork behind = {.block = &block,
                              .x = x,
                              .entered = entered,
                              .height = height,
                              .width = width,
                              .first = (long)rest[5] * width,
                              .end = (long)rest[6] * width,
                              .out = POINTER(int32_t, rest[7]),
                              .room = room,
                              .room_bytes = room_bytes};
    Py_BEGIN_ALLOW_THREADS;
    in_parts(set->linear, &enter, threads);
    in_parts(set->block, &behind, threads);
    Py_END_ALLOW_THREADS;
    free(room);
    free(entered);
    Py_RETURN_NONE;
}

/* gate(set, a, b, step, rows, channels, shift, out): rows of a and b are `step` apart */
static PyObject *gate(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[8];
    const Set *set = numbers(arguments, given, 8, n);
    if (set == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    set->gate(POINTER(const int32_t, n[1]), POINTER(const int32_t, n[2]), (long)n[3], (long)n[4], (long)n[5],
              (int)n[6], POINTER(int32_t, n[7]));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* add(set, a, b, count, out) */
static PyObject *add(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[5];
    const Set *set = numbers(arguments, given, 5, n);
    if (set == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    set->add(POINTER(const int32_t, n[1]), POINTER(const int32_t, n[2]), (long)n[3], POINTER(int32_t, n[4]));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* put(set, symbols, mean, stride, bits, channels, count, places, plane, step, channel_step): at places of a plane, rows
   `step` apart, the values of symbols (C, count) int16 and their means int32, whose channels are `stride` apart */
static PyObject *put(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[11];
    const Set *set = numbers(arguments, given, 11, n);
    if (set == NULL) return NULL;
    const PutWork work = {.symbols = POINTER(const int16_t, n[1]),
                          .mean = POINTER(const int32_t, n[2]),
                          .stride = (long)n[3],
                          .bits = (int)n[4],
                          .channels = (long)n[5],
                          .count = (long)n[6],
                          .places = POINTER(const int64_t, n[7]),
                          .plane = POINTER(int32_t, n[8]),
                          .step = (long)n[9],
                          .channel_step = (long)n[10]};
    Py_BEGIN_ALLOW_THREADS;
    set->put(&work);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* features(set, x, channel_step, row_step, column_step, height, width, channels, factor, out (H, W, C)): saturated
   products with a power of two */
static PyObject *features(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[10];
    const Set *set = numbers(arguments, given, 10, n);
    if (set == NULL) return NULL;
    const long steps[] = {(long)n[2], (long)n[3], (long)n[4]};
    Py_BEGIN_ALLOW_THREADS;
    set->features(POINTER(const int32_t, n[1]), steps, (long)n[5], (long)n[6], (long)n[7], (int32_t)n[8],
                  POINTER(int32_t, n[9]));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

/* magnitude(set, x, count, most, out): min(8 |x|, most) + |x|, saturated */
static PyObject *magnitude(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[5];
    const Set *set = numbers(arguments, given, 5, n);
    if (set == NULL) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    set->magnitude(POINTER(const int32_t, n[1]), (long)n[2], (int32_t)n[3], POINTER(int32_t, n[4]));
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

enum { FIELD_NUMBERS = 11 };

/* What describes a field: current, samples, bits, down, across, rows, columns, height, width, border, bit_cost. */
static Field field_of(const long long *n) {
    return (Field){.current = POINTER(const float, n[0]),
                   .samples = POINTER(const float, n[1]),
                   .bits = POINTER(const float, n[2]),
                   .down = (long)n[3],
                   .across = (long)n[4],
                   .rows = (long)n[5],
                   .columns = (long)n[6],
                   .height = (long)n[7],
                   .width = (long)n[8],
                   .border = (long)n[9],
                   .bit_cost = *POINTER(const float, n[10])};
}

/* field(set, *field, vectors, cost, other, step): costs of vectors, where `other` and `step` are 0; else the better of
   them and of other vectors, or of the candidates `step` away, and their costs */
static PyObject *field(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[1 + FIELD_NUMBERS + 4], *rest = n + 1 + FIELD_NUMBERS;
    const Set *set = numbers(arguments, given, 1 + FIELD_NUMBERS + 4, n);
    if (set == NULL) return NULL;
    const Field f = field_of(n + 1);
    int32_t *vectors = POINTER(int32_t, rest[0]), *room = malloc((size_t)(4 * f.down * f.across) * sizeof *room);
    float *cost = POINTER(float, rest[1]);
    if (room == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    if (rest[2])
        set->field_better(&f, vectors, cost, POINTER(const int32_t, rest[2]), room);
    else if (rest[3])
        set->field_refined(&f, vectors, cost, (int32_t)rest[3], room);
    else
        set->field_cost(&f, vectors, room, cost);
    Py_END_ALLOW_THREADS;
    free(room);
    Py_RETURN_NONE;
}

/* coarse(set, now, then, height, width, block, margin, reach, scale, extra, down, across, best) */
static PyObject *coarse(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[13];
    const Set *set = numbers(arguments, given, 13, n);
    if (set == NULL) return NULL;
    const long block = (long)n[5], margin = (long)n[6], down = (long)n[10], across = (long)n[11];
    const long wide = across * block + 2 * margin, tall = down * block + 2 * margin;
    float *room = malloc((size_t)(down * across + wide * tall + wide) * sizeof *room);
    if (room == NULL) return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS;
    set->coarse(POINTER(const float, n[1]), POINTER(const float, n[2]), (long)n[3], (long)n[4], block, margin, (long)n[7],
                *POINTER(const float, n[8]), POINTER(const float, n[9]), down, across, POINTER(int32_t, n[12]), room);
    Py_END_ALLOW_THREADS;
    free(room);
    Py_RETURN_NONE;
}

/* settle(set, *field, samples of the second reference or 0, order, level, around, dependents_start, dependents, bits,
   first row of the first field, of the second, mode_row, vectors, vectors of the second, modes, sweeps, base, base of the second): what it costs in the end */
static PyObject *settle(PyObject *self, PyObject *const *arguments, Py_ssize_t given) {
    long long n[1 + FIELD_NUMBERS + 16], *rest = n + 1 + FIELD_NUMBERS;
    const Set *set = numbers(arguments, given, 1 + FIELD_NUMBERS + 16, n);
    if (set == NULL) return NULL;
    Settling s = {.field = {field_of(n + 1), field_of(n + 1)},
                  .fields = rest[0] ? 2 : 1,
                  .order = POINTER(const int32_t, rest[1]),
                  .level = POINTER(const int32_t, rest[2]),
                  .around = POINTER(const int32_t, rest[3]),
                  .dependents_start = POINTER(const int32_t, rest[4]),
                  .dependents = POINTER(const int32_t, rest[5]),
                  .bits = POINTER(const float, rest[6]),
                  .first_row = {(long)rest[7], (long)rest[8]},
                  .mode_row = (long)rest[9],
                  .vectors = {POINTER(int32_t, rest[10]), POINTER(int32_t, rest[11])},
                  .modes = POINTER(int32_t, rest[12]),
                  .base = {POINTER(const int32_t, rest[14]), POINTER(const int32_t, rest[15])}};
    s.field[1].samples = POINTER(const float, rest[0]);
    s.bit_cost = s.field[0].bit_cost;
    double cost;
    Py_BEGIN_ALLOW_THREADS;
    cost = set->settle(&s, (long)rest[13]);
    Py_END_ALLOW_THREADS;
    return PyFloat_FromDouble(cost);
}

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

/* What `kernels/block_matching.py` calls. The first argument is a set of instructions; *field stands for what describes one. */

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

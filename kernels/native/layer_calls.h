/* What `kernels/exact_native.py` calls. The first argument is a set of instructions; *layer stands for what describes one. */

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

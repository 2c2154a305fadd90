/* Motion against its real bits, compiled once for each set of instructions as `layers.h` is. What is weighed, and which
   candidates are tried, is said by `codec/video/motion_rate.py`. */

#define CAT(a, b) a##b
#define NAMED(a, b) CAT(a, b)
#define LOCAL(name) NAMED(name##_, ISA)

/* What the neighbours of a vector say of it: what it is predicted to be, and its row of the table. */
static inline long LOCAL(context)(const Settling *s, int f, long n, int32_t *predicted) {
    if (s->level[n] < 0) {
        predicted[0] = predicted[1] = 0;
        return 0;
    }
    const int32_t *around = s->around + 4 * n;
    long spread = 0;
    for (int axis = 0; axis < 2; axis++) {
        const int32_t a = s->vectors[f][2 * around[0] + axis], b = s->vectors[f][2 * around[1] + axis];
        const int32_t c = s->vectors[f][2 * around[2] + axis], d = s->vectors[f][2 * around[3] + axis];
        const int32_t low = a < b ? a : b, high = a < b ? b : a, low2 = c < d ? c : d, high2 = c < d ? d : c;
        const int32_t least = low < low2 ? low : low2, most = high > high2 ? high : high2;
        predicted[axis] = (a + b + c + d - least - most) >> 1;
        spread += most - least;
    }
    const int k = (spread > 0) + (spread > 1) + (spread > 2) + (spread > 4) + (spread > 8) + (spread > 16) + (spread > 32);
    return 1 + 8 * s->level[n] + k;
}

static inline float LOCAL(symbol_bits)(const Settling *s, long row, long symbol) {
    const float *own = s->bits + row * SYMBOLS;
    return symbol < -BOUND || symbol > BOUND ? own[SYMBOLS - 1] : own[symbol + BOUND];
}

static inline float LOCAL(vector_bits)(const Settling *s, int f, long n) {
    int32_t predicted[2];
    const long row = LOCAL(context)(s, f, n, predicted);
    const long down = s->vectors[f][2 * n] - predicted[0], right = s->vectors[f][2 * n + 1] - predicted[1];
    const long seen = labs(down) < 2 ? labs(down) : 2, first = s->first_row[f] + row;
    return LOCAL(symbol_bits)(s, first, down) + LOCAL(symbol_bits)(s, row ? first + 24 * (1 + seen) : first, right);
}

static inline float LOCAL(mode_bits)(const Settling *s, long n) {
    if (s->level[n] < 0) return LOCAL(symbol_bits)(s, s->mode_row, s->modes[n]);
    int ones = 0, others = 0;
    for (int i = 0; i < 4; i++) {
        ones += s->modes[s->around[4 * n + i]] == 1;
        others += s->modes[s->around[4 * n + i]] == -1;
    }
    return LOCAL(symbol_bits)(s, s->mode_row + 1 + 5 * ones + others, s->modes[n]);
}

static inline int LOCAL(is_used)(const Settling *s, int f, long n) {
    return s->fields == 1 || s->modes[n] != (f ? 1 : -1);
}

/* Bits of a block and of all that follow from it. */
static float LOCAL(local_bits)(const Settling *s, long n) {
    const int32_t *first = s->dependents + s->dependents_start[n], *end = s->dependents + s->dependents_start[n + 1];
    float total = s->fields == 2 ? LOCAL(mode_bits)(s, n) : 0;
    if (s->fields == 2)
        for (const int32_t *d = first; d < end; d++) total += LOCAL(mode_bits)(s, *d);
    for (int f = 0; f < s->fields; f++) {
        if (LOCAL(is_used)(s, f, n)) total += LOCAL(vector_bits)(s, f, n);
        for (const int32_t *d = first; d < end; d++)
            if (LOCAL(is_used)(s, f, *d)) total += LOCAL(vector_bits)(s, f, *d);
    }
    return total;
}

/* Absolute differences of a block as it is predicted now. */
static float LOCAL(block_error)(const Settling *s, long n, float enough) {
    const Field *field = s->field;
    const long i = n / field->across, j = n % field->across;
    int32_t there[2][2];
    for (int f = 0; f < s->fields; f++)
        for (int axis = 0; axis < 2; axis++) there[f][axis] = s->vectors[f][2 * n + axis] + s->base[f][2 * n + axis];
    const float *own = field->current + SIDE * (i * SIDE * field->across + j);
    if (s->fields == 1 || s->modes[n]) {
        const int f = s->fields == 2 && s->modes[n] == -1;
        return LOCAL(difference)(field + f, i, j, there[f], enough);
    }
    const float *a = LOCAL(place)(field, i, j, there[0]);
    const float *b = LOCAL(place)(field + 1, i, j, there[1]);
    float total = 0;
    for (int part = 0; part < 4 && total < enough; part++) {
        float sums[SIDE] = {0};
        for (int row = 0; row < 4; row++, a += field->columns, b += field->columns, own += SIDE * field->across)
            for (int m = 0; m < SIDE; m++) sums[m] += fabsf((a[m] + b[m]) * 0.5f - own[m]);
        total += LOCAL(sum_of_16)(sums);
    }
    return total;
}

typedef struct {
    int32_t mode, vectors[2][2];
} LOCAL(Choice);

static void LOCAL(set_choice)(const Settling *s, long n, const LOCAL(Choice) * choice) {
    if (s->fields == 2) s->modes[n] = choice->mode;
    for (int f = 0; f < s->fields; f++) memcpy(s->vectors[f] + 2 * n, choice->vectors[f], sizeof choice->vectors[f]);
}

/* Tries a choice; keeps it in `best` where it costs less than `cost`, which is then lowered. */
static void LOCAL(try)(const Settling *s, long n, const LOCAL(Choice) * choice, LOCAL(Choice) * best, float *cost) {
    LOCAL(set_choice)(s, n, choice);
    const float bits = s->bit_cost * LOCAL(local_bits)(s, n);
    if (bits >= *cost) return;
    const float found = bits + LOCAL(block_error)(s, n, *cost - bits);
    if (found < *cost) {
        *cost = found;
        *best = *choice;
    }
}

static void LOCAL(settle_block)(const Settling *s, long n) {
    const long down = s->field->down, across = s->field->across, i = n / across, j = n % across;
    LOCAL(Choice) now = {.mode = s->fields == 2 ? s->modes[n] : 0}, predicted = now, best, other;
    for (int f = 0; f < s->fields; f++) {
        LOCAL(context)(s, f, n, predicted.vectors[f]);
        memcpy(now.vectors[f], LOCAL(is_used)(s, f, n) ? s->vectors[f] + 2 * n : predicted.vectors[f],
               sizeof now.vectors[f]);
    }
    float cost = INFINITY;
    best = now;
    LOCAL(try)(s, n, &now, &best, &cost);
    if (s->fields == 2)
        for (int mode = -1; mode <= 1; mode++)
            for (int kept = 0; kept < 4; kept++) { /* which of the vectors stay, and which are as predicted */
                other.mode = mode;
                for (int f = 0; f < 2; f++) {
                    const int unused = mode == (f ? 1 : -1);
                    memcpy(other.vectors[f], (kept >> f & 1) && !unused ? now.vectors[f] : predicted.vectors[f],
                           sizeof other.vectors[f]);
                }
                LOCAL(try)(s, n, &other, &best, &cost);
            }
    const long beside[4] = {j > 0 ? n - 1 : n, j + 1 < across ? n + 1 : n, i > 0 ? n - across : n,
                            i + 1 < down ? n + across : n};
    for (int f = 0; f < s->fields; f++) {
        if (s->fields == 2 && best.mode == (f ? 1 : -1)) continue;
        for (int candidate = 0; candidate < 14; candidate++) {
            other = best;
            int32_t *vector = other.vectors[f];
            const int32_t *base = s->base[f] + 2 * n;
            if (candidate < 4)
                for (int axis = 0; axis < 2; axis++) {
                    const long other_axis = 2 * beside[candidate] + axis;
                    vector[axis] = s->vectors[f][other_axis] + s->base[f][other_axis] - base[axis];
                }
            else if (candidate == 4)
                memcpy(vector, predicted.vectors[f], 2 * sizeof *vector);
            else if (candidate == 5)
                for (int axis = 0; axis < 2; axis++) vector[axis] = -base[axis];
            else {
                const int move = candidate - 6 + (candidate >= 10);
                vector[0] += move / 3 - 1;
                vector[1] += move % 3 - 1;
            }
            if (candidate < 4 && beside[candidate] == n) continue;
            LOCAL(try)(s, n, &other, &best, &cost);
        }
    }
    LOCAL(set_choice)(s, n, &best);
}

/* See `settle` in motion_calls.h: what everything costs in the end. */
static double LOCAL(settle)(const Settling *s, long sweeps) {
    const long count = s->field->down * s->field->across;
    for (long sweep = 0; sweep < sweeps; sweep++)
        for (long k = 0; k < count; k++) LOCAL(settle_block)(s, s->order[k]);
    double cost = 0;
    for (long n = 0; n < count; n++) {
        float bits = s->fields == 2 ? LOCAL(mode_bits)(s, n) : 0;
        for (int f = 0; f < s->fields; f++)
            if (LOCAL(is_used)(s, f, n)) bits += LOCAL(vector_bits)(s, f, n);
        cost += s->bit_cost * bits + LOCAL(block_error)(s, n, INFINITY);
    }
    return cost;
}

#undef CAT
#undef NAMED
#undef LOCAL

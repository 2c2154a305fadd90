/* Search of motion vectors, compiled once for each set of instructions as `layers.h` is. What is searched, and in which
   order, is said by `kernels/block_matching.py`, whose fields these are. */

#define CAT(a, b) a##b
#define NAMED(a, b) CAT(a, b)
#define LOCAL(name) NAMED(name##_, ISA)

static inline int LOCAL(median)(int a, int b, int c, int d, int e) {
    /* Of five: drop the least and the largest of four, then the middle of three. */
    const int low = a < b ? a : b, high = a < b ? b : a, low2 = c < d ? c : d, high2 = c < d ? d : c;
    const int least = low > low2 ? low : low2, most = high < high2 ? high : high2;
    const int small = least < most ? least : most, large = least < most ? most : least;
    return e < small ? small : e > large ? large : e;
}

/* What vectors take beside the median of theirs around. */
static inline float LOCAL(bits)(const Field *f, const int32_t *vector, const int32_t *around) {
    const long distance = labs((long)vector[0] - around[0]) + labs((long)vector[1] - around[1]);
    return f->bits[distance < BITS_AT_MOST ? distance : BITS_AT_MOST - 1];
}

static inline long LOCAL(within)(long whole, long first, long size, long border) {
    const long low = -border - first, high = size + border - 2 * SIDE - first;
    return whole < low ? low : whole > high ? high : whole;
}

/* Where a vector points to: the first sample of a block. */
static inline const float *LOCAL(place)(const Field *f, long i, long j, const int32_t *vector) {
    const long phase = 4 * (vector[0] & 3) + (vector[1] & 3);
    const long y = LOCAL(within)(vector[0] >> 2, SIDE * i - SIDE / 2, f->height, f->border);
    const long x = LOCAL(within)(vector[1] >> 2, SIDE * j - SIDE / 2, f->width, f->border);
    return f->samples + (phase * f->rows + SIDE * i + f->border + y) * f->columns + SIDE * j + f->border + x;
}

static inline float LOCAL(sum_of_16)(float *sums) {
    for (int n = 0; n < 8; n++) sums[n] += sums[n + 8];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/* Sum of absolute differences over a block, or any number from `enough` on. */
static float LOCAL(difference)(const Field *f, long i, long j, const int32_t *vector, float enough) {
    const float *there = LOCAL(place)(f, i, j, vector);
    const float *own = f->current + SIDE * (i * SIDE * f->across + j);
    float total = 0;
    for (int part = 0; part < 4 && total < enough; part++) {
        float sums[SIDE] = {0};
        for (int row = 0; row < 4; row++, there += f->columns, own += SIDE * f->across)
            for (int n = 0; n < SIDE; n++) sums[n] += fabsf(there[n] - own[n]);
        total += LOCAL(sum_of_16)(sums);
    }
    return total;
}

/* The medians around every vector, those beyond the borders being the nearest. */
static void LOCAL(medians)(const Field *f, const int32_t *vectors, int32_t *around) {
    for (long i = 0; i < f->down; i++)
        for (long j = 0; j < f->across; j++) {
            const long up = i > 0 ? i - 1 : i, below = i + 1 < f->down ? i + 1 : i;
            const long left = j > 0 ? j - 1 : j, right = j + 1 < f->across ? j + 1 : j;
            for (int axis = 0; axis < 2; axis++) {
#define AT(y, x) vectors[2 * ((y)*f->across + (x)) + axis]
                around[2 * (i * f->across + j) + axis] =
                    LOCAL(median)(AT(up, j), AT(below, j), AT(i, left), AT(i, right), AT(i, j));
#undef AT
            }
        }
}

/* Costs of vectors among their own neighbours. */
static void LOCAL(field_cost)(const Field *f, const int32_t *vectors, int32_t *around, float *cost) {
    LOCAL(medians)(f, vectors, around);
    for (long n = 0; n < f->down * f->across; n++)
        cost[n] = LOCAL(difference)(f, n / f->across, n % f->across, vectors + 2 * n, INFINITY) +
                  f->bit_cost * LOCAL(bits)(f, vectors + 2 * n, around + 2 * n);
}

/* Takes other vectors where they are cheaper among the neighbours there are. */
static void LOCAL(field_better)(const Field *f, int32_t *vectors, float *cost, const int32_t *other, int32_t *around) {
    LOCAL(medians)(f, vectors, around);
    for (long n = 0; n < f->down * f->across; n++) {
        if (other[2 * n] == vectors[2 * n] && other[2 * n + 1] == vectors[2 * n + 1]) continue;
        const float coded = f->bit_cost * LOCAL(bits)(f, other + 2 * n, around + 2 * n);
        if (coded >= cost[n]) continue;
        const float found =
            coded + LOCAL(difference)(f, n / f->across, n % f->across, other + 2 * n, cost[n] - coded);
        if (found < cost[n]) {
            cost[n] = found;
            memcpy(vectors + 2 * n, other + 2 * n, 2 * sizeof *vectors);
        }
    }
}

/* The candidates of a round: those of the four neighbours, around the borders too, the median, zero, and eight steps. */
static void LOCAL(field_refined)(const Field *f, int32_t *vectors, float *cost, int32_t step, int32_t *room) {
    static const int SHIFTS[4][2] = {{0, 1}, {0, -1}, {1, 0}, {-1, 0}};
    const long count = f->down * f->across;
    int32_t *other = room, *around = room + 2 * count;
    for (int s = 0; s < 4; s++) {
        for (long n = 0; n < count; n++) {
            const long i = (n / f->across - SHIFTS[s][0] + f->down) % f->down;
            const long j = (n % f->across - SHIFTS[s][1] + f->across) % f->across;
            memcpy(other + 2 * n, vectors + 2 * (i * f->across + j), 2 * sizeof *other);
        }
        LOCAL(field_better)(f, vectors, cost, other, around);
    }
    LOCAL(medians)(f, vectors, other);
    LOCAL(field_better)(f, vectors, cost, other, around);
    memset(other, 0, (size_t)(2 * count) * sizeof *other);
    LOCAL(field_better)(f, vectors, cost, other, around);
    for (int move = 0; move < 9; move++) {
        if (move == 4) continue;
        for (long n = 0; n < count; n++) {
            other[2 * n] = vectors[2 * n] + (move / 3 - 1) * step;
            other[2 * n + 1] = vectors[2 * n + 1] + (move % 3 - 1) * step;
        }
        LOCAL(field_better)(f, vectors, cost, other, around);
    }
    LOCAL(field_cost)(f, vectors, around, cost); /* the neighbours have changed */
}

/* Of all moves of a coarse plane (height, width) as far as `reach`, the cheapest for every block with a margin around
   it: its number, row by row. `then` is continued by `reach` on every side; `extra` is what each move costs. */
static void LOCAL(coarse)(const float *now, const float *then, long height, long width, long block, long margin,
                          long reach, float scale, const float *extra, long down, long across, int32_t *best,
                          float *room) {
    const long side = 2 * reach + 1, step = width + 2 * reach, count = down * across;
    const long wide = across * block + 2 * margin, tall = down * block + 2 * margin;
    float *lowest = room, *difference = lowest + count, *strips = difference + wide * tall;
    for (long n = 0; n < count; n++) lowest[n] = INFINITY;
    memset(difference, 0, (size_t)(wide * tall) * sizeof *difference);
    for (long move = 0; move < side * side; move++) {
        for (long y = 0; y < height; y++) {
            const float *there = then + (move / side + y) * step + move % side, *own = now + y * width;
            float *out = difference + (margin + y) * wide + margin;
            for (long x = 0; x < width; x++) out[x] = fabsf(there[x] - own[x]);
        }
        for (long i = 0; i < down; i++) { /* a row of blocks: sums of columns, then of those of a block */
            memset(strips, 0, (size_t)wide * sizeof *strips);
            for (long y = i * block; y < (i + 1) * block + 2 * margin; y++)
                for (long x = 0; x < wide; x++) strips[x] += difference[y * wide + x];
            for (long j = 0; j < across; j++) {
                float sum = 0;
                for (long x = j * block; x < (j + 1) * block + 2 * margin; x++) sum += strips[x];
                sum = sum * scale + extra[move];
                if (sum < lowest[i * across + j]) {
                    lowest[i * across + j] = sum;
                    best[i * across + j] = (int32_t)move;
                }
            }
        }
    }
}

#undef CAT
#undef NAMED
#undef LOCAL

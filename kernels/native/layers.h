/* The exact layers, compiled once for each set of instructions: module.c includes this file with ISA defined.

   Activations are 16-bit integers, weights 14-bit ones. A sum of their products need not fit 32 bits, but mostly does:
   by Cauchy and Schwarz it is at most |w| |x|, and |x| is measured while x is packed. Where that product is below 2^31
   the whole sum is computed in 32 bits, whose overflow on the way does no harm, since it is taken modulo 2^32 and the
   result is known to fit. Elsewhere eight products at a time fit for certain (8 * 8127 * 2^15 < 2^31), and these sums
   are added in 64 bits. Either way the sum is exact.

   Packed weights: [outputs / 16][inputs / 2][16][2] int16, zeros beyond. */

#define CAT(a, b) a##b
#define NAMED(a, b) CAT(a, b)
#define LOCAL(name) NAMED(name##_, ISA)

enum { LOCAL(rows) =
#if defined(WITH_VNNI)
    8
#else
    6
#endif
};

/* sums[ROWS][16 * blocks] = x[ROWS][pairs] times w[blocks][pairs][16] over pairs first..end, 32 bits, modulo 2^32. */
#if defined(WITH_VNNI)
static inline __attribute__((always_inline)) void LOCAL(multiply_blocks)(
    const int32_t *x, long pairs, const int16_t *w, long first, long end, int32_t *sums, long wide, const int blocks) {
    __m512i total[8][3];
    for (int r = 0; r < 8; r++)
        for (int b = 0; b < blocks; b++) total[r][b] = _mm512_setzero_si512();
    for (long k = first; k < end; k++) {
        __m512i weight[3];
        for (int b = 0; b < blocks; b++) weight[b] = _mm512_loadu_si512(w + (b * pairs + k) * 32);
        for (int r = 0; r < 8; r++) {
            const __m512i value = _mm512_set1_epi32(x[r * pairs + k]);
            for (int b = 0; b < blocks; b++) total[r][b] = _mm512_dpwssd_epi32(total[r][b], value, weight[b]);
        }
    }
    for (int r = 0; r < 8; r++)
        for (int b = 0; b < blocks; b++) _mm512_storeu_si512(sums + r * wide + 16 * b, total[r][b]);
}
#elif defined(WITH_AVX2)
static inline __attribute__((always_inline)) void LOCAL(multiply_blocks)(
    const int32_t *x, long pairs, const int16_t *w, long first, long end, int32_t *sums, long wide, const int blocks) {
    for (int b = 0; b < blocks; b++, w += 32 * pairs) {
        __m256i total[6][2];
        for (int r = 0; r < 6; r++) total[r][0] = total[r][1] = _mm256_setzero_si256();
        for (long k = first; k < end; k++) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)(w + k * 32));
            const __m256i high = _mm256_loadu_si256((const __m256i *)(w + k * 32 + 16));
            for (int r = 0; r < 6; r++) {
                const __m256i value = _mm256_set1_epi32(x[r * pairs + k]);
                total[r][0] = _mm256_add_epi32(total[r][0], _mm256_madd_epi16(value, low));
                total[r][1] = _mm256_add_epi32(total[r][1], _mm256_madd_epi16(value, high));
            }
        }
        for (int r = 0; r < 6; r++) {
            _mm256_storeu_si256((__m256i *)(sums + r * wide + 16 * b), total[r][0]);
            _mm256_storeu_si256((__m256i *)(sums + r * wide + 16 * b + 8), total[r][1]);
        }
    }
}
#else
static inline void LOCAL(multiply_blocks)(
    const int32_t *x, long pairs, const int16_t *w, long first, long end, int32_t *sums, long wide, const int blocks) {
    for (int b = 0; b < blocks; b++, w += 32 * pairs)
        for (int r = 0; r < 6; r++) {
            uint32_t total[16] = {0};
            for (long k = first; k < end; k++) {
                int16_t pair[2];
                memcpy(pair, x + r * pairs + k, sizeof pair);
                for (int o = 0; o < 16; o++)
                    total[o] += (uint32_t)(pair[0] * w[k * 32 + 2 * o]) + (uint32_t)(pair[1] * w[k * 32 + 2 * o + 1]);
            }
            memcpy(sums + r * wide + 16 * b, total, sizeof total);
        }
}
#endif

static void LOCAL(multiply)(
    const int32_t *x, long pairs, const int16_t *w, long blocks, long first, long end, int32_t *sums) {
    const long wide = 16 * blocks;
    for (; blocks > 0; w += 3 * 32 * pairs, sums += 48, blocks -= 3) {
        if (blocks >= 3)
            LOCAL(multiply_blocks)(x, pairs, w, first, end, sums, wide, 3);
        else if (blocks == 2)
            LOCAL(multiply_blocks)(x, pairs, w, first, end, sums, wide, 2);
        else
            LOCAL(multiply_blocks)(x, pairs, w, first, end, sums, wide, 1);
    }
}

/* Rows of int32 features as int16, zeros beyond; returns the largest square of a row's length, a little too large. */
static float LOCAL(pack)(const Source *source, long first, long rows, long inputs, int16_t *packed, long pairs) {
    float most = 0;
    for (long r = 0; r < LOCAL(rows); r++, packed += 2 * pairs) {
        const long count = r < rows ? inputs : 0, place = r >= rows ? 0 : source->places ? source->places[first + r] : first + r;
        const int32_t *row = source->x + place * source->step;
        float squares[16] = {0}, square = 0;
        long i = 0;
        for (; i + 16 <= count; i += 16)
            for (int n = 0; n < 16; n++) {
                packed[i + n] = (int16_t)row[i + n];
                squares[n] += (float)row[i + n] * (float)row[i + n];
            }
        for (; i < count; i++) {
            packed[i] = (int16_t)row[i];
            square += (float)row[i] * (float)row[i];
        }
        memset(packed + count, 0, (size_t)(2 * pairs - count) * sizeof *packed);
        for (int n = 0; n < 16; n++) square += squares[n];
        most = square > most ? square : most;
    }
    return most * 1.001f; /* sums of a thousand squares are off by less */
}

/* Rows first..first + count, at most ROWS, behind a layer, saturated from `lowest` on: (count, outputs). */
static void LOCAL(few_rows)(const Linear *layer, const Source *source, long first, long count, int32_t lowest,
                            int32_t *out, char *room) {
    const long pairs = layer->pairs, blocks = layer->blocks, wide = 16 * blocks, outputs = layer->outputs;
    int16_t *packed = (int16_t *)room;
    int32_t *sums = (int32_t *)(room + ROWS_AT_MOST * pairs * 4);
    int64_t *whole = (int64_t *)(room + ROWS_AT_MOST * (pairs * 4 + wide * 4));
    const float square = LOCAL(pack)(source, first, count, layer->inputs, packed, pairs);
    if (square < layer->most_square) {
        LOCAL(multiply)((int32_t *)packed, pairs, layer->weight, blocks, 0, pairs, sums);
        for (long r = 0; r < count; r++)
            for (long o = 0; o < outputs; o++) {
                const int32_t value = (sums[r * wide + o] + layer->bias[o]) >> layer->shift[o];
                out[r * outputs + o] = value < lowest ? lowest : value > HIGHEST ? HIGHEST : value;
            }
        return;
    }
    memset(whole, 0, (size_t)(LOCAL(rows) * wide) * sizeof *whole);
    for (long k = 0; k < pairs; k += 4) {
        LOCAL(multiply)((int32_t *)packed, pairs, layer->weight, blocks, k, k + 4 < pairs ? k + 4 : pairs, sums);
        for (long n = 0; n < LOCAL(rows) * wide; n++) whole[n] += sums[n];
    }
    for (long r = 0; r < count; r++)
        for (long o = 0; o < outputs; o++) {
            const int64_t value = (whole[r * wide + o] + layer->bias[o]) >> layer->shift[o];
            out[r * outputs + o] = (int32_t)(value < lowest ? lowest : value > HIGHEST ? HIGHEST : value);
        }
}

/* See `depthwise` in layer_calls.h: of the places first..end of the plane, counted row by row. */
static void LOCAL(depthwise)(const Depthwise *layer, const int32_t *x, long height, long width, long first, long end,
                             int32_t *out) {
    const long channels = layer->channels;
    for (long place = first; place < end; place++, out += channels) {
        const long y = place / width, column = place % width;
        for (long c = 0; c < channels; c++) out[c] = layer->bias[c];
        for (long tap = 0; tap < 9; tap++) {
            const long j = y + tap / 3 - 1, i = column + tap % 3 - 1;
            if (j < 0 || j >= height || i < 0 || i >= width) continue;
            const int32_t *seen = x + (j * width + i) * channels, *factor = layer->weight + tap * channels;
            for (long c = 0; c < channels; c++) out[c] += seen[c] * factor[c];
        }
        for (long c = 0; c < channels; c++) {
            const int32_t value = out[c] >> layer->shift[c];
            out[c] = value < LOWEST ? LOWEST : value > HIGHEST ? HIGHEST : value;
        }
    }
}

/* See `gate` in layer_calls.h. */
static void LOCAL(gate)(const int32_t *a, const int32_t *b, long step, long rows, long channels, int shift,
                        int32_t *out) {
    const int32_t half = 1 << (shift - 1);
    for (long r = 0; r < rows; r++, a += step, b += step, out += channels)
        for (long c = 0; c < channels; c++) {
            const int32_t value = ((a[c] > 0 ? a[c] : 0) * b[c] + half) >> shift;
            out[c] = value < LOWEST ? LOWEST : value > HIGHEST ? HIGHEST : value;
        }
}

/* See `put` in layer_calls.h. A few places at a time, so that neither side of this transposition leaves the cache. */
static void LOCAL(put)(const PutWork *w) {
    for (long first = 0; first < w->count; first += 16) {
        const long end = first + 16 < w->count ? first + 16 : w->count;
        for (long c = 0; c < w->channels; c++)
            for (long i = first; i < end; i++)
                w->plane[w->places[i] * w->step + c * w->channel_step] =
                    w->symbols[c * w->stride + i] * (1 << w->bits) + w->mean[c * w->stride + i];
    }
}

/* See `features` in layer_calls.h. */
static void LOCAL(features)(const int32_t *x, const long *steps, long height, long width, long channels, int32_t factor,
                            int32_t *out) {
    const int32_t most = HIGHEST / factor; /* beyond it the product saturates, and it might not fit 32 bits */
    for (long y = 0; y < height; y++)
        for (long column = 0; column < width; column++, out += channels) {
            const int32_t *own = x + y * steps[1] + column * steps[2];
            for (long c = 0; c < channels; c++) {
                const int32_t value = own[c * steps[0]];
                out[c] = value > most ? HIGHEST : value < -most - 1 ? LOWEST : value * factor;
            }
        }
}

/* See `magnitude` in layer_calls.h. */
static void LOCAL(magnitude)(const int32_t *x, long count, int32_t most, int32_t *out) {
    for (long n = 0; n < count; n++) {
        const int32_t size = x[n] < 0 ? -x[n] : x[n], value = (8 * size < most ? 8 * size : most) + size;
        out[n] = value > HIGHEST ? HIGHEST : value;
    }
}

/* See `add` in layer_calls.h. */
static void LOCAL(add)(const int32_t *a, const int32_t *b, long count, int32_t *out) {
    for (long n = 0; n < count; n++) {
        const int32_t value = a[n] + b[n];
        out[n] = value < LOWEST ? LOWEST : value > HIGHEST ? HIGHEST : value;
    }
}

static void LOCAL(linear_part)(const void *work, long part, long parts) {
    const LinearWork *w = work;
    const long end = part_start(w->rows, LOCAL(rows), part + 1, parts);
    for (long first = part_start(w->rows, LOCAL(rows), part, parts); first < end; first += LOCAL(rows))
        LOCAL(few_rows)(w->layer, &w->source, first, end - first < LOCAL(rows) ? end - first : LOCAL(rows), w->lowest,
                        w->out + first * w->layer->outputs, w->room + part * w->room_bytes);
}

/* See `head` in layer_calls.h. */
static void LOCAL(head_part)(const void *work, long part, long parts) {
    const HeadWork *w = work;
    const long channels = w->layer->outputs / 2, end = part_start(w->rows, LOCAL(rows), part + 1, parts);
    int32_t *found = (int32_t *)(w->room + part * w->room_bytes);
    char *room = (char *)(found + ROWS_AT_MOST * 2 * channels);
    const int32_t half = (1 << w->row_shift) >> 1, whole = (1 << w->whole_bits) >> 1;
    for (long first = part_start(w->rows, LOCAL(rows), part, parts); first < end; first += LOCAL(rows)) {
        const long here = end - first < LOCAL(rows) ? end - first : LOCAL(rows);
        LOCAL(few_rows)(w->layer, &w->source, first, here, LOWEST, found, room);
        for (long c = 0; c < channels; c++)
            for (long r = 0; r < here; r++) {
                const int32_t mean = found[r * 2 * channels + c], scale = found[r * 2 * channels + channels + c];
                const int32_t row = ((scale + half) >> w->row_shift) + w->row_centre;
                w->mean[c * w->stride + first + r] = (mean + whole) >> w->whole_bits << w->whole_bits;
                w->row[c * w->stride + first + r] = (int16_t)(row < 0 ? 0 : row > w->row_most ? w->row_most : row);
            }
    }
}

/* What comes behind the depthwise layer of a block, where each place is by itself: a few at a time stay in cache. */
static void LOCAL(block_part)(const void *work, long part, long parts) {
    const BlockWork *w = work;
    const Block *block = w->block;
    const long channels = block->mix.channels;
    long first = w->first + part_start(w->end - w->first, LOCAL(rows), part, parts);
    const long end = w->first + part_start(w->end - w->first, LOCAL(rows), part + 1, parts);
    int32_t *out = w->out + (first - w->first) * channels;
    char *room = w->room + part * w->room_bytes;
    int32_t *mixed = (int32_t *)room, *hidden = mixed + ROWS_AT_MOST * channels;
    room = (char *)(hidden + 2 * ROWS_AT_MOST * channels);
    for (; first < end; first += LOCAL(rows), out += LOCAL(rows) * channels) {
        const long here = end - first < LOCAL(rows) ? end - first : LOCAL(rows), count = here * channels;
        LOCAL(depthwise)(&block->mix, w->entered, w->height, w->width, first, first + here, mixed);
        LOCAL(few_rows)(&block->leave, &(Source){.x = mixed, .step = channels}, 0, here, LOWEST, hidden, room);
        LOCAL(add)(w->x + first * channels, hidden, count, out);
        LOCAL(few_rows)(&block->expand, &(Source){.x = out, .step = channels}, 0, here, LOWEST, hidden, room);
        LOCAL(gate)(hidden, hidden + channels, 2 * channels, here, channels, block->shift, mixed);
        LOCAL(few_rows)(&block->reduce, &(Source){.x = mixed, .step = channels}, 0, here, LOWEST, hidden, room);
        LOCAL(add)(out, hidden, count, out);
    }
}

#undef CAT
#undef NAMED
#undef LOCAL

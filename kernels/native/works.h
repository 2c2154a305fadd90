/* What is computed, as C knows it: layers, blocks, fields of motion, and the work on them. */

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

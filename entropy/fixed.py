"""The number formats of the exact path. Changing any of them changes the bitstream.

An exact value is an integer held in a tensor. `FEATURE_BITS` and `MEAN_BITS` are binary places: the integer v stands
for v / 2**bits. Every stored activation is saturated to 16 bits.
"""

FEATURE_BITS = 10  # hidden features: steps of 1/1024 within +-32
MEAN_BITS = 5  # means of latents: 1/32 quantisation step within +-1024
CONTEXT_SHIFT = 3  # decoded latents enter the context divided by 8, so that +-256 steps fit a feature
ACTIVATION_LIMIT = 2**15 - 1  # saturation: [-2**15, 2**15 - 1]

LEAK = 164  # slope of a leaky activation below zero, 0.01, with LEAK_BITS places
LEAK_BITS = 14

SCORE_SHIFT = 2  # scores of attention are divided by 4, the root of the 16 channels of a head

WEIGHT_LIMIT = 8127  # 63 * 128 + 63: two balanced base-128 digits
MAX_SHIFT = 30

SCALE_ROWS = 64
SCALE_MIN = 0.11
SCALE_MAX = 256.0
ROW_CENTRE = 18  # the row of a predicted log-scale of zero, a scale of about one
ROW_GAIN = 8  # rows per unit of a predicted log-scale; a power of two, at most 2**MEAN_BITS

SCALE_BITS = 7  # predicted scales, where a model predicts no logarithms: 1/128 quantisation step, below 256

HYPER_STRIDE = 4  # latents for each hyper-latent, in either direction

GAIN_STEPS = 8192  # gain index of quality 100
KNOTS = 9  # tables that follow quality have this many equidistant knots
KNOT_STEPS = GAIN_STEPS // (KNOTS - 1)

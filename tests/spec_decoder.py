"""A slow decoder of the symbols, written from formats/SPEC.md part II alone: numpy integers, nothing of the package.

It shares no code with the library, so a test in which both find the same symbols tests the document too.
"""

import json
import math
import zlib

import numpy as np
from safetensors.numpy import load

SCHEDULES = {
    "magnitudes": ((0, 2, 3, 1), (1, 3, 2, 0), (2, 0, 1, 3), (3, 1, 0, 2)),
    "linear-attention": ((0, 2, 3, 1), (1, 3, 2, 0), (2, 0, 1, 3), (3, 1, 0, 2)),
    "factorised": ((0, 0, 0, 0),),
    "one-step": ((0, 0, 0, 0),),
    "checkerboard": ((0, 1, 1, 0),),
    "two-step": ((0, 1, 1, 0), (1, 0, 0, 1)),
    "four-step": ((0, 2, 3, 1), (1, 3, 2, 0), (2, 0, 1, 3), (3, 1, 0, 2)),
}
MASKED = ((0, 4, 2, 4), (4, 3, 4, 3), (2, 4, 1, 4), (4, 3, 4, 3))


def symbols_of(model_file, steps, gain_index, height_px, width_px):
    """(list of int16 symbols of each step, their crc32) from a model file's bytes and the STEP payloads."""
    config, first_row, t, rows = stored(model_file)
    h, w = -(-height_px // 16), -(-width_px // 16)
    found = []

    def code(step, row):
        payload = steps[step]
        assert payload or (row < first_row).all()
        symbols = group_symbols(RangeDecoder(payload), rows, first_row, row)
        found.append(symbols)
        return symbols

    if config.get("transform") == "gdn":
        hyperprior(config, t, code, h, w)
        return found, crc_of(found)
    latents(config, t, code, gain_index, h, w)
    return found, crc_of(found)


def stored(model_file):
    """Section 13: config, first_row, the integer tensors and the rows of a model file."""
    header = json.loads(model_file[8 : 8 + int.from_bytes(model_file[:8], "little")])
    about = json.loads(header["__metadata__"]["lcodec"])
    t = {k.removeprefix("prior."): v.astype(np.int64) for k, v in load(model_file).items() if v.dtype.kind in "iu"}
    ends = np.cumsum(t["rows.sizes"])
    rows = [t["rows.entries"][end - size : end] for end, size in zip(ends, t["rows.sizes"], strict=True)]
    return about["config"], about["first_row"], t, rows


def latents(config, t, code, gain_index, h, w, past=None):
    """Sections 14 to 17: y with 5 binary places, of symbols that `code` gives. past: what CLIP-SPEC 7 adds."""
    shape = (config["hyper"], -(-h // 4), -(-w // 4))
    mean, log_scale = (
        np.broadcast_to(table(t[name], gain_index)[:, None, None], shape).reshape(-1)
        for name in ("z_mean.table", "z_scale.table")
    )
    z = (32 * code(0, row_of(log_scale)) + mean).reshape(shape)
    x = pointwise(t, "enter", clamp16(32 * z) if config["schedule"] != "factorised" else 0 * z)
    x = block(t, "coarse", shuffle(x))
    x = shuffle(pointwise(t, "split", x))[:, :h, :w]
    x = clamp16(x + table(t["quality.table"], gain_index)[:, None, None])
    hyper = block(t, "fine", x if past is None else clamp16(x + past))

    channels = config["latents"]
    when, grid, first, last = schedule_of(config["schedule"], channels, h, w)
    y = np.zeros((channels, h, w), np.int64)
    memory = []
    for s in range(int(when.max()) + 1):
        known = clamp16(4 * y)
        out = parameters(config["schedule"], t, s, hyper, known, grid, (first, last), memory)
        own = slice(first[s], last[s])
        mask = (when == s)[own, :: grid[s], :: grid[s]]
        count = last[s] - first[s]
        mean, log_scale = out[:count][mask], out[count:][mask]
        if config.get("transform") == "jpeg":
            mean = 32 * ((mean + 16) // 32)
        y[own, :: grid[s], :: grid[s]][mask] = 32 * code(s + 1, row_of(log_scale)) + mean
    return y


def schedule_of(name, channels, h, w):
    """Section 16.1: the step of every latent; of every step its grid, its first channel and the one after its last."""
    c, i, j = np.indices((channels, h, w))
    if name in SCHEDULES:
        cells = SCHEDULES[name]
        when = np.array(cells)[c % len(cells), 2 * (i % 2) + j % 2]
        steps = max(map(max, cells)) + 1
        return when, [1] * steps, [0] * steps, [channels] * steps
    if name == "masked-transformer":
        when = np.array(MASKED)[i % 4, j % 4]
        return when, [1] * 5, [0] * 5, [channels] * 5
    if name.startswith("progressive"):
        f = 2 if name == "progressive-fine" else 1
        g, i, j = c % 6, i % 4, j % 4
        fine = 5 + f * ((2 * (i % 2) + j % 2 - 1 + g) % 3) + g // 3 % f
        middle = 2 + (i + j // 2 - 1 + g) % 3
        when = np.where((i == 0) & (j == 0), g % 2, np.where((i % 2 == 0) & (j % 2 == 0), middle, fine))
        grid = [4, 4, 2, 2, 2, *[1] * (3 * f)]
        return when, grid, [0] * len(grid), [channels] * len(grid)
    slices = {"space-channel": ([1, 1, 2, 4, 12], 2), "channel-global": ([1] * 5, 2)}
    shares, times = slices.get(name, ([1] * 10, 1))
    ends = [channels * sum(shares[:k]) // sum(shares) for k in range(len(shares) + 1)]
    when = sum(times * (c >= end) for end in ends[1:]) + (i + j) % times
    steps = range(times * len(shares))
    return when, [1] * len(steps), [ends[s // times] for s in steps], [ends[s // times + 1] for s in steps]


def parameters(name, t, s, hyper, known, grid, ends, memory):
    """Section 16.1: means and log-scales of a step."""
    r = grid[s]
    x = hyper[:, ::r, ::r]
    if name == "channel-transformer":
        if s > 0:
            x = clamp16(x + pointwise(t, f"contexts.{s - 1}", known[ends[0][s - 1] : ends[1][s - 1]]))
        query, key, value = np.split(pointwise(t, f"tokens.{s}", x), 3)
        memory.append((key, value))
        x = clamp16(x + pointwise(t, f"leaves.{s}", attend(query, memory)))
    elif s > 0 and name.endswith("magnitudes"):
        size = np.abs(known)
        both = np.concatenate([known, clamp16(np.minimum(8 * size, 2048) + size)])
        x = clamp16(x + pointwise(t, f"contexts.{s - 1}", both[:, ::r, ::r]))
    elif s > 0:
        seen = t[f"contexts.{s - 1}.weight"].shape[1]
        x = clamp16(x + pointwise(t, f"contexts.{s - 1}", known[:seen, ::r, ::r]))
    if name == "masked-transformer":
        query, key, value = np.split(pointwise(t, "token", x), 3)
        when = np.tile(MASKED, [n // 4 + 1 for n in x.shape[1:]])[: x.shape[1], : x.shape[2]]
        if s > 0:
            key, value = (np.where(when >= s - 1, a, b) for a, b in zip((key, value), memory[-1], strict=True))
        memory.append((key, value))
        attended = attend_windows(query, key, value, when < s, t["bias.table"], 4 * (s % 2))
        x = clamp16(x + pointwise(t, "leave", attended))
    if name == "channel-global":
        query, key, value = np.split(pointwise(t, f"channel_tokens.{s}", x), 3)
        memory[s // 2 :] = [(key, value)]
        far = attend_all(*np.split(pointwise(t, f"plane_tokens.{s}", x), 3))
        x = clamp16(x + pointwise(t, f"leaves.{s}", np.concatenate([attend(query, memory), far])))
    if name == "linear-attention":
        x = clamp16(x + pointwise(t, f"leaves.{s}", attend_all(*np.split(pointwise(t, f"tokens.{s}", x), 3))))
    if s > 0 and name.startswith("progressive"):
        times = grid[s - 1] // r
        carried = pointwise(t, f"carries.{s - 1}", memory[-1]).repeat(times, 1).repeat(times, 2)
        x = clamp16(x + carried[:, : x.shape[1], : x.shape[2]])
    x = block(t, f"blocks.{s}", x, gelu=name == "masked-transformer")
    if name.startswith("progressive"):
        memory.append(x)
    return pointwise(t, f"heads.{s}", x)


GELU = np.array([math.floor(i * math.erfc(i / 1024 / math.sqrt(2)) / 2 + 0.5) for i in range(3733)])
EXPONENTIAL = np.array([math.floor(2**14 * math.exp(-i / 256) + 0.5) for i in range(2663)])


def attend(query, tokens):
    """Section 14."""
    split = (-1, 16, *query.shape[1:])
    scores = np.array([((query * key).reshape(split).sum(1) + 2**13) >> 14 for key, _ in tokens])
    weights = EXPONENTIAL[np.minimum(scores.max(0) - scores, 2662)]
    total = sum(weight[:, None] * value.reshape(split) for weight, (_, value) in zip(weights, tokens, strict=True))
    share = weights.sum(0)[:, None]
    return ((2 * total + share) // (2 * share)).reshape(query.shape)


def attend_windows(query, key, value, known, bias, o):
    """Section 14."""
    out = np.empty_like(query)
    for y, x in np.ndindex(query.shape[1:]):
        ys, xs = np.indices(known.shape)
        same = ((ys + o) // 8 == (y + o) // 8) & ((xs + o) // 8 == (x + o) // 8)
        others = np.argwhere(same & (known | ((ys == y) & (xs == x))))
        for head in range(query.shape[0] // 16):
            c = slice(16 * head, 16 * head + 16)
            scores = np.array(
                [
                    ((query[c, y, x] @ key[c, j, i] + 2**13) >> 14) + bias[head, 15 * (y - j + 7) + x - i + 7]
                    for j, i in others
                ]
            )
            weights = EXPONENTIAL[np.minimum(scores.max() - scores, 2662)]
            total = sum(weight * value[c, j, i] for weight, (j, i) in zip(weights, others, strict=True))
            out[c, y, x] = (2 * total + weights.sum()) // (2 * weights.sum())
    return out


def attend_all(query, key, value):
    """Section 14."""
    out = np.empty_like(query)
    for head in range(query.shape[0] // 16):
        c = slice(16 * head, 16 * head + 16)
        q, k, v = (plane[c].reshape(16, -1) for plane in (np.maximum(query, 0), np.maximum(key, 0), value))
        weight = k.sum(1)[:, None]
        at_least_one = np.maximum(weight, 1)
        mean = (2 * (k @ v.T) + at_least_one) // (2 * at_least_one)
        weighted = q * (2**14 * weight // max(1, weight.max()))
        share = np.maximum(weighted.sum(0), 1)
        out[c] = ((2 * (mean.T @ weighted) + share) // (2 * share)).reshape(16, *query.shape[1:])
    return out


def crc_of(found):
    crc = 0
    for symbols in found:
        crc = zlib.crc32(symbols.astype("<i2").tobytes(), crc)
    return crc


def hyperprior(config, t, code, h, w):
    """Section 16.2."""
    kind, places = config["kind"], config["places"]

    def factorised(step, *shape):
        c = np.indices(shape)[0].reshape(-1)
        return (32 * code(step, 64 + c) + t["median"][c]).reshape(shape)

    if kind == "factorised":
        factorised(0, config["latents"], h, w)
        return
    x = clamp16(factorised(0, config["width"], -(-h // 4), -(-w // 4)) << (places[0] - 5))
    for name in ("up1", "up2"):
        x = convolution(t, name, x)
        x = shuffle(np.maximum(x, 0) if kind == "scale" else np.where(x < 0, (164 * x + 8192) >> 14, x))
    scale = convolution(t, "scale", x)[:, :h, :w]
    row = (scale.reshape(-1)[:, None] > t["threshold"]).sum(1)
    code(1, row)


def group_symbols(coder, rows, first_row, row):
    """Section 17."""
    symbols = np.zeros(row.size, np.int64)
    order = [n for n in np.argsort(row, kind="stable") if row[n] >= first_row]
    escaped = []
    for n in order:
        entries = rows[row[n]]
        entry = coder.entry(entries)
        if entry == entries.size - 1:
            escaped.append(n)
        else:
            symbols[n] = entry - (entries.size // 2 - 1)
    uniform = np.full(256, 256)
    for n in escaped:
        high, low = coder.entry(uniform), coder.entry(uniform)
        symbols[n] = (high << 8 | low) - 32768
    return symbols


class RangeDecoder:
    """Section 18."""

    def __init__(self, payload):
        self.words = np.frombuffer(payload, "<u4").tolist()[::-1]
        self.lower, self.range = 0, 2**64 - 1
        self.point = self.word() << 32 | self.word()

    def word(self):
        return self.words.pop() if self.words else 0

    def entry(self, frequencies):
        scale = self.range >> 24
        quantile = ((self.point - self.lower) % 2**64) // scale
        assert quantile < 2**24
        ends = 256 * np.cumsum(frequencies)
        entry = int(np.searchsorted(ends, quantile, side="right"))
        width = 256 * int(frequencies[entry])
        self.lower = (self.lower + (int(ends[entry]) - width) * scale) % 2**64
        self.range = width * scale
        if self.range < 2**32:
            self.lower = self.lower << 32 & (2**64 - 1)
            self.range <<= 32
            self.point = (self.point << 32 | self.word()) & (2**64 - 1)
        return entry


def clamp16(v):
    return np.clip(v, -32768, 32767)


def requantise(v, s):
    return clamp16((v + (1 << (s - 1))) >> s)


def row_of(log_scale):
    return np.clip(((log_scale + 2) >> 2) + 18, 0, 63)


def table(entries, g):
    k, f = divmod(g, 1024)
    return entries[k] if f == 0 else (entries[k] * (1024 - f) + entries[k + 1] * f + 512) // 1024


def pointwise(t, name, x):
    total = np.einsum("oi,ihw->ohw", t[f"{name}.weight"], x) + t[f"{name}.bias"][:, None, None]
    return requantise(total, t[f"{name}.shift"][:, None, None])


def depthwise(t, name, x):
    h, w = x.shape[1:]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    total = t[f"{name}.bias"][:, None, None] + sum(
        t[f"{name}.weight"][:, n, None, None] * padded[:, n // 3 : n // 3 + h, n % 3 : n % 3 + w] for n in range(9)
    )
    return requantise(total, t[f"{name}.shift"][:, None, None])


def convolution(t, name, x):
    channels, h, w = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    weight = t[f"{name}.weight"]
    total = t[f"{name}.bias"][:, None, None] + sum(
        np.einsum(
            "oi,ihw->ohw",
            weight[:, n * channels : (n + 1) * channels],
            padded[:, n // 3 : n // 3 + h, n % 3 : n % 3 + w],
        )
        for n in range(9)
    )
    return requantise(total, t[f"{name}.shift"][:, None, None])


def shuffle(x):
    c, h, w = x.shape[0] // 4, *x.shape[1:]
    return x.reshape(c, 2, 2, h, w).transpose(0, 3, 1, 4, 2).reshape(c, 2 * h, 2 * w)


def block(t, name, x, gelu=False):
    u = pointwise(t, f"{name}.enter", x)
    u = clamp16(x + pointwise(t, f"{name}.leave", depthwise(t, f"{name}.mix", np.maximum(u, 0))))
    e = pointwise(t, f"{name}.expand", u)
    if gelu:
        hidden = np.maximum(e, 0) - GELU[np.minimum(np.abs(e), 3732)]
    else:
        a, b = np.split(e, 2)
        hidden = requantise(np.maximum(a, 0) * b, 10)
    return clamp16(u + pointwise(t, f"{name}.reduce", hidden))

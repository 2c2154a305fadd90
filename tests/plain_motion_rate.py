"""Motion against its bits in plain Python: what `codec/video/motion_rate.py` and its kernel in C are held to."""

from itertools import product

import numpy as np
import torch

from lcodec.codec.video import motion_rate
from lcodec.codec.video.mixture import BOTH, FIRST, SECOND, Motion
from lcodec.codec.video.motion import BLOCK
from lcodec.entropy.vectors import BOUND, MODE_ROW, VECTOR_ROWS, grid_of

_UNUSED_IN = (SECOND, FIRST)  # modes in which a vector is not used
_SPREADS = (0, 1, 2, 4, 8, 16, 32)


def settled(whole, references, motion, bits, bit_cost, base=None):
    """As `motion_rate.settled`, of one frame: the motion, and what it costs."""
    settling = _Settling(whole, references, motion, bits, bit_cost, base)
    cost = settling.run()
    shape = motion.vectors[0].shape
    fields = [own + there for own, there in zip(settling.vectors, settling.base, strict=True)]
    vectors = tuple(torch.from_numpy(field.T.copy()).reshape(shape) for field in fields)
    modes = torch.from_numpy(settling.modes).reshape(shape[0], *shape[2:])
    return Motion(vectors, None if motion.modes is None else modes), cost


class _Settling:
    """A choice is a mode, and a vector into each reference."""

    def __init__(self, whole, references, motion, bits, bit_cost, base):
        self._bit_cost, self._table = bit_cost, bits.table
        height, self._width = motion.vectors[0].shape[2:]
        self._grid = grid_of(height, self._width)
        self._count = height * self._width
        self._own = whole[0, 0]
        self._planes = [reference.samples for reference in references]
        self._samples = [s.samples[0].view(-1, s.rows, s.columns) for s in self._planes]
        # Vectors are what they are beyond the base.
        zeros = [torch.zeros_like(field) for field in motion.vectors]
        self.base = [field[0].flatten(1).t().numpy() for field in base or zeros]
        found = [field[0].flatten(1).t().numpy() for field in motion.vectors]
        self.vectors = [own - there for own, there in zip(found, self.base, strict=True)]
        self._two = motion.modes is not None
        self.modes = np.zeros(self._count, np.int64)
        if motion.modes is not None:
            self.modes[:] = motion.modes[0].flatten().numpy()

    def run(self):
        """All sweeps; what motion costs in the end."""
        for _ in range(motion_rate.SWEEPS):
            for block in self._grid.order.tolist():
                self._settle(block)
        blocks = range(self._count)
        return sum(self._bit_cost * self._own_bits(block) + self._error(block) for block in blocks)

    def _settle(self, block):
        fields = range(len(self.vectors))
        predicted = tuple(self._context(f, block)[0] for f in fields)
        now = tuple(self._vector(f, block) if self._used(f, block) else predicted[f] for f in fields)
        best = (int(self.modes[block]), now)
        cost = self._cost_of(block, best)
        for tried in self._all_modes(now, predicted):
            best, cost = self._better(block, best, cost, tried)
        y, x = divmod(block, self._width)
        beside = [
            block + step
            for step, inside in (
                (-1, x > 0),
                (1, x + 1 < self._width),
                (-self._width, y > 0),
                (self._width, block + self._width < self._count),
            )
            if inside
        ]
        for f in fields:
            if self._two and best[0] == _UNUSED_IN[f]:
                continue
            for other in beside:
                best, cost = self._better(
                    block, best, cost, _with(best, f, self._less_base(f, block, self._there(f, other)))
                )
            for vector in (predicted[f], self._less_base(f, block, (0, 0))):
                best, cost = self._better(block, best, cost, _with(best, f, vector))
            for dy, dx in product((-1, 0, 1), repeat=2):
                if dy or dx:
                    moved = best[1][f][0] + dy, best[1][f][1] + dx
                    best, cost = self._better(block, best, cost, _with(best, f, moved))
        self._set(block, best)

    def _all_modes(self, now, predicted):
        """Each mode with the vectors that there are, or as they are predicted; unused ones always so."""
        if not self._two:
            return
        for mode in (SECOND, BOTH, FIRST):
            for kept in range(4):
                stays = [kept >> f & 1 and mode != _UNUSED_IN[f] for f in (0, 1)]
                yield mode, tuple(now[f] if stays[f] else predicted[f] for f in (0, 1))

    def _better(self, block, best, cost, tried):
        found = self._cost_of(block, tried)
        return (tried, found) if found < cost else (best, cost)

    def _cost_of(self, block, choice):
        """Of a block and of what is predicted from it, with a choice, which stays."""
        self._set(block, choice)
        first, end = self._grid.start[block], self._grid.start[block + 1]
        blocks = [block, *self._grid.dependents[first:end].tolist()]
        return self._bit_cost * sum(map(self._own_bits, blocks)) + self._error(block)

    def _set(self, block, choice):
        self.modes[block] = choice[0]
        for field, vector in zip(self.vectors, choice[1], strict=True):
            field[block] = vector

    def _own_bits(self, block):
        bits = 0.0
        if self._two:
            row = MODE_ROW
            if self._grid.level[block] >= 0:
                around = self.modes[self._grid.around[block]]
                row += 1 + 5 * int((around == 1).sum()) + int((around == -1).sum())
            bits += self._symbol_bits(row, int(self.modes[block]))
        for f in range(len(self.vectors)):
            if self._used(f, block):
                bits += self._vector_bits(f, block)
        return bits

    def _vector_bits(self, f, block):
        predicted, spread = self._context(f, block)
        down, right = (a - b for a, b in zip(self._vector(f, block), predicted, strict=True))
        level = int(self._grid.level[block])
        k = sum(n < spread for n in _SPREADS)
        rows = (0, 0) if level < 0 else (1 + 8 * level + k, 1 + 24 * (1 + min(abs(down), 2)) + 8 * level + k)
        first = VECTOR_ROWS * (1 + f) if self._two else 0
        return self._symbol_bits(first + rows[0], down) + self._symbol_bits(first + rows[1], right)

    def _symbol_bits(self, row, symbol):
        return float(self._table[row, symbol + BOUND if abs(symbol) <= BOUND else -1])

    def _context(self, f, block):
        """What the vectors around say it is, and how much they differ."""
        if self._grid.level[block] < 0:
            return (0, 0), 0
        around = np.sort(self.vectors[f][self._grid.around[block]], axis=0)
        y, x = ((around[1] + around[2]) >> 1).tolist()
        return (y, x), int((around[3] - around[0]).sum())

    def _there(self, f, block):
        """Where a block comes from."""
        y, x = (self.vectors[f][block] + self.base[f][block]).tolist()
        return y, x

    def _less_base(self, f, block, vector):
        y, x = (np.array(vector) - self.base[f][block]).tolist()
        return y, x

    def _vector(self, f, block):
        y, x = self.vectors[f][block].tolist()
        return y, x

    def _used(self, f, block):
        return not self._two or int(self.modes[block]) != _UNUSED_IN[f]

    def _error(self, block):
        """Absolute differences of a block as it is predicted now."""
        used = [self._block(f, block) for f in range(len(self.vectors)) if self._used(f, block)]
        y, x = (BLOCK * n for n in divmod(block, self._width))
        own = self._own[y : y + BLOCK, x : x + BLOCK]
        return float((sum(used[1:], used[0]) / len(used) - own).abs().sum())

    def _block(self, f, block):
        """What a vector points to."""
        there, side = self._planes[f], BLOCK
        vector = self._there(f, block)
        place = []
        for part, n, size in zip(vector, divmod(block, self._width), (there.height, there.width), strict=True):
            first = side * n - side // 2
            moved = min(max(part // 4, -there.border - first), size + there.border - 2 * side - first)
            place.append(side * n + there.border + moved)
        phase = 4 * (vector[0] % 4) + vector[1] % 4
        return self._samples[f][phase, place[0] : place[0] + side, place[1] : place[1] + side]


def _with(choice, f, vector):
    """A choice with another vector into a reference."""
    return choice[0], (*choice[1][:f], vector, *choice[1][f + 1 :])

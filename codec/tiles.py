"""Rectangles of a picture: the tiles it is coded in, and the windows it is drawn in."""

from dataclasses import dataclass
from itertools import pairwise, product

from .transforms.stride import STRIDE

TILE_SIDE = 1024  # of a tile, and of a window
WHOLE_PIXELS = 2**22  # a picture of at most so many pixels is one tile, and drawn at once
_LEAST_STRIP = 128  # pixels: on each side of a strip, some more are computed


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: rows `top` to before `bottom`, columns `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def whole(cls, height: int, width: int) -> "Box":
        return cls(0, 0, height, width)

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, within: "Box") -> "Box":
        """With so many more pixels at each side, as far as there are any."""
        return Box(
            max(within.top, self.top - margin),
            max(within.left, self.left - margin),
            min(within.bottom, self.bottom + margin),
            min(within.right, self.right + margin),
        )

    def inside(self, other: "Box") -> "Box":
        """The same pixels, counted from the corner of another box."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)

    def meets(self, other: "Box") -> bool:
        """Whether they have a pixel in common."""
        return (
            self.top < other.bottom and other.top < self.bottom and self.left < other.right and other.left < self.right
        )

    def latents(self) -> "Box":
        """The latents of its pixels. Its corner lies on their grid."""
        return self.divided(STRIDE)

    def divided(self, stride: int) -> "Box":
        """The same in squares of `stride` pixels. Its corner lies on their grid."""
        return Box(self.top // stride, self.left // stride, -(-self.bottom // stride), -(-self.right // stride))


def tiles(area: Box, side: int) -> list[Box]:
    """Squares of a side, cut where the area ends, row by row."""
    corners = product(range(area.top, area.bottom, side), range(area.left, area.right, side))
    return [Box(y, x, min(y + side, area.bottom), min(x + side, area.right)) for y, x in corners]


def strips(area: Box, count: int) -> list[Box]:
    """At most so many parts of an area across its longer side, of much the same size, with corners as tiles have."""
    tall = area.height >= area.width
    start, length = (area.top, area.height) if tall else (area.left, area.width)
    count = max(1, min(count, length // _LEAST_STRIP))
    edges = [start + length * n // count // STRIDE * STRIDE for n in range(count)] + [start + length]
    if tall:
        return [Box(a, area.left, b, area.right) for a, b in pairwise(edges)]
    return [Box(area.top, a, area.bottom, b) for a, b in pairwise(edges)]


def side_for(height: int, width: int) -> int | None:
    """The side of the tiles that a picture is coded in, or None for a picture of one tile."""
    return TILE_SIDE if height * width > WHOLE_PIXELS else None

"""Draws a sunset as a JPEG of any size, without an image library.

A JPEG stores each 8x8 block as one mean colour and 63 detail coefficients. An image without details
needs only the mean of each block, so this short encoder writes a file that every decoder opens.
"""

import math
import struct
from functools import lru_cache
from itertools import pairwise
from typing import Final

from minimax.sandbox.checks.images import Size

TILE: Final = 8  # pixels, the side of a JPEG block

_COMPONENTS: Final = 3  # Y, Cb, Cr, not subsampled
# With a quantisation step of 8, a block's first coefficient is its mean minus 128.
_QUANTISATION_STEP: Final = 8
_LEVEL_SHIFT: Final = 128

# ITU-T T.81, Annex K: the number of codes of each length for the first (DC) coefficients.
_DC_LENGTHS: Final = (0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
_DC_CODES: Final = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110")
# Of the codes for the details (AC), only "end of block" is needed; two bits, as in Annex K.
_AC_LENGTHS: Final = (0, 1) + (0,) * 14
_END_OF_BLOCK: Final = "00"

_HORIZON: Final = 0.72  # of the height
_SUN_RADIUS: Final = 0.11  # of the height
_ZENITH, _GLOW = (46, 52, 120), (250, 140, 96)
_SHALLOWS, _DEPTHS = (120, 78, 110), (40, 28, 52)
_SUN: Final = (255, 240, 205)

Colour = tuple[float, float, float]


@lru_cache(maxsize=64)
def draw_sunset(size: Size, *, sun: float = 0.5) -> bytes:
    """Return a JPEG of `size` (multiples of 8), the sun at `sun` from 0 (left) to 1 (right)."""
    frame = struct.pack(">BHHB", 8, size.height, size.width, _COMPONENTS)
    frame += b"".join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    scan = bytes((_COMPONENTS, 1, 0, 2, 0, 3, 0, 0, 63, 0))
    return b"".join((
        b"\xff\xd8",
        _make_segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        _make_segment(0xDB, bytes((0,)) + bytes((_QUANTISATION_STEP,)) * 64),
        _make_segment(0xC0, frame),
        _make_segment(0xC4, bytes((0x00, *_DC_LENGTHS, *range(sum(_DC_LENGTHS))))),
        _make_segment(0xC4, bytes((0x10, *_AC_LENGTHS, 0))),
        _make_segment(0xDA, scan),
        _pack_bits(_encode_tiles(size, sun)),
        b"\xff\xd9",
    ))  # fmt: skip


def _make_segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _pack_bits(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def _encode_tiles(size: Size, sun: float) -> str:
    """Encode all tiles in reading order, each as the difference from the previous one."""
    colours = [(0, 0, 0), *_compute_tile_colours(size, sun)]
    bits: dict[tuple[int, ...], str] = {}
    encoded = []
    for before, here in pairwise(colours):
        steps = tuple(new - old for old, new in zip(before, here, strict=True))
        if steps not in bits:
            bits[steps] = "".join(_encode_step(step) + _END_OF_BLOCK for step in steps)
        encoded.append(bits[steps])
    return "".join(encoded)


def _encode_step(step: int) -> str:
    length = abs(step).bit_length()
    magnitude = step if step > 0 else step + 2**length - 1
    return _DC_CODES[length] + (f"{magnitude:0{length}b}" if length else "")


def _compute_tile_colours(size: Size, sun: float) -> list[tuple[int, ...]]:
    aspect = size.width / size.height
    columns, rows = size.width // TILE, size.height // TILE
    return [
        _to_ycc(
            _compute_colour((column + 0.5) / columns * aspect, (row + 0.5) / rows, sun * aspect)
        )
        for row in range(rows)
        for column in range(columns)
    ]


def _compute_colour(x: float, y: float, sun_x: float) -> Colour:
    """Return the colour at a point, both axes in units of the image height."""
    if y >= _HORIZON:
        return _mix_colours(_SHALLOWS, _DEPTHS, (y - _HORIZON) / (1 - _HORIZON))
    if math.hypot(x - sun_x, y - _HORIZON / 2) < _SUN_RADIUS:
        return _SUN
    return _mix_colours(_ZENITH, _GLOW, y / _HORIZON)


def _mix_colours(start: Colour, end: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return red, green, blue


def _to_ycc(colour: Colour) -> tuple[int, ...]:
    """Convert RGB to the level-shifted Y, Cb and Cr of JFIF."""
    red, green, blue = colour
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(luma - _LEVEL_SHIFT), round((blue - luma) / 1.772), round((red - luma) / 1.402)

"""A canvas for bars and labels, which becomes a small PNG.

All lengths are in CSS pixels. It has few colours, so that the PNG stays small. Pillow is imported when something is
drawn: most commands never do.
"""

import io
from bisect import bisect_left
from typing import TYPE_CHECKING

from hyve_pipeline.core.base.keys import displayed

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_FINE = 1.5

_PAPER = (255, 255, 255)
INK = (31, 41, 51)
FAINT = (110, 120, 130)
LINE = (226, 230, 234)

# Distinguishable by colour-blind readers too, as they differ in lightness: https://personal.sron.nl/~pault/
BLUE = (0, 119, 187)
AMBER = (243, 170, 24)
WINE = (136, 34, 85)
GREEN = (68, 170, 153)

Colour = tuple[int, int, int]

_PLAIN: list[Colour] = [_PAPER, INK, FAINT, LINE, BLUE, AMBER, WINE, GREEN]

_ELLIPSIS = "..."


class Canvas:
    """A white canvas.

    Args:
        width: in pixels.
        height: in pixels.
        is_coarse: one dot for each pixel and letters without antialiasing, for a picture of a few hundred bytes;
            else 1.5 dots for each pixel.
    """

    def __init__(self, width: int, height: int, *, is_coarse: bool = False) -> None:
        from PIL import Image, ImageDraw

        self._scale = 1 if is_coarse else _FINE
        self._is_coarse = is_coarse
        self._image = Image.new("RGB", (round(width * self._scale), round(height * self._scale)), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._draw.fontmode = "1" if is_coarse else "L"
        self._fonts: dict[int, FreeTypeFont] = {}

    def bar(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle, at least one dot wide and high."""
        edges = [round(edge * self._scale) for edge in (left, top, right, bottom)]
        self._draw.rectangle((*edges[:2], max(edges[2] - 1, edges[0]), max(edges[3] - 1, edges[1])), colour)

    def text(
        self,
        left: float,
        baseline: float,
        text: str,
        *,
        size: int = 12,
        colour: Colour = INK,
        anchor: str = "ls",
    ) -> None:
        """Write one line: a result of `label`, or fixed text.

        Args:
            left: where it begins; with the anchor `rs` where it ends, with `ms` its middle.
            baseline: the baseline of the letters.
            text: the line.
            size: of the letters.
            colour: of the letters.
            anchor: Pillow's text anchor.
        """
        self._draw.text((left * self._scale, baseline * self._scale), text, colour, self._font(size), anchor)

    def width_of(self, text: str, size: int = 12) -> float:
        """The width of a line."""
        return self._font(size).getlength(text) / self._scale

    def label(self, key: str, width: float, size: int = 12) -> str:
        """A key, or a part of one, as a line no wider than `width`: escaped, and shortened in the middle.

        All but ASCII is escaped, as invisible characters are everywhere: Pillow's font has hardly any other glyphs.
        """
        # A very long key is shortened first, so that not all of it is measured.
        parts = [_drawable(character) for character in _ends(key)]

        def without(dropped: int) -> str:
            kept = len(parts) - dropped
            return "".join([*parts[: (kept + 1) // 2], _ELLIPSIS if dropped else "", *parts[len(parts) - kept // 2 :]])

        def fits(dropped: int) -> bool:
            return self.width_of(without(dropped), size) <= width

        return without(bisect_left(range(len(parts)), True, key=fits))

    def png(self) -> bytes:
        """The picture as a PNG."""
        from PIL import Image

        palette = Image.new("P", (1, 1))
        colours = _PLAIN if self._is_coarse else _smooth_colours()
        palette.putpalette([part for colour in colours for part in colour])
        found = self._image.quantize(palette=palette, dither=Image.Dither.NONE)
        content = io.BytesIO()
        # For a large picture the highest level takes ten times as long, and saves 5 %.
        found.save(content, "PNG", compress_level=9 if self._is_coarse else 6, bits=4)
        return content.getvalue()

    def _font(self, size: int) -> "FreeTypeFont":
        from PIL import ImageFont

        if size not in self._fonts:
            # Pillow's own font with the basic layout: the other layout depends on installed libraries.
            font = ImageFont.load_default(size * self._scale)
            assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - that is what it is, given a size
            self._fonts[size] = font.font_variant(layout_engine=ImageFont.Layout.BASIC)
        return self._fonts[size]


# More characters than any label has room for.
_MOST_CHARACTERS = 200


def _ends(key: str) -> str:
    half = _MOST_CHARACTERS // 2
    return key if len(key) <= _MOST_CHARACTERS else key[:half] + key[-half:]


def _drawable(character: str) -> str:
    return displayed(character).encode("ascii", "backslashreplace").decode()


def _smooth_colours() -> list[Colour]:
    """The plain colours, and the shades of antialiased letters: the fewer, the smaller the picture."""
    return [*_PLAIN, *(_blend(colour, share) for colour in (INK, FAINT) for share in (2 / 3, 1 / 3))]


def _blend(colour: Colour, share: float) -> Colour:
    red, green, blue = (round(part * share + paper * (1 - share)) for part, paper in zip(colour, _PAPER, strict=True))
    return red, green, blue

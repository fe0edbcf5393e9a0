"""Small images with made-up names: the same ones every time, and no two alike."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

ImageFormat = Literal["JPEG", "PNG"]

_SIDES = (16, 24, 32, 48, 64)  # pixels
_SUFFIXES: dict[ImageFormat, str] = {"JPEG": "jpg", "PNG": "png"}
_CONTENT_TYPES: dict[ImageFormat, str] = {"JPEG": "image/jpeg", "PNG": "image/png"}

# Names that tools handle badly: an escape sequence that clears a terminal and a newline, an empty folder
# name, a space at the end, other scripts, and a character that changes the writing direction.
ODD_KEYS = (
    "uploads/\x1b[2Jcleared\nscreen.png",
    "uploads//unnamed folder/1.png",
    "uploads/space at the end.png ",
    "uploads/été/写真.png",
    "uploads/\u202egnp.exe",
)


@dataclass(frozen=True)
class DemoImage:
    """An object to put into a bucket.

    Attributes:
        key: its name.
        body: the image, a few hundred bytes.
        content_type: such as ``image/png``.
    """

    key: str
    body: bytes
    content_type: str


def make_album(folder: str, image_format: ImageFormat, count: int, *, edition: int = 1) -> Iterator[DemoImage]:
    """Make the images of one folder, numbered from 1.

    Args:
        folder: the first part of the keys, without ``/`` at its end.
        image_format: the format of the images.
        count: how many.
        edition: another edition has the same keys and other images.
    """
    for number in range(1, count + 1):
        yield make_image(f"{folder}/{number:04d}.{_SUFFIXES[image_format]}", image_format, number, edition=edition)


def make_odd_images() -> Iterator[DemoImage]:
    """Make one image for each of `ODD_KEYS`."""
    for number, key in enumerate(ODD_KEYS, 1):
        yield make_image(key, "PNG", number)


def make_image(key: str, image_format: ImageFormat, number: int, *, edition: int = 1) -> DemoImage:
    """Draw one image; equal arguments give equal bytes.

    Args:
        key: its name, which is part of its bytes: no two keys have the same image.
        image_format: its format.
        number: determines its size, colours and shape.
        edition: likewise.
    """
    width = _SIDES[number % len(_SIDES)]
    height = _SIDES[(number // len(_SIDES) + edition) % len(_SIDES)]
    image = Image.new("RGB", (width, height), _colour(number, edition))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=_colour(number + 7, edition + 2))
    draw.line((0, 0, width, height), fill=_colour(number + 13, edition + 5))
    stream = io.BytesIO()
    image.save(stream, image_format)
    # Both formats have an end marker, and readers ignore what follows it.
    stream.write(f"{key}#{edition}".encode())
    return DemoImage(key, stream.getvalue(), _CONTENT_TYPES[image_format])


def _colour(number: int, edition: int) -> tuple[int, int, int]:
    """A colour; the steps share no factor with 256, so numbers rarely have the same one."""
    return (number * 37 + edition * 91) % 256, (number * 101 + edition * 53) % 256, (number * 173 + 64) % 256

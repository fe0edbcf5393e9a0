import io

import pytest
from PIL import Image

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.demo.images import ODD_KEYS, ImageFormat, make_album, make_image, make_odd_images


@pytest.mark.parametrize(("image_format", "content_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png")])
def test_every_image_has_the_format_of_its_content_type(image_format: ImageFormat, content_type: str) -> None:
    sizes = set()
    for image in make_album("album", image_format, 30):
        with Image.open(io.BytesIO(image.body)) as opened:
            opened.load()
            assert opened.format == image_format
            sizes.add(opened.size)
        assert image.content_type == content_type
        assert len(image.body) < 2_000
    assert len(sizes) > 10


def test_images_are_the_same_every_time() -> None:
    assert list(make_album("album", "PNG", 20)) == list(make_album("album", "PNG", 20))


def test_no_two_images_are_equal() -> None:
    images = [*make_album("a", "PNG", 100), *make_album("b", "PNG", 100), *make_album("a", "PNG", 100, edition=2)]
    assert len({image.body for image in images}) == 300


def test_keys_are_numbered() -> None:
    assert [image.key for image in make_album("a/b", "JPEG", 2)] == ["a/b/0001.jpg", "a/b/0002.jpg"]


def test_odd_keys_are_used_unchanged() -> None:
    assert [image.key for image in make_odd_images()] == list(ODD_KEYS)
    assert make_image("a\nb", "PNG", 1).key == "a\nb"
    assert [key for key in ODD_KEYS if displayed(key) != key], "at least one key must be escaped"

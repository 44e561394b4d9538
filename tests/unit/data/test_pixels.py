import io
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from data_pictures import chunk, encoded, film, png16, png_of
from PIL import Image, ImageChops, ImageOps

from xraygan.data.pixels import Refusal, decode, decode_reduced, fit

GREY = film(0)


def colour(seed: int = 1) -> np.ndarray:
    return np.stack([film(seed), film(seed + 1), film(seed + 2)], axis=-1)


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def refusal(data: bytes, name: str = "a.png") -> str:
    with pytest.raises(Refusal) as caught:
        decode(data, name)
    return str(caught.value)


# --- right pictures -----------------------------------------------------------------------


def test_grey_png_is_exact() -> None:
    assert np.array_equal(decode(encoded(GREY), "a.png"), GREY)


@pytest.mark.parametrize("progressive", [False, True])
def test_grey_jpeg_equals_pillow(progressive: bool) -> None:
    data = encoded(GREY, "JPEG", progressive=progressive)
    twin = np.asarray(Image.open(io.BytesIO(data)), np.int16)
    assert np.abs(decode(data, "a.jpeg") - twin).max() <= 1


def test_rgb_png_is_luma() -> None:
    rgb = colour()
    assert np.abs(decode(encoded(rgb), "a.png") - luma(rgb)).max() < 1e-3


def test_rgb_jpeg_is_luma() -> None:
    data = encoded(colour(), "JPEG", quality=95)
    twin = np.asarray(Image.open(io.BytesIO(data)).convert("L"), np.int16)
    assert np.abs(decode(data, "a.jpg") - twin).max() <= 2


def test_transparent_pixels_are_composed_on_black() -> None:
    alpha = film(7)
    alpha[:20] = 0
    expected = luma(colour()) * alpha / 255
    rgba = Image.fromarray(np.dstack([colour(), alpha]))
    assert np.abs(decode(encoded(rgba), "a.png") - expected).max() < 1e-3
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    assert np.abs(decode(encoded(grey_alpha), "a.png") - GREY * (alpha / 255)).max() < 1e-3


def test_palette_with_and_without_transparency() -> None:
    indexed = Image.fromarray(colour()).quantize(16)
    twin = luma(np.asarray(indexed.convert("RGB")))
    assert np.abs(decode(encoded(indexed), "a.png") - twin).max() < 1e-3
    hidden = np.asarray(indexed) == 3
    assert hidden.any()
    result = decode(encoded(indexed, transparency=3), "a.png")
    assert np.abs(result - np.where(hidden, 0, twin)).max() < 1e-3


def test_grey_with_a_transparent_value() -> None:
    value = int(GREY[0, 0])
    result = decode(encoded(GREY, transparency=value), "a.png")
    assert np.abs(result - np.where(value == GREY, 0, GREY)).max() < 1e-3


def test_one_bit_reaches_full_range() -> None:
    bits = GREY > 127
    assert np.array_equal(decode(encoded(Image.fromarray(bits)), "a.png"), bits * 255)


@pytest.mark.parametrize("inverted", [False, True])
def test_cmyk_jpeg(inverted: bool) -> None:
    rgb = Image.fromarray(colour())
    four = rgb.convert("CMYK")
    # Pillow writes what Adobe does, inverted; without the marker values mean what they say.
    data = encoded(four if inverted else ImageChops.invert(four), "JPEG", quality=95)
    if not inverted:
        position = data.index(b"\xff\xee")
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        data = data[:position] + data[position + 2 + length :]
    assert np.abs(decode(data, "a.jpg") - luma(colour())).mean() < 3


def test_sixteen_bits_keep_precision_and_range() -> None:
    values = np.linspace(0, 65535, 70 * 90).reshape(70, 90).astype(np.uint16)
    assert np.abs(decode(png16(values), "a.png") - values / 257).max() < 1e-3
    rgb = np.stack([values, values[::-1], values[:, ::-1]], axis=-1)
    assert np.abs(decode(png16(rgb), "a.png") - luma(rgb) / 257).max() < 1e-2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_equals_pillow(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(GREY, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        twin = np.asarray(ImageOps.exif_transpose(image), np.int16)
    result = decode(data, "a." + kind.lower())
    assert result.shape == twin.shape
    assert np.abs(result - twin).max() <= 1


def test_gamma_chunk_changes_nothing() -> None:
    rgb = colour()
    plain = encoded(rgb)
    with_gamma = plain[:33] + chunk(b"gAMA", (20000).to_bytes(4, "big")) + plain[33:]
    assert np.array_equal(decode(with_gamma, "a.png"), decode(plain, "a.png"))


# --- refused ------------------------------------------------------------------------------


def test_empty_and_text() -> None:
    assert "zero bytes" in refusal(b"")
    assert "not an image" in refusal(b"patient list\n" * 40)


def test_other_formats_are_named() -> None:
    for kind in ("BMP", "GIF", "TIFF", "WEBP"):
        reason = refusal(encoded(GREY, kind))
        assert kind.lower() in reason.lower()
        assert "JPEG and PNG" in reason


def test_wrong_extension() -> None:
    assert "the content is PNG" in refusal(encoded(GREY), "a.jpeg")
    assert "the content is JPEG" in refusal(encoded(GREY, "JPEG"), "a.png")
    dicom = bytes(128) + b"DICM" + bytes(400)
    expected = "wrong file name ending: the content is DICOM, the name says .jpg"
    assert refusal(dicom, "A/a.JPG") == expected


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated(kind: str, part: float) -> None:
    data = encoded(film(0, 200, 200), kind)
    refusal(data[: int(len(data) * part)], "a." + kind.lower())


def test_a_jpeg_that_lacks_nothing_but_its_end_marker() -> None:
    reason = refusal(encoded(GREY, "JPEG")[:-2], "a.jpg")
    assert "end-of-image marker is missing" in reason


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_jpeg_with_its_end_marker_put_back(progressive: bool, part: float) -> None:
    data = encoded(film(0, 200, 200), "JPEG", progressive=progressive)
    cut = data[: int(len(data) * part)].rstrip(b"\xff") + b"\xff\xd9"
    refusal(cut, "a.jpg")


def test_whole_jpeg_with_a_flat_border_is_not_taken_for_a_cut_one() -> None:
    bordered = film(0, 200, 200)
    bordered[120:] = 128
    for progressive in (False, True):
        decode(encoded(bordered, "JPEG", progressive=progressive), "a.jpg")


def test_any_flipped_png_byte_is_found() -> None:
    data = encoded(film(0, 30, 30))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        refusal(bytes(damaged))


def test_missing_rows_behind_right_checksums() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in GREY[:30])
    refusal(png_of(90, 70, 8, 0, rows))
    palette = chunk(b"PLTE", bytes(range(256)) * 3)
    refusal(png_of(90, 70, 8, 3, rows, palette, chunk(b"tRNS", b"\0")))


@pytest.mark.parametrize("side", [30_000, 60_000])
def test_bomb_is_refused_from_the_header(side: int) -> None:
    compressor = zlib.compressobj()
    body = compressor.compress(b"\0" * 10_000_000) + compressor.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)
    jpeg = bytearray(encoded(GREY, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2
    tracemalloc.start()
    for data, name in ((png, "a.png"), (bytes(jpeg), "a.jpg")):
        assert "megapixels" in refusal(data, name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_files_of_many_empty_parts_are_refused_before_they_are_decoded() -> None:
    jpeg, png = encoded(GREY, "JPEG"), encoded(GREY)
    assert "segments" in refusal(jpeg[:2] + b"\xff\xfe\0\2" * 10_000 + jpeg[2:], "a.jpg")
    assert "chunks" in refusal(png[:33] + chunk(b"IDAT", b"") * 200_000 + png[33:])
    progressive = encoded(GREY, "JPEG", progressive=True)
    last_scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    assert "scans" in refusal(progressive[:-2] + last_scan * 64 + progressive[-2:], "a.jpg")


def test_text_chunk_bomb_is_never_inflated() -> None:
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 50_000_000))
    data = encoded(GREY)
    tracemalloc.start()
    result = decode(data[:33] + bomb + data[33:], "a.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(result, GREY)
    assert peak < 5_000_000


def test_animated() -> None:
    frames = [Image.fromarray(film(seed)) for seed in range(3)]
    data = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert "animated" in refusal(data)


def test_several_pictures_in_one_jpeg() -> None:
    frames = [Image.fromarray(film(seed)) for seed in range(2)]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert "several pictures" in refusal(data, "a.jpg")


def test_tiny_constant_and_unscaled() -> None:
    assert "too small" in refusal(encoded(film(0, 15, 40)))
    assert "no contrast" in refusal(encoded(np.full((40, 40), 9, np.uint8)))
    twelve_bit = (film(0).astype(np.uint16) << 4) | 15
    assert "12-bit" in refusal(png16(twelve_bit))
    assert "15-bit" in refusal(png16(twelve_bit << 3))
    assert "no contrast" in refusal(png16(np.zeros((40, 40), np.uint16)))
    decode(png16(twelve_bit << 4), "a.png")


def test_dark_synthetic_images_of_sixteen_bits_are_whole_range() -> None:
    dark = film(0).astype(np.uint16) << 5
    data = png16(dark)
    made = data[:33] + chunk(b"tEXt", b"Synthetic\0yes") + data[33:]
    assert np.abs(decode(made, "a.png") - dark / 257).max() < 1e-3


def test_damaged_exif_leaves_the_orientation_unknown() -> None:
    plain = encoded(GREY)
    damaged = plain[:33] + chunk(b"eXIf", b"MM\0*\0\0\xff\xff") + plain[33:]
    assert "orientation" in refusal(damaged)


# --- fit ----------------------------------------------------------------------------------


def test_shrinking_is_the_mean_of_blocks() -> None:
    image = film(3, 128, 192)
    expected = image.reshape(32, 4, 32, 6).mean(axis=(1, 3))
    for dtype in (np.uint8, np.float32):
        result = fit(image.astype(dtype), 32, "squash")
        assert result.dtype == np.uint8
        assert np.abs(result - expected).max() <= 0.501


def test_crop_takes_the_centre_square() -> None:
    image = film(3, 64, 100)
    assert np.array_equal(fit(image, 64, "crop"), image[:, 18:82])


def test_pad_edge_repeats_the_edge() -> None:
    image = film(3, 64, 32)
    expected = np.pad(image, ((0, 0), (16, 16)), mode="edge")
    assert np.array_equal(fit(image, 64, "pad-edge"), expected)


def test_enlarging_stays_in_range_and_keeps_its_mean() -> None:
    image = np.where(film(3, 16, 16) > 127, 255, 0).astype(np.uint8)
    result = fit(image, 64, "squash")
    assert result.shape == (64, 64)
    assert abs(float(result.mean()) - float(image.mean())) < 12


def test_long_and_thin_is_bounded() -> None:
    image = np.tile(np.arange(16, dtype=np.uint8)[:, None], (1, 200_000))
    for mode in ("crop", "pad-edge", "squash"):
        assert fit(image, 32, mode).shape == (32, 32)


def test_opencv_alone_would_have_been_wrong() -> None:
    """Why the strict check is there: OpenCV gives a picture for half a file."""
    data = encoded(film(0, 200, 200), "JPEG")
    half = np.frombuffer(data[: len(data) // 2] + b"\xff\xd9", np.uint8)
    assert cv2.imdecode(half, cv2.IMREAD_GRAYSCALE) is not None


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_small(colour: bool, orientation: int) -> None:
    large = cv2.resize(film(3), (1100, 900), interpolation=cv2.INTER_CUBIC)
    image = Image.fromarray(np.stack([large] * 3, -1) if colour else large)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, "JPEG", quality=92, exif=exif)
    reduced, size = decode_reduced(data, "a.jpg", 128)
    assert size == ((900, 1100) if orientation == 1 else (1100, 900))
    assert reduced.shape == ((225, 275) if orientation == 1 else (275, 225))
    whole = fit(decode(data, "a.jpg"), 64, "squash").astype(float)
    assert np.abs(fit(reduced, 64, "squash") - whole).mean() < 1.5
    assert decode_reduced(data, "a.jpg", 500)[0].shape == decode(data, "a.jpg").shape


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("marker", [b"", b"\xff\xd9"])
def test_a_cut_jpeg_is_refused_reduced_as_well(kept: float, marker: bytes) -> None:
    large = cv2.resize(film(3), (1100, 900), interpolation=cv2.INTER_CUBIC)
    data = encoded(Image.fromarray(large), "JPEG", quality=92)
    with pytest.raises(Refusal):
        decode_reduced(data[: int(kept * len(data))] + marker, "a.jpg", 128)

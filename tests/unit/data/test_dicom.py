"""Right grey: each rule of the pipeline, with values worked out by hand."""

import numpy as np
import pytest
from data_pictures import film
from dicom_files import (
    LOSSLESS,
    NATIVE,
    SALT,
    compressed,
    dataset_of,
    dicom,
    file_of,
    film12,
    frame_of,
    lut,
    with_frame,
)
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from xraygan.data.dicom import is_dicom, read_dicom
from xraygan.data.dicom_grey import Stored, grey_table

WHOLE = {"WindowCenter": 2048, "WindowWidth": 4096}


def grey(data: bytes) -> np.ndarray:
    image, _ = read_dicom(data, SALT)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    return image


def at(samples: np.ndarray, bits: int, values: list[int], **tags: object) -> list[float]:
    """Grey of single stored values: planted in the first row of `samples`."""
    samples = samples.copy()
    samples[0, : len(values)] = values
    return [float(value) for value in grey(dicom(samples, bits, **tags))[0, : len(values)]]


# --- order and kinds of the transformations ------------------------------------------------


def test_eight_bits_without_a_window_are_taken_as_they_are() -> None:
    assert np.array_equal(grey(dicom(film(0))), film(0))


def test_monochrome1_is_inverted() -> None:
    inverted = grey(dicom(film(0), PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(inverted, 255 - film(0).astype(np.float32))


def test_linear_window() -> None:
    # c = 100, w = 201: 0 up to -0.5 = 99.5 - 100, 255 from 199.5; 99.5 in the middle.
    found = at(film12(), 12, [0, 99, 100, 199, 200, 4095], WindowCenter=100, WindowWidth=201)
    expected = [(0 - 99.5) / 200 + 0.5, (99 - 99.5) / 200 + 0.5, 100.5 / 200, 199.5 / 200, 1, 1]
    assert found == pytest.approx([255 * value for value in expected], abs=1e-4)


def test_linear_window_of_width_one_is_a_threshold() -> None:
    found = at(film12(), 12, [99, 100], WindowCenter=100, WindowWidth=1)
    assert found == [0, 255]


def test_linear_exact_window() -> None:
    found = at(
        film12(),
        12,
        [0, 50, 100, 149, 150, 200],
        WindowCenter=100,
        WindowWidth=100,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert found == pytest.approx([0, 0, 127.5, 255 * 0.99, 255, 255], abs=1e-4)


def test_sigmoid_window() -> None:
    found = at(
        film12(),
        12,
        [0, 100, 125, 4000],
        WindowCenter=100,
        WindowWidth=100,
        VOILUTFunction="SIGMOID",
    )
    # 1 / (1 + e^4) = 0.0179862, 1 / (1 + e^-1) = 0.7310586
    assert found == pytest.approx([255 * 0.0179862, 127.5, 255 * 0.7310586, 255], abs=1e-3)


def test_first_of_several_windows() -> None:
    several = grey(dicom(film12(), 12, WindowCenter=[2048, 100], WindowWidth=[4096, 10]))
    assert np.array_equal(several, grey(dicom(film12(), 12, **WHOLE)))


def test_rescale_comes_before_the_window() -> None:
    # 2 x - 1000: 0 at x = 500 - 0.25 (c - 0.5 - 100 = 0 ... in rescaled units -0.5 and 200.5)
    found = at(
        film12(),
        12,
        [500, 550, 600],
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=100.5,
        WindowWidth=201,
    )
    assert found == pytest.approx([0, 127.5, 255], abs=1e-4)


def test_a_negative_slope_inverts() -> None:
    upright = grey(dicom(film12(), 12, **WHOLE))
    inverted = grey(dicom(film12(), 12, RescaleSlope=-1, RescaleIntercept=4095, **WHOLE))
    assert np.allclose(inverted, 255 - upright, atol=1e-4)


def test_modality_lut_comes_before_the_window_and_clamps() -> None:
    found = at(
        film12(),
        12,
        [0, 10, 11, 12, 4000],
        ModalityLUTSequence=lut(10, [100, 150, 300], 16),
        RescaleSlope=7,
        WindowCenter=200.5,
        WindowWidth=201,
    )
    assert found == pytest.approx([0, 0, 255 * 0.25, 255, 255], abs=1e-4)


def test_voi_lut_goes_before_a_window_and_clamps() -> None:
    sequence = lut(1000, [0, 1023, 2047, 4095], 12)
    found = at(film12(), 12, [0, 1000, 1001, 1002, 1003, 4095], VOILUTSequence=sequence, **WHOLE)
    expected = [0, 0, 255 * 1023 / 4095, 255 * 2047 / 4095, 255, 255]
    assert found == pytest.approx(expected, abs=1e-4)


def test_voi_lut_of_a_signed_film_begins_below_zero() -> None:
    samples = film12().astype(np.int16) - 2048
    unsigned = lut(2**16 - 100, [0, 255], 8)
    unsigned[0]["LUTDescriptor"].VR = "US"
    for sequence in (lut(-100, [0, 255], 8), unsigned):
        assert at(samples, 12, [-101, -100, -99], VOILUTSequence=sequence) == [0, 0, 255]


def test_voi_lut_with_all_65536_entries() -> None:
    entries = list(range(65535, -1, -1))
    samples = film12() * np.uint16(16)
    result = grey(dicom(samples, VOILUTSequence=lut(0, entries, 16)))
    assert np.allclose(result, (65535 - samples.astype(np.float64)) / 257, atol=1e-3)


def test_voi_lut_whose_bits_lie() -> None:
    ramp = list(range(4096))
    expected = film12() / 4095 * 255
    assert np.allclose(grey(dicom(film12(), 12, VOILUTSequence=lut(0, ramp, 16))), expected)
    assert np.allclose(grey(dicom(film12(), 12, VOILUTSequence=lut(0, ramp, 8))), expected)


def test_lut_of_eight_bits_in_bytes() -> None:
    sequence = lut(0, [0] * 255, 8)
    sequence[0]["LUTData"].value = bytes(range(255)) + b"\0"
    assert np.array_equal(grey(dicom(film(0), VOILUTSequence=sequence)), film(0))


@pytest.mark.parametrize("syntax", NATIVE.values(), ids=NATIVE.keys())
def test_luts_in_every_uncompressed_syntax(syntax: UID) -> None:
    tags = {"VOILUTSequence": lut(1000, [0, 1023, 2047, 4095], 12)}
    expected = grey(dicom(film12(), 12, **tags))
    dataset = dataset_of(film12(), 12, **tags)
    if syntax.is_little_endian is False:
        words = np.frombuffer(dataset.VOILUTSequence[0]["LUTData"].value, "<u2")
        dataset.VOILUTSequence[0]["LUTData"].value = words.astype(">u2").tobytes()
    assert np.array_equal(grey(file_of(dataset, syntax)), expected)


def test_polarity_comes_last() -> None:
    upright = grey(dicom(film12(), 12, WindowCenter=1000, WindowWidth=500))
    tags = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 1000, "WindowWidth": 500}
    assert np.allclose(grey(dicom(film12(), 12, **tags)), 255 - upright, atol=1e-4)


@pytest.mark.parametrize("width", [0, -5, 0.5])
def test_a_window_without_width_is_none(width: float) -> None:
    without = grey(dicom(film12(), 12))
    assert np.array_equal(grey(dicom(film12(), 12, WindowCenter=9, WindowWidth=width)), without)


# --- without any VOI transformation ----------------------------------------------------------


def test_deep_films_without_a_window_are_stretched_between_percentiles() -> None:
    samples = np.linspace(500, 1500, 100 * 100).astype(np.uint16).reshape(100, 100)
    samples[0, :5], samples[0, 5:10] = 0, 4095
    result = grey(dicom(samples, 12))
    low, high = np.percentile(samples, [0.5, 99.5])
    assert np.allclose(result, np.clip((samples - low) / (high - low), 0, 1) * 255, atol=0.6)


def test_padding_does_not_count_for_the_percentiles() -> None:
    samples = np.linspace(500, 1500, 100 * 100).astype(np.uint16).reshape(100, 100)
    expected = grey(dicom(samples, 12))
    padded = np.pad(samples, 30, constant_values=4000)
    tags = {"PixelPaddingValue": 4000}
    assert np.allclose(grey(dicom(padded, 12, **tags))[30:-30, 30:-30], expected, atol=0.6)
    padded[:30] = 4050
    tags["PixelPaddingRangeLimit"] = 4060
    assert np.allclose(grey(dicom(padded, 12, **tags))[30:-30, 30:-30], expected, atol=0.6)


def test_percentiles_after_a_falling_rescale() -> None:
    upright = grey(dicom(film12(), 12))
    inverted = grey(dicom(film12(), 12, RescaleSlope=-1, RescaleIntercept=0))
    assert np.allclose(inverted, 255 - upright, atol=1e-3)


def test_a_film_mostly_of_one_value_keeps_its_contrast() -> None:
    samples = np.full((100, 100), 700, np.uint16)
    samples[:6, :6] = np.arange(36).reshape(6, 6) + 800
    result = grey(dicom(samples, 12))
    assert (result.min(), result.max()) == (0, 255)


# --- stored samples --------------------------------------------------------------------------


def test_sixteen_bits_keep_their_precision() -> None:
    samples = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    tags = {"WindowCenter": 32768, "WindowWidth": 65536}
    result = grey(dicom(samples, **tags))
    assert len(np.unique(result)) == 65536
    assert np.abs(result - samples / 257).max() < 1e-4


def test_bits_above_the_stored_ones_are_cut_off() -> None:
    rubbish = film12() | np.uint16(0xA000)
    assert np.array_equal(grey(dicom(rubbish, 12, **WHOLE)), grey(dicom(film12(), 12, **WHOLE)))


def test_samples_in_the_high_bits() -> None:
    shifted = dicom(film12() << 4 | 0x7, 12, HighBit=15, **WHOLE)
    assert np.array_equal(grey(shifted), grey(dicom(film12(), 12, **WHOLE)))


def test_signed_samples_with_and_without_their_sign_extended() -> None:
    signed = film12().astype(np.int16) - 2048
    window = {"WindowCenter": 0, "WindowWidth": 4096}
    expected = film12() / 4095 * 255
    assert np.allclose(grey(dicom(signed, 12, **window)), expected, atol=1e-4)
    cut = dicom((signed.view(np.uint16) & 0x0FFF), 12, PixelRepresentation=1, **window)
    assert np.allclose(grey(cut), expected, atol=1e-4)
    high = dicom(signed << 4, 12, HighBit=15, **window)
    assert np.allclose(grey(high), expected, atol=1e-4)


def test_ten_bits_in_sixteen_and_seven_in_eight() -> None:
    ten = film12() >> 2
    tags = {"WindowCenter": 512, "WindowWidth": 1024}
    assert np.allclose(grey(dicom(ten, 10, **tags)), ten / 1023 * 255, atol=1e-4)
    seven = film(0) >> 1
    assert np.allclose(grey(dicom(seven, 7)), seven / 127 * 255, atol=1e-4)


def test_colour_becomes_luma() -> None:
    rgb = np.stack([film(1), film(2), film(3)], axis=-1)
    expected = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.allclose(grey(dicom(rgb)), expected, atol=1e-3)
    planes = dicom(np.moveaxis(rgb, -1, 0).copy(), Rows=70, Columns=90, PlanarConfiguration=1)
    assert np.allclose(grey(planes), expected, atol=1e-3)
    deep = rgb.astype(np.uint16) * 257
    assert np.allclose(grey(dicom(deep)), expected, atol=1e-2)


def test_ybr_colour_becomes_luma() -> None:
    ybr = np.stack([film(1), np.full((70, 90), 128), np.full((70, 90), 128)], axis=-1)
    data = dicom(ybr.astype(np.uint8), PhotometricInterpretation="YBR_FULL")
    assert np.abs(grey(data) - film(1)).max() <= 1


# --- transfer syntaxes -----------------------------------------------------------------------


@pytest.mark.parametrize("syntax", NATIVE.values(), ids=NATIVE.keys())
def test_uncompressed_syntaxes_are_exact(syntax: UID) -> None:
    data = file_of(dataset_of(film12(), 12, **WHOLE), syntax)
    assert np.allclose(grey(data), film12() / 4095 * 255, atol=1e-4)
    assert np.array_equal(grey(file_of(dataset_of(film(0)), syntax)), film(0))


@pytest.mark.parametrize("syntax", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_lossless_syntaxes_are_exact(syntax: UID) -> None:
    data = compressed(dataset_of(film12(), 12, **WHOLE), syntax)
    assert np.allclose(grey(data), film12() / 4095 * 255, atol=1e-4)
    assert np.array_equal(grey(compressed(dataset_of(film(0)), syntax)), film(0))
    deep = film12() * np.uint16(16)
    window = {"WindowCenter": 32768, "WindowWidth": 65536}
    data = compressed(dataset_of(deep, **window), syntax)
    assert np.allclose(grey(data), deep / 257, atol=1e-3)


@pytest.mark.parametrize("name", ["rle", "jpeg-2000"])
def test_signed_and_colour_samples_in_lossless_syntaxes(name: str) -> None:
    signed = film12().astype(np.int16) - 2048
    window = {"WindowCenter": 0, "WindowWidth": 4096}
    data = compressed(dataset_of(signed, 12, **window), LOSSLESS[name])
    assert np.allclose(grey(data), film12() / 4095 * 255, atol=1e-4)
    rgb = np.stack([film(1), film(2), film(3)], axis=-1)
    expected = rgb @ np.array([0.299, 0.587, 0.114])
    result = grey(compressed(dataset_of(rgb), LOSSLESS[name]))
    assert np.allclose(result, expected, atol=1e-3)


def test_lossless_jpeg_with_a_black_border_is_not_taken_for_a_cut_one() -> None:
    bordered = film12()
    bordered[20:], bordered[:, 40:] = 0, 0
    for name in ("jpeg-lossless", "jpeg-lossless-sv1"):
        data = compressed(dataset_of(bordered, 12, **WHOLE), LOSSLESS[name])
        assert np.allclose(grey(data), bordered / 4095 * 255, atol=1e-4)


def test_baseline_jpeg_is_close_in_grey_and_colour() -> None:
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    assert np.abs(grey(compressed(dataset_of(smooth), JPEGBaseline8Bit)) - smooth).max() <= 4
    rgb = np.stack([smooth, smooth[::-1], smooth // 2], axis=-1)
    dataset = dataset_of(rgb, PhotometricInterpretation="YBR_FULL_422")
    expected = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey(compressed(dataset, JPEGBaseline8Bit)) - expected).max() <= 6


def test_extended_jpeg_of_eight_bits() -> None:
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    frame, _ = frame_of(compressed(dataset_of(smooth), JPEGBaseline8Bit))
    data = with_frame(dataset_of(smooth), JPEGExtended12Bit, frame)
    assert np.abs(grey(data) - smooth).max() <= 4


def test_lossy_jpeg_2000_and_jpeg_ls_are_close() -> None:
    expected = film12() / 4095 * 255
    dataset = dataset_of(film12(), 12, **WHOLE)
    dataset.compress(JPEG2000, generate_instance_uid=False, j2k_psnr=[60])
    assert np.abs(grey(file_of(dataset)) - expected).max() < 3
    dataset = dataset_of(film12(), 12, **WHOLE)
    dataset.compress(JPEGLSNearLossless, generate_instance_uid=False, jls_error=3)
    assert np.abs(grey(file_of(dataset)) - expected).max() < 3


def test_what_a_lossy_codec_adds_beyond_the_bits_stored_stays_white() -> None:
    bars = np.zeros((64, 80), np.uint16)
    bars[:, 20:60] = 4095
    deep = dataset_of(bars, 16, **WHOLE)
    deep.compress(JPEG2000, generate_instance_uid=False, j2k_psnr=[30])
    assert deep.pixel_array.max() > 4095  # or this test says nothing
    deep.BitsStored, deep.HighBit = 12, 11
    assert grey(file_of(deep))[:, 22:58].min() > 200


def test_several_fragments_of_one_picture() -> None:
    data = compressed(dataset_of(film12(), 12, **WHOLE), JPEG2000Lossless)
    frame, put = frame_of(data)
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.encaps import encapsulate

    dataset = dcmread(BytesIO(put(frame)))
    dataset.PixelData = encapsulate([frame], fragments_per_frame=5)
    assert np.array_equal(grey(file_of(dataset)), grey(data))


# --- without a header ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["implicit", "explicit"])
def test_without_preamble_or_meta_information(name: str) -> None:
    whole = file_of(dataset_of(film12(), 12, **WHOLE), NATIVE[name])
    expected = grey(whole)
    assert is_dicom(whole)
    without_preamble = whole[132:]
    assert is_dicom(without_preamble)
    assert np.array_equal(grey(without_preamble), expected)
    headerless = whole[144 + int.from_bytes(whole[140:144], "little") :]
    assert is_dicom(headerless)
    assert np.array_equal(grey(headerless), expected)


def test_other_content_is_not_dicom() -> None:
    rng = np.random.default_rng(0)
    assert sum(is_dicom(rng.bytes(200)) for _ in range(5000)) == 0
    for content in (b"", b"patient,age\n1,2\n" * 20, b"\x89PNG\r\n\x1a\n" + bytes(300), bytes(300)):
        assert not is_dicom(content)


# --- the table against a slow twin -----------------------------------------------------------


def test_table_equals_a_walk_over_single_values() -> None:
    dataset = dataset_of(film(0), WindowCenter=-20, WindowWidth=90, RescaleSlope=0.5)
    table = grey_table(dataset, Stored(8, signed=True), np.ones(256, int), inverted=True)
    for place, value in enumerate(range(-128, 128)):
        x = 0.5 * value
        if x <= -20 - 0.5 - (90 - 1) / 2:
            y = 0.0
        elif x > -20 - 0.5 + (90 - 1) / 2:
            y = 1.0
        else:
            y = (x - (-20 - 0.5)) / (90 - 1) + 0.5
        assert table[place] == pytest.approx(255 * (1 - y), abs=1e-4)

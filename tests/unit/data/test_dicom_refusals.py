"""Whatever is wrong with a DICOM file: refused in time and memory, or read right."""

import io
import os
import random

import numpy as np
import pytest
from data_pictures import encoded, film
from dicom_files import (
    LOSSLESS,
    NATIVE,
    SALT,
    compressed,
    dataset_of,
    deflated_bomb,
    dicom,
    file_of,
    film12,
    frame_of,
    lut,
    sequence_of,
    with_frame,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from xraygan.data import dicom as dicom_module
from xraygan.data.dicom import Refusal, read_dicom
from xraygan.data.headers import PassingRefusal
from xraygan.data.listing import is_left_out

WHOLE = {"WindowCenter": 2048, "WindowWidth": 4096}


def refusal(data: bytes) -> str:
    with pytest.raises(Refusal) as caught:
        read_dicom(data, SALT)
    reason = str(caught.value)
    assert "\n" not in reason
    assert len(reason) < 300
    return reason


# --- not a picture that is read --------------------------------------------------------------


def test_content_that_is_not_dicom() -> None:
    for content in (b"", b"x" * 500, encoded(film(0)), os.urandom(3000)):
        assert "not DICOM" in refusal(content)


def test_without_a_picture() -> None:
    assert "no PixelData" in refusal(dicom(film(0), PixelData=None))
    assert "no PixelData" in refusal(dicom(film(0))[:400])


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"Modality": "SR", "PixelData": None}, "modality SR"),
        ({"Modality": "PR", "PixelData": None, "Rows": None}, "modality PR"),
        ({"Modality": "US", "NumberOfFrames": 40}, "modality US"),
        ({"Modality": "CT", "BitsAllocated": 32}, "modality CT"),
        ({"BodyPartExamined": "KNEE", "PhotometricInterpretation": None}, "body part KNEE"),
    ],
)
def test_what_is_no_chest_film_is_left_out_before_it_is_decoded(tags: dict, why: str) -> None:
    reason = refusal(dicom(film(0), **tags))
    assert is_left_out(reason)
    assert reason.endswith(why)


def test_several_frames() -> None:
    frames = np.stack([film(0), film(1), film(2)])
    dataset = dataset_of(film(0), NumberOfFrames=3, PixelData=frames.tobytes())
    assert "3 frames" in refusal(file_of(dataset))


def test_other_photometric_interpretations_and_depths() -> None:
    palette = dicom(film(0), PhotometricInterpretation="PALETTE COLOR")
    assert "photometric interpretation" in refusal(palette)
    assert "photometric interpretation" in refusal(dicom(film(0), PhotometricInterpretation=None))
    assert "photometric interpretation" in refusal(dicom(film(0), SamplesPerPixel=3))
    assert "32 bits" in refusal(dicom(film(0).astype(np.uint32)))
    assert "1 bits" in refusal(dicom(film(0), BitsAllocated=1, BitsStored=1, HighBit=0))
    for bits, high in ((13, 8), (12, 16), (17, 16), (0, 0)):
        assert "bits" in refusal(dicom(film12(), BitsStored=bits, HighBit=high))


def test_no_contrast() -> None:
    assert "no contrast" in refusal(dicom(np.full((40, 40), 7, np.uint8)))
    assert "no contrast" in refusal(dicom(film12(), 12, WindowCenter=1e6, WindowWidth=10))
    padding = dicom(np.full((40, 40), 7, np.uint16), 12, PixelPaddingValue=7)
    assert "padding" in refusal(padding)


@pytest.mark.parametrize("last", [92, 93, 100, 102])
def test_transfer_syntaxes_without_a_decoder_are_named(last: int) -> None:
    syntax = UID(f"1.2.840.10008.1.2.4.{last}")
    expected = f"{syntax.name} pictures are not read; save it uncompressed"
    assert expected in refusal(with_frame(dataset_of(film(0)), syntax, b"\0" * 100))


def test_private_and_made_up_transfer_syntaxes() -> None:
    data = dicom(film(0))
    explicit = b"1.2.840.10008.1.2.1\0"
    assert data.count(explicit) == 1
    for uid in (b"1.2.840.113619.5.2", b"1.2.3.4711", b"1.2.840.10008.1.1", b"DOE^JOHN"):
        reason = refusal(data.replace(explicit, uid.ljust(len(explicit), b"\0")))
        assert "transfer syntax is not one" in reason
        assert uid.decode() not in reason


@pytest.mark.parametrize("syntax", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_missing_decoders_name_the_extra(syntax: UID, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import Decoder

    from xraygan.data.dicom_parsing import parse

    data = compressed(dataset_of(film12(), 12, **WHOLE), syntax)
    monkeypatch.setattr(Decoder, "available_plugins", ())
    with pytest.raises(PassingRefusal, match=r"pip install 'xraygan\[dicom\]'") as caught:
        parse({"salt": ""}, data)
    assert syntax.name in str(caught.value)


def test_missing_pydicom_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_module.importlib.util, "find_spec", lambda _: None)
    assert "pip install 'xraygan[dicom]'" in refusal(dicom(film(0)))


# --- lies --------------------------------------------------------------------------------------


_DISAGREE = ("bytes", "promise", "decoded", "crashed")


@pytest.mark.parametrize("name", [*NATIVE, *LOSSLESS])
@pytest.mark.parametrize("size", [(39, 56), (41, 56), (40, 55), (56, 40), (20, 112), (65535, 16)])
def test_lying_rows_and_columns(name: str, size: tuple[int, int]) -> None:
    dataset = dataset_of(film12(), 12, **WHOLE)
    if name in NATIVE:
        honest = file_of(dataset, NATIVE[name])
    else:
        honest = compressed(dataset, LOSSLESS[name])
    lying = dcmread(io.BytesIO(honest))
    lying.Rows, lying.Columns = size
    stream = io.BytesIO()
    lying.save_as(stream)
    if size[0] * size[1] == 40 * 56 and (name in NATIVE or name == "rle"):
        return  # nothing in the file tells
    assert any(word in refusal(stream.getvalue()) for word in _DISAGREE)


def test_gigantic_and_tiny_pictures_are_refused_from_the_tags() -> None:
    assert "megapixels" in refusal(dicom(film(0), Rows=60000, Columns=60000))
    assert "too small" in refusal(dicom(film(0), Rows=15))
    assert "too small" in refusal(dicom(film(0), Rows=0))
    assert "Rows" in refusal(dicom(film(0), Rows=None))


def test_a_gigantic_codestream_under_small_tags_is_not_decoded() -> None:
    data = compressed(dataset_of(film12(), 12, **WHOLE), JPEG2000Lossless)
    frame, put = frame_of(data)
    start = frame.index(b"\xff\x4f\xff\x51") + 8
    bomb = frame[:start] + (60000).to_bytes(4, "big") * 2 + frame[start + 8 :]
    assert "promise" in refusal(put(bomb))


def test_a_transfer_syntax_that_lies() -> None:
    data = dicom(film(0))
    explicit, rle_uid = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"
    assert data.count(explicit) == 1
    assert "transfer syntax says" in refusal(data.replace(explicit, rle_uid))
    rle = compressed(dataset_of(film(0)), RLELossless)
    assert "transfer syntax says" in refusal(rle.replace(rle_uid, explicit))


def test_one_codec_under_the_name_of_another() -> None:
    frame, _ = frame_of(compressed(dataset_of(film12(), 12), JPEGLSLossless))
    for syntax in (JPEG2000Lossless, RLELossless, JPEGLosslessSV1, JPEGBaseline8Bit):
        refusal(with_frame(dataset_of(film12(), 12), syntax, frame))


def test_lossy_jpeg_of_twelve_bits_has_no_decoder() -> None:
    frame, _ = frame_of(compressed(dataset_of(film(0)), JPEGBaseline8Bit))
    position = frame.index(b"\xff\xc0") + 4
    twelve = frame[:position] + b"\x0c" + frame[position + 1 :]
    for syntax in (JPEGBaseline8Bit, JPEGExtended12Bit):
        assert "12 bits" in refusal(with_frame(dataset_of(film(0)), syntax, twelve))


# --- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0.4, 0.7, 0.95, 0.999])
@pytest.mark.parametrize("name", [*NATIVE, *LOSSLESS])
def test_cut_files(name: str, part: float) -> None:
    dataset = dataset_of(film12(), 12, **WHOLE)
    if name in NATIVE:
        whole = file_of(dataset, NATIVE[name])
    else:
        whole = compressed(dataset, LOSSLESS[name])
    try:
        image, _ = read_dicom(whole[: int(len(whole) * part)], SALT)
    except Refusal:
        return
    # Only what follows the picture is missing.
    assert part > 0.99
    assert np.array_equal(image, read_dicom(whole, SALT)[0])


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["no end", "end put back"])
@pytest.mark.parametrize("name", [*LOSSLESS, "jpeg"])
def test_cut_codestreams_in_whole_files(name: str, end: bytes, part: float) -> None:
    if name == "jpeg":
        data = compressed(dataset_of(film(0)), JPEGBaseline8Bit)
    else:
        data = compressed(dataset_of(film12(), 12, **WHOLE), LOSSLESS[name])
    frame, put = frame_of(data)
    refusal(put(frame[: int(len(frame) * part)].rstrip(b"\xff") + end))


def test_transformations_that_make_no_sense() -> None:
    for tags in (
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"VOILUTFunction": "WAVES", **WHOLE},
        {"VOILUTSequence": lut(0, [], 12)},
        {"VOILUTSequence": lut(0, [1, 2, 3], 40)},
        {"ModalityLUTSequence": sequence_of(LUTDescriptor=[3, 0, 12])},
        {"RescaleSlope": 1e308, "RescaleIntercept": 0},
    ):
        assert "its" in refusal(dicom(film12(), 12, **tags))
    broken = dicom(film12(), 12, **WHOLE).replace(b"2048", b"20x8")
    assert "WindowCenter" in refusal(broken)


def test_nested_sequences_do_not_exhaust_the_stack() -> None:
    whole = dicom(film(0))
    start = whole.index(b"\x08\x00\x18\x00")
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    refusal(whole[:start] + opened * 50_000 + whole[start:])


def test_bombs_of_deflated_data_cost_little() -> None:
    assert "inflates" in refusal(deflated_bomb(400 * 2**20))
    garbage = file_of(dataset_of(film(0)), NATIVE["deflated"])
    assert "deflated" in refusal(garbage[:400] + b"\xff" * 100 + garbage[500:])


@pytest.mark.slow
def test_a_file_of_a_hundred_million_empty_elements_is_killed() -> None:
    whole = dicom(film(0))
    start = whole.index(b"\x08\x00\x18\x00")
    assert "more than" in refusal(whole[:start] + b"\x08\x00\x05\x00CS\0\0" * 40_000_000)


# --- mutations -----------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    tags = {"VOILUTSequence": lut(100, [0, 9, 99, 4095], 12), "PatientID": "4711"}
    small = film12(0, 32, 36)
    return [
        *(file_of(dataset_of(small, 12, **tags), syntax) for syntax in NATIVE.values()),
        *(compressed(dataset_of(small, 12, **WHOLE), syntax) for syntax in LOSSLESS.values()),
        compressed(dataset_of(film(0, 32, 36)), JPEGBaseline8Bit),
    ]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four bits, bytes, numbers, cuts or repeats; the header as often as the rest."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        end = len(content) if rng.random() < 0.5 else min(len(content), 900)
        place = rng.randrange(130, max(131, end))
        kind = rng.randrange(6)
        if kind == 0:
            content[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[place] = rng.randrange(256)
        elif kind == 2:
            content[place : place + 4] = rng.choice([0, 0xFFFF, 2**31, 2**32 - 1]).to_bytes(
                4, "little"
            )
        elif kind == 3:
            del content[place : place + rng.randint(1, 40)]
        elif kind == 4:
            content[place:place] = content[place : place + rng.randint(1, 40)]
        else:
            del content[max(140, place) :]
        if len(content) < 140:
            break
    return bytes(content)


def check_outcome(data: bytes) -> str:
    try:
        image, facts = read_dicom(data, SALT)
    except Refusal as refused:
        reason = str(refused)
        assert reason
        assert "\n" not in reason
        return reason
    assert image.dtype == np.float32
    assert image.ndim == 2
    assert image.min() >= 0
    assert image.max() <= 255
    assert "4711" not in repr(facts)
    return "image"


def run_mutations(count: int, seed: int) -> None:
    rng, files = random.Random(seed), seeds()
    outcomes = [check_outcome(mutated(rng, rng.choice(files))) for _ in range(count)]
    images = outcomes.count("image")
    assert 0 < images < count
    assert sum("crashed" in outcome for outcome in outcomes) < count / 20


def test_mutated_files() -> None:
    run_mutations(300, seed=5)


@pytest.mark.slow
def test_many_mutated_files() -> None:
    run_mutations(6000, seed=2)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_behind_a_header(content: bytes, implicit: bool) -> None:
    meta = dicom(film(0))
    start = 144 + int.from_bytes(meta[140:144], "little")
    check_outcome(meta[:start] + content)
    check_outcome(bytes(128) + b"DICM" + content)

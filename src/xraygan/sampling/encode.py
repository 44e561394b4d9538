"""Synthetic images as files, each saying in itself that it is synthetic and where it came from.

Files are functions of their images: no date, no user and no machine is written into any.
"""

import html
import io
import json
import struct
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from xraygan.sampling.request import as_text
from xraygan.version import __version__

PNG_LEVEL = 3
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmp:CreatorTool="{software}">
   <Iptc4xmpExt:DigitalSourceType
    rdf:resource="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
   <dc:description>
    <rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
NOTICE = (
    "Synthetic chest X-ray made by a GAN. Not for diagnosis. Synthetic alone is not anonymous: see "
    "the audit of the set."
)


@dataclass(frozen=True, eq=False)
class Picture:
    """One synthetic image and where it came from.

    Attributes:
        pixels: uint8 or uint16 [R, R].
        class_name: its class.
        label: the class's number.
        seed: of the latents.
        index: which image of that seed.
        psi: truncation.
        model_sha256: hash of the weights that made it.
        name: of its file without folder and suffix.
        folder: of its class.
    """

    pixels: NDArray
    class_name: str
    label: int
    seed: int
    index: int
    psi: float
    model_sha256: str
    name: str
    folder: str

    @property
    def facts(self) -> dict[str, str]:
        """What is written into the file."""
        return marked(
            {
                "Class": self.class_name,
                "Seed": str(self.seed),
                "Index": str(self.index),
                "Psi": as_text(self.psi),
                "Model-SHA256": self.model_sha256,
            }
        )


def marked(origin: Mapping[str, str]) -> dict[str, str]:
    """What a file says: that it is synthetic, and where it came from."""
    software = f"xraygan {__version__}"
    return {"Synthetic": "yes", "Description": NOTICE, "Software": software, **origin}


def png(picture: Picture, level: int = PNG_LEVEL) -> bytes:
    """A grey PNG of 8 or 16 bits with its facts in text chunks."""
    return png_of(picture.pixels, picture.facts, level)


def png_of(pixels: NDArray, facts: Mapping[str, str], level: int = PNG_LEVEL) -> bytes:
    """`png` of pixels and facts that are no picture's own."""
    info = PngImagePlugin.PngInfo()
    for key, value in facts.items():
        info.add_itxt(key, value) if not value.isascii() else info.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info, compress_level=level)
    return buffer.getvalue()


def npz(pictures: Sequence[Picture], classes: Sequence[str]) -> bytes:
    """Arrays under MedMNIST's names, so that what reads MedMNIST reads them.

    `train_images` [N, R, R], `train_labels` [N, 1], `classes` [K], `seeds`, `indices` and
    `psi` [N], `model_sha256` and `notice`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        train_images=np.stack([picture.pixels for picture in pictures]),
        train_labels=np.array([[picture.label] for picture in pictures], np.int32),
        classes=np.array(classes),
        seeds=np.array([picture.seed for picture in pictures], np.int64),
        indices=np.array([picture.index for picture in pictures], np.int64),
        psi=np.array([picture.psi for picture in pictures], np.float64),
        model_sha256=np.array(pictures[0].model_sha256),
        notice=np.array(NOTICE),
    )
    return buffer.getvalue()


def webdataset(samples: Iterable[tuple[Picture, bytes]]) -> bytes:
    """A tar of `CLASS/NAME.png`, `.cls` (the class's number) and `.json` (facts).

    Args:
        samples: pictures with their PNGs.

    Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for picture, image in samples:
            stem = f"{picture.folder}/{picture.name}"
            _add(archive, f"{stem}.cls", str(picture.label).encode())
            facts = json.dumps(picture.facts, ensure_ascii=False)
            _add(archive, f"{stem}.json", facts.encode())
            _add(archive, f"{stem}.png", image)
    return buffer.getvalue()


def as_lines(facts: Mapping[str, str]) -> str:
    """Facts as one text, where a file has room for no more."""
    return "\n".join(f"{key}: {value}" for key, value in facts.items())


def mp4_mark(facts: Mapping[str, str]) -> bytes:
    """A box to append to an MP4 file: its facts in XMP, and that a trained algorithm made it.

    Source: Adobe, XMP Specification Part 3, section 2.2.6 (MPEG-4); IPTC Photo Metadata Standard
    2023.2, Digital Source Type.
    """
    description = html.escape(as_lines(facts), quote=False)
    packet = _XMP.format(description=description, software=facts["Software"]).encode()
    return struct.pack(">I4s", 24 + len(packet), b"uuid") + _XMP_BOX + packet


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))

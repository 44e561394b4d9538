import io
import stat
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_pictures import encoded, film, folder_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from source_trees import classes, listed, one, why

from xraygan.config import DataSettings
from xraygan.data import hashes
from xraygan.data.archives import archive_tree
from xraygan.data.cache import prepare
from xraygan.data.headers import Refusal
from xraygan.errors import XrayganError

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
SMALL = DataSettings(resolution=32)


def packed(folder: Path, archive: Path) -> Path:
    """A folder as an archive; members in no order of names."""
    names = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.name[::-1])
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in names:
                file.write(path, path.relative_to(folder.parent))
    else:
        mode = next(m for suffix, m in TARS.items() if archive.name.endswith(suffix))
        with tarfile.open(archive, mode) as file:
            for path in names:
                file.add(path, path.relative_to(folder.parent))
    return archive


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        warnings.simplefilter("ignore")  # two members of one name are what is tested
        for name, data in members:
            file.writestr(name, data)
    return path


def tarred(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            file.addfile(info, io.BytesIO(data))
    return path


PICTURE = encoded(film(0))


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_an_archive_is_read_as_the_folder_is(tmp_path: Path, suffix: str) -> None:
    source = folder_tree(tmp_path / "data", {"train/A": 5, "train/B": 5, "test/A": 2})
    folder = prepare(source, SMALL, tmp_path / "cache")
    archive = packed(source, tmp_path / f"set{suffix}")
    dataset = prepare(archive, SMALL, tmp_path / "cache")
    assert np.array_equal(dataset.images, folder.images)
    columns = ["split", "label", "patient", "sha256", "pixel_sha256"]
    assert dataset.manifest[columns].equals(folder.manifest[columns])
    # Nothing but the caches and what was made above.
    assert {path.name for path in tmp_path.iterdir()} == {"data", "cache", archive.name}
    assert not list((tmp_path / "cache").rglob("*.png"))


def test_second_start_reads_no_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(folder_tree(tmp_path / "d", {"A": 4, "B": 4}), tmp_path / "set.zip")
    monkeypatch.setattr(hashes, "_SETTLED_NS", 0)
    first = prepare(archive, SMALL, tmp_path / "cache")
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    assert prepare(archive, SMALL, tmp_path / "cache").fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "name", ["../a.png", "A/../../a.png", "/etc/a.png", "C:/a.png", "A\\..\\..\\a.png", "C:\\a.png"]
)
def test_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    members = [("A/good.png", PICTURE), (name, PICTURE)]
    with pytest.raises(XrayganError, match=r"set\.zip: holds a path that leads out of it"):
        listed(zipped(tmp_path / "set.zip", list(members)))
    tar = tarred(tmp_path / "set.tgz", [(tarfile.TarInfo(n), data) for n, data in members])
    with pytest.raises(XrayganError, match=r"set\.tgz: holds a path that leads out of it"):
        listed(tar)


def test_links_devices_duplicates_and_encrypted(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("A/link.png")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = [("A/a.png", PICTURE), ("A/twice.png", PICTURE), ("A/twice.png", encoded(film(1)))]
    archive = zipped(tmp_path / "set.zip", [*members, (link, b"/etc/passwd")])
    listing = listed(archive)
    assert classes(listing) == {"a.png": "A"}
    assert why(listing) == {
        "twice.png": "the archive holds several files of this name",
        "link.png": "a link or a device in the archive",
    }
    kinds = {"soft.png": tarfile.SYMTYPE, "hard.png": tarfile.LNKTYPE, "fifo.png": tarfile.FIFOTYPE}
    infos = [(tarfile.TarInfo("A/a.png"), PICTURE)]
    for name, kind in kinds.items():
        info = tarfile.TarInfo(f"A/{name}")
        info.type, info.linkname = kind, "../../etc/passwd"
        infos.append((info, b""))
    listing = listed(tarred(tmp_path / "set.tar.gz", infos))
    assert classes(listing) == {"a.png": "A"}
    assert why(listing) == dict.fromkeys(kinds, "a link or a device in the archive")
    raw = bytearray(zipped(archive, [("A/a.png", PICTURE), ("A/b.png", PICTURE)]).read_bytes())
    for at in (raw.find(b"PK\x03\x04") + 6, raw.find(b"PK\x01\x02") + 8):
        raw[at] |= 1
    archive.write_bytes(raw)
    assert why(listed(archive)) == {"a.png": "encrypted in the archive"}


def test_bombs(tmp_path: Path) -> None:
    zeros = b"\0" * (80 * 2**20)
    members = [("A/a.png", PICTURE), ("A/bomb.png", zeros)]
    with pytest.raises(XrayganError, match=r"set\.zip: unpacks to more than 200 times"):
        listed(zipped(tmp_path / "set.zip", list(members)))
    tar = tarred(tmp_path / "set.tgz", [(tarfile.TarInfo(n), data) for n, data in members])
    with pytest.raises(XrayganError, match=r"set\.tgz: unpacks to more than 200 times"):
        listed(tar)


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", [("A/a.png", PICTURE), ("A/b.png", encoded(film(3)))])
    raw = bytearray(archive.read_bytes())
    directory = raw.find(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = (50).to_bytes(4, "little")
    archive.write_bytes(raw)
    listing = listed(archive)
    with pytest.raises(Refusal, match="damaged in the archive") as caught:
        one(listing, "a.png").place.read()
    # A member's name may be a patient's, and reasons are published.
    assert "a.png" not in str(caught.value)
    assert one(listing, "b.png").place.read() == encoded(film(3))


def test_cut_archives(tmp_path: Path) -> None:
    source = folder_tree(tmp_path / "data", {"A": 6, "B": 6})
    for suffix in (".zip", ".tar.gz", ".tar"):
        archive = packed(source, tmp_path / f"set{suffix}")
        whole = archive.read_bytes()
        archive.write_bytes(whole[: len(whole) // 2])
        try:
            dataset = prepare(archive, SMALL, tmp_path / "cache")
        except XrayganError as error:
            assert archive.name in str(error)
            continue
        assert suffix == ".tar"
        assert 0 < len(dataset.images) < 12
    empty = tmp_path / "empty.zip"
    empty.write_bytes(b"")
    with pytest.raises(XrayganError, match=r"empty\.zip: cannot be read"):
        listed(empty)


def test_a_name_that_is_not_what_it_says(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "set.zip", [("A/ä.png", PICTURE)])
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(XrayganError, match=r"set\.zip: cannot be read.*utf-8"):
        listed(archive)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("seeds")
    source = folder_tree(root / "data", {"A": 2, "B": 1})
    return {s: packed(source, root / f"set{s}").read_bytes() for s in (".zip", ".tar", ".tar.gz")}


@given(data=st.data())
@settings(max_examples=120, deadline=2000)
def test_any_damage_is_read_or_refused(
    data: st.DataObject, seeds: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    suffix = data.draw(st.sampled_from(sorted(seeds)))
    raw = bytearray(seeds[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(raw)
    try:
        for entry in archive_tree(path).files:
            entry.place.read()
    except (XrayganError, Refusal) as refusal:
        assert str(refusal)


def test_ways_of_packing_that_have_no_bound_are_not_read(tmp_path: Path) -> None:
    """Python unpacks a whole bzip2 or LZMA member at once, whatever size it says it has."""
    path = zipped(tmp_path / "a.zip", [("A/a.png", PICTURE), ("A/b.png", PICTURE)])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as file:
        file.writestr("A/c.png", PICTURE)
    listing = listed(path)
    assert len(listing.files) == 2
    assert why(listing) == {"c.png": "packed by a method that is not read; use deflate"}


def test_a_name_that_would_fill_the_memory(tmp_path: Path) -> None:
    empty, header = tarfile.TarInfo("A/a.png"), tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**33
    path = tmp_path / "a.tar"
    path.write_bytes(empty.tobuf() + header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(XrayganError, match="name or notes are larger than 1 MiB"):
        archive_tree(path)


def test_long_names_are_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo(f"A/{'n' * 150}.png")
    [entry] = archive_tree(tarred(tmp_path / "a.tar.gz", [(info, PICTURE)])).files
    assert entry.place.read() == PICTURE

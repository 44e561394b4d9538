"""Damaged files of every format: each is read rightly or refused by name.

    python tests/fuzz/fuzz.py --inputs 20000

Bits flipped, cut short, slices taken out, doubled or overwritten, numbers made huge, text
disturbed; and headers, sizes and tags that lie under right checksums. Every input goes through
`prepare` in a process that may be killed. Found is: an exception that is no refusal, a process
that dies, more than five seconds of a processor, more than 2 GiB, and, where a format checks its
bytes, an image that is not the one that was there. What is found is kept in a folder, with the
seed that makes it again.
"""

import argparse
import collections
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lies import LIES
from sources import Source, sources

SECONDS = 5.0
"""Processor time that an input may take."""
CLOCK_SECONDS = 60.0
"""By the clock a busy machine must not find what an idle one does not."""
MIB = 2048
WORKER = Path(__file__).with_name("worker.py")

Random = np.random.Generator


@dataclass(frozen=True)
class Finding:
    """An input that did not end as it should.

    Attributes:
        source: name of the format.
        number: of the input: `--first NUMBER --inputs 1` makes it again.
        what: how it ended.
        said: the last of what was said.
    """

    source: str
    number: int
    what: str
    said: str


def flip(data: bytes, random: Random) -> bytes:
    found = bytearray(data)
    for _ in range(int(random.integers(1, 9))):
        found[random.integers(len(found))] ^= 1 << int(random.integers(8))
    return bytes(found)


def cut(data: bytes, random: Random) -> bytes:
    return data[: random.integers(len(data))]


def overwrite(data: bytes, random: Random) -> bytes:
    """A number in the first half made zero, huge or negative."""
    value = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80")
    start = int(random.integers(max(1, len(data) // 2)))
    return data[:start] + value[random.integers(len(value))] + data[start + 4 :]


def take_out(data: bytes, random: Random) -> bytes:
    start, end = sorted(random.integers(len(data), size=2).tolist())
    return data[:start] + data[min(end, start + 64) :]


def double(data: bytes, random: Random) -> bytes:
    start, end = sorted(random.integers(len(data), size=2).tolist())
    return data[:end] + data[start:end] * int(random.integers(1, 4)) + data[end:]


def noise(data: bytes, random: Random) -> bytes:
    start = int(random.integers(len(data)))
    return data[:start] + random.bytes(int(random.integers(1, 200))) + data[start:]


def words(data: bytes, random: Random) -> bytes:
    """Signs that mean something to a parser."""
    sign = (b'"', b",", b"\n", b"\r", b"\0", b"\xef\xbb\xbf", b"../", b"=cmd", b"9" * 400, b"|")
    found = data
    for _ in range(int(random.integers(1, 6))):
        start = int(random.integers(len(found) + 1))
        found = found[:start] + sign[random.integers(len(sign))] + found[start:]
    return found


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(flip, cut, overwrite, take_out, double, noise, words),
)


class Reader:
    """A worker process, started anew where it died or was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, job: dict) -> tuple[str, str, list[str], int]:
        """How the source ended: "read", "refused", "crashed", "died" or "hung"."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], CLOCK_SECONDS)
        line = process.stdout.readline() if ready else ""
        if not line:
            what = "died" if ready else "hung"
            self.close()
            return what, f"exit code {process.returncode}", [], 0
        outcome, said, images, peak, seconds = json.loads(line)
        if seconds > SECONDS:
            outcome, said = "hung", f"{seconds:.1f} s of processor time"
        return outcome, said, images, peak

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def fuzz(
    inputs: int,
    first: int = 0,
    keep: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Finding], dict[str, collections.Counter]]:
    """Damage and read; the findings, and how the inputs of each source ended."""
    kinds, reader = sources(), Reader()
    whole = {source.name: _read_whole(reader, source) for source in kinds}
    findings: list[Finding] = []
    ends: dict[str, collections.Counter] = {source.name: collections.Counter() for source in kinds}
    for number in range(first, first + inputs):
        source = kinds[number % len(kinds)]
        random = np.random.default_rng(number)
        lie = random.integers(3) == 0
        damage = LIES[source.name] if lie else DAMAGES[random.integers(len(DAMAGES))]
        damaged = damage(source.files[source.target], random)
        outcome, said, images, peak = _read(reader, source, damaged)
        exact = source.exact and not lie
        if outcome == "read" and exact and not set(images) <= whole[source.name]:
            outcome = "wrong image"
        if peak > MIB:
            outcome, said = "memory", f"{peak} MiB"
            reader.close()
        if outcome not in ("read", "refused") or "\n" in said:
            findings.append(Finding(source.name, number, outcome, said[-2000:]))
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{number}-{Path(source.target).name}").write_bytes(damaged)
        ends[source.name][outcome] += 1
        if progress:
            progress(number - first + 1)
    reader.close()
    return findings, ends


def _read_whole(reader: Reader, source: Source) -> set[str]:
    outcome, said, images, _ = _read(reader, source, source.files[source.target])
    # TIFF is not read yet, and DICOM's folders are left to their own tests.
    assert outcome == "read" or source.name == "TIFF", (source.name, outcome, said)
    return set(images)


def _read(reader: Reader, source: Source, content: bytes) -> tuple[str, str, list[str], int]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "source"
        for name, data in (source.files | {source.target: content}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        job = {
            "source": str(root / source.root),
            "cache": str(Path(folder) / "cache"),
            "settings": source.settings,
        }
        return reader.read(job)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--keep", type=Path, help="folder for inputs that were found")
    arguments = parser.parse_args()

    def told(done: int) -> None:
        if done % 500 == 0:
            print(f"{done:,} of {arguments.inputs:,}", file=sys.stderr, flush=True)

    findings, ends = fuzz(arguments.inputs, arguments.first, arguments.keep, told)
    print("| format | read | refused | found |\n|---|---|---|---|")
    for name, counts in ends.items():
        found = sum(counts.values()) - counts["read"] - counts["refused"]
        print(f"| {name} | {counts['read']} | {counts['refused']} | {found} |")
    for finding in findings:
        print(f"\n{finding.source}, input {finding.number}: {finding.what}\n{finding.said}")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()

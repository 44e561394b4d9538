"""Keys in place of patients: equal where the patient is, and nothing to anybody without a salt."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from xraygan.data import store
from xraygan.runs import refusing_disk_faults, write_whole

SALT = "salt"
_BYTES = 32
_UNKNOWN = "unknown-"
_OF_UNKNOWN = re.compile(rf"{_UNKNOWN}[0-9a-f]{{16}}")


def read_salt(cache_dir: Path) -> bytes:
    """The cache's secret, made on first use; whoever has it can try out patients' names.

    Raises:
        XrayganError: it cannot be written.
    """
    path = cache_dir / SALT
    if salt := _stored(path):
        return salt
    with refusing_disk_faults(path), store.lock_of(path):
        # Another first start may have been faster.
        salt = _stored(path)
        if not salt:
            salt = secrets.token_bytes(_BYTES)
            write_whole(path, salt)
            path.chmod(0o600)
    return salt


def _stored(path: Path) -> bytes:
    """The secret in a file; nothing where there is no whole one."""
    try:
        salt = path.read_bytes()
    except OSError:
        return b""
    return salt if len(salt) == _BYTES else b""


def pseudonym(salt: bytes, text: str) -> str:
    """Sixteen hexadecimal figures for a patient or a file.

    Source: HMAC-SHA-256, RFC 2104, truncated to 64 bits.
    """
    data = text.encode("utf-8", "surrogateescape")
    return hmac.new(salt, data, hashlib.sha256).hexdigest()[:16]


def pseudonym_of_unknown(salt: bytes, film: str) -> str:
    """The key of a film that tells no patient: one of its own, by which it is known as such."""
    return _UNKNOWN + pseudonym(salt, film)


def is_of_unknown(key: str) -> bool:
    """Whether a patient's key is a `pseudonym_of_unknown`."""
    return _OF_UNKNOWN.fullmatch(key) is not None

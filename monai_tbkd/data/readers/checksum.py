"""Read a packed stream to its end, where its checksum is: what stops at the last pixel never learns of damage."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from monai_tbkd.data.readers.film_limits import FilmLimits
from monai_tbkd.data.reason_codes import FilmError, ReasonCode

_CHUNK = 2**20


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes, none at the end."""


def read_to_end(path: Path, stream: Readable, limits: FilmLimits) -> int:
    """Read on, and let the stream itself raise where its checksum is wrong or its end missing.

    Args:
        path: the film, for the message.
        stream: for example of `gzip.open`; read from where it stands.
        limits: since a small file may unpack to any size.

    Returns:
        How many bytes came.

    Raises:
        FilmError: TOO_LARGE, there are more bytes than the largest film has.
        OSError: damage, as the stream names it (EOFError and zlib.error likewise).
    """
    length, most = 0, limits.max_bytes
    while chunk := stream.read(_CHUNK):
        length += len(chunk)
        if length > most:
            raise FilmError(ReasonCode.TOO_LARGE, path, f"unpacks to more than {most} bytes; send the film unpacked")
    return length

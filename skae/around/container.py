"""Bytes with a header, parts and a checksum."""

import json
import struct
import zlib

MAGIC, VERSION = b"SKAEC", 1
HEAD = struct.Struct("<5sBI")
SIZE = struct.Struct("<I")


class DamagedBytes(ValueError):
    """The bytes are none of ours, were cut off, or were changed."""


class WrongModel(ValueError):
    """The bytes are of another model."""

    def __init__(self, theirs, ours):
        super().__init__(
            f"The bytes were made by the compressor with the fingerprint {theirs}, but this one "
            f"has {ours}: decompress with the one that compressed."
        )


def check_fingerprint(theirs, ours):
    """Whether bytes are of this model."""
    if theirs != ours:
        raise WrongModel(theirs, ours)


def join(header, parts):
    """A header of plain values and parts of bytes, as one."""
    header = header | {"sizes": [len(part) for part in parts]}
    text = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    body = HEAD.pack(MAGIC, VERSION, len(text)) + text + b"".join(parts)
    return body + SIZE.pack(zlib.crc32(body))


def split(content):
    """The header and the parts."""
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"content must be bytes, as compress gives them, got {content!r}.")
    content = bytes(content)
    if content[: len(MAGIC)] != MAGIC or len(content) < HEAD.size + SIZE.size:
        raise DamagedBytes("The bytes were not made by AutoencoderCompressor.compress.")
    body, checksum = content[: -SIZE.size], content[-SIZE.size :]
    _, version, n_text = HEAD.unpack_from(body)
    if version > VERSION:
        raise DamagedBytes(
            f"The bytes are of version {version} of the format, of which this skae knows "
            f"{VERSION}: upgrade skae."
        )
    if SIZE.unpack(checksum)[0] != zlib.crc32(body):
        raise DamagedBytes("The bytes are damaged: they were cut off or changed.")
    try:
        place = HEAD.size + n_text
        header = json.loads(zlib.decompressobj().decompress(body[HEAD.size : place], 2**26))
        sizes = header.pop("sizes")
    except (KeyError, ValueError, zlib.error) as error:
        raise DamagedBytes(f"The bytes are damaged: {error}") from error
    if place + sum(sizes) != len(body):
        raise DamagedBytes("The bytes are damaged: their parts have other sizes.")
    parts = []
    for size in sizes:
        parts.append(body[place : place + size])
        place += size
    return header, parts

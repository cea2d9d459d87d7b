"""The file: a zip of a header, JSON and arrays, whose sizes and checksums the header states."""

import hashlib
import json
import os
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager

from .._version import __version__

FORMAT, VERSION = "skae", 1
HEADER, MODEL, ARRAYS = "header.json", "model.json", "arrays.safetensors"
# What is read into memory of the first two, in bytes, and how far JSON may have been compressed.
# Arrays are not compressed, so that they are as large as the file at most.
LARGEST = {HEADER: 2**16, MODEL: 2**27}
LARGEST_RATIO, SMALL = 200, 2**20
# What zipfile and zlib raise for bytes that are no zip.
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
)
EPOCH = (1980, 1, 1, 0, 0, 0)


class NewerFile(ValueError):
    """A file is of a format that only later versions of skae read."""


class DamagedFile(ValueError):
    """A file is not as skae has written it."""

    def __init__(self, reason):
        super().__init__(
            f"This is no file that skae has written, or it is damaged: {reason}. Get it anew from "
            "where it was saved."
        )


def tensor_format():
    """The module that writes arrays, or an error that says how to install it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "Files of skae hold their arrays by the package safetensors, which is not installed: "
            "pip install 'skae[persistence]'."
        ) from error
    return safetensors


def write(path, kind, model, arrays):
    """A file of a model, as JSON and arrays, of which ``kind`` says what it is of."""
    members = {
        MODEL: json.dumps(model, allow_nan=False, separators=(",", ":")).encode(),
        ARRAYS: tensor_format().numpy.save(arrays),
    }
    if len(members[MODEL]) > LARGEST[MODEL]:
        raise ValueError(
            f"What is not an array of numbers takes {len(members[MODEL])} bytes, but a file may "
            f"have {LARGEST[MODEL]}: are there columns with a category for each row?"
        )
    header = {
        "format": FORMAT,
        "version": VERSION,
        "skae": __version__,
        "class": kind,
        "members": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
    }
    members = {HEADER: json.dumps(header, indent=1).encode(), **members}
    with whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            how = zipfile.ZIP_DEFLATED if ratio_is_allowed(name, content) else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, how)


def ratio_is_allowed(name, content):
    """Whether a member may be compressed."""
    if name == ARRAYS:
        return False
    return len(content) <= SMALL or len(content) <= LARGEST_RATIO * len(zlib.compress(content))


@contextmanager
def whole(path):
    """A file object to write to; a file of this name is there when all is written, not before."""
    if hasattr(path, "write"):
        yield path
        return
    path = os.fspath(path)
    file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it is renamed, not deleted
        dir=os.path.dirname(os.path.abspath(path)), suffix=".part", delete=False
    )
    try:
        with file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(file.name, 0o666 & ~umask)  # temporary files are for their owner alone
        os.replace(file.name, path)
    except BaseException:
        os.unlink(file.name)
        raise


def read(path):
    """What the file is of, its JSON and its arrays.

    Raises
    ------
    ValueError
        If it is not a file of skae, is of a newer format, or is not as it was written.
    """
    safetensors = tensor_format()
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = checked_infos(archive)
                header = as_json(content_of(archive, infos[HEADER]))
                check_version(header)
                members = {
                    name: checked_content(archive, infos[name], header["members"][name])
                    for name in (MODEL, ARRAYS)
                }
        except (DamagedFile, NewerFile):
            raise
        except KeyError as error:
            raise DamagedFile(f"its header has no {error}") from error
        except (*DAMAGES, TypeError, AttributeError) as error:
            raise DamagedFile(str(error) or type(error).__name__) from error
    model = as_json(members[MODEL])
    try:
        arrays = safetensors.numpy.load(members[ARRAYS])
    except (safetensors.SafetensorError, *DAMAGES, KeyError, TypeError) as error:
        raise DamagedFile(f"its arrays: {error}") from error
    return header["class"], model, {name: array.copy() for name, array in arrays.items()}


@contextmanager
def opened(path):
    """The file, be it given by a path or open already."""
    if hasattr(path, "read"):
        yield path
    else:
        with open(path, "rb") as file:
            yield file


def checked_infos(archive):
    """The entries of the three members, of which there may be no others."""
    infos = archive.infolist()
    if sorted(info.filename for info in infos) != sorted((HEADER, MODEL, ARRAYS)):
        raise DamagedFile(
            f"it holds {[info.filename for info in infos][:5]}, not {[HEADER, MODEL, ARRAYS]} "
            "once each"
        )
    infos = {info.filename: info for info in infos}
    for name, limit in LARGEST.items():
        info = infos[name]
        ratio = info.file_size / max(1, info.compress_size)
        if info.file_size > limit or (ratio > LARGEST_RATIO and info.file_size > SMALL):
            raise DamagedFile(f"{name} would take {info.file_size} bytes, more than is allowed")
    if infos[ARRAYS].compress_type != zipfile.ZIP_STORED:
        raise DamagedFile(f"{ARRAYS} is compressed")
    return infos


def content_of(archive, info):
    """The bytes of a member, and no more than are stated."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DamagedFile(f"{info.filename} is compressed in a way that skae does not use")
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise DamagedFile(f"{info.filename} is not of the size that is stated")
    return content


def checked_content(archive, info, stated):
    """The bytes of a member, if they are those of which the header has size and checksum."""
    if info.file_size != stated["size"]:
        raise DamagedFile(f"{info.filename} is not of the size that the header states")
    content = content_of(archive, info)
    if hashlib.sha256(content).hexdigest() != stated["sha256"]:
        raise DamagedFile(f"{info.filename} does not have the checksum that the header states")
    return content


def as_json(content):
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"its JSON: {error}") from error


def check_version(header):
    """Whether this version of skae reads the file."""
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DamagedFile("its header says nothing of skae")
    version = header["version"]
    if type(version) is not int or version < 1:
        raise DamagedFile(f"{version!r} is no version of the format")
    if version > VERSION:
        raise NewerFile(
            f"The file is of version {version} of the format, written by skae {header['skae']}, "
            f"but skae {__version__} reads versions up to {VERSION}: install a newer skae."
        )

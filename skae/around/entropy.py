"""Whole numbers to few bytes: tokens by their frequencies, and coders of single columns."""

import lzma
import zlib

import numpy as np

SMALL, N_EXPONENTS, MANTISSA = 16, 44, 3
# A magnitude below SMALL is a token of its own; of larger ones, the token has the exponent and
# the first bits that follow, and the others are written as they are.
N_MAGNITUDES = SMALL + (N_EXPONENTS - 4) * 2**MANTISSA
N_TOKENS = 2 * N_MAGNITUDES
LARGEST = 2**N_EXPONENTS - 1
SMOOTHING = 0.05


def coder():
    """The library of entropy coding."""
    try:
        import constriction
    except ImportError as error:
        raise ImportError(
            "AutoencoderCompressor needs constriction: pip install 'skae[compression]'."
        ) from error
    return constriction.stream


def tokens_of(numbers):
    """Tokens of whole numbers, how many bits follow each, and these bits as a number."""
    magnitude = np.abs(numbers)
    exponent = np.frexp(magnitude.astype(np.float64))[1] - 1
    n_bits = np.where(magnitude < SMALL, 0, exponent - MANTISSA)
    head = magnitude >> n_bits
    large = SMALL + (exponent - 4) * 2**MANTISSA + head - 2**MANTISSA
    token = 2 * np.where(magnitude < SMALL, magnitude, large) + (numbers < 0)
    return token.astype(np.int32), n_bits, magnitude - (head << n_bits)


def bits_after(tokens):
    """How many bits follow each token."""
    return np.maximum((tokens // 2 - SMALL) // 2**MANTISSA + 1, 0)


def numbers_of(tokens, rest):
    """The whole numbers of tokens and the bits that followed."""
    magnitude = (tokens // 2).astype(np.int64)
    head = 2**MANTISSA + (magnitude - SMALL) % 2**MANTISSA
    large = (head << bits_after(tokens)) + rest
    magnitude = np.where(magnitude < SMALL, magnitude, large)
    return np.where(tokens % 2 == 1, -magnitude, magnitude)


def counts_of(tokens):
    return np.bincount(tokens, minlength=N_TOKENS)


def n_bits_of(tokens, n_bits, counts):
    """Bits that tokens and what follows them take, with the frequencies of these counts."""
    p = (counts + SMOOTHING) / (counts + SMOOTHING).sum()
    return float(-np.log2(p[tokens]).sum() + n_bits.sum())


class Writer:
    """Columns of tokens into one stream, and the bits that follow them into another."""

    def __init__(self):
        self._stream = coder()
        self._coder, self._bits = self._stream.queue.RangeEncoder(), []

    def write(self, tokens, n_bits, rest, counts):
        self._coder.encode(tokens, frequencies(counts, self._stream))
        places = np.arange(N_EXPONENTS)
        bits = (rest[:, None] >> places) & 1
        self._bits.append(bits[places < n_bits[:, None]].astype(np.uint8))

    def finish(self):
        words = self._coder.get_compressed().astype("<u4").tobytes()
        bits = np.concatenate([np.empty(0, np.uint8), *self._bits])
        return words, np.packbits(bits).tobytes()


class Reader:
    """What `Writer` wrote, in the same order."""

    def __init__(self, words, bits):
        self._stream = coder()
        words = np.frombuffer(words, "<u4").astype(np.uint32)
        self._coder = self._stream.queue.RangeDecoder(words)
        self._bits, self._place = np.unpackbits(np.frombuffer(bits, np.uint8)), 0

    def read(self, n, counts):
        tokens = np.asarray(self._coder.decode(frequencies(counts, self._stream), n))
        n_bits = bits_after(tokens)
        places = np.arange(N_EXPONENTS)
        mask = places < n_bits[:, None]
        end = self._place + int(n_bits.sum())
        if end > len(self._bits):
            raise ValueError("The bytes are damaged: they end too early.")
        bits = np.zeros(mask.shape, np.int64)
        bits[mask] = self._bits[self._place : end]
        self._place = end
        return numbers_of(tokens, (bits << places).sum(axis=1))


def frequencies(counts, stream):
    weights = np.asarray(counts, np.float64) + SMOOTHING
    return stream.model.Categorical((weights / weights.sum()).astype(np.float32), perfect=False)


# -- single columns without a model ----------------------------------------------------------------


def shuffled(column):
    """The first bytes of all entries, then the second ones, and so on."""
    return column.view(np.uint8).reshape(len(column), -1).T.tobytes()


def pack(column):
    """A column by the coder that makes it smallest; the first byte says which."""
    column = np.ascontiguousarray(column)
    flat = shuffled(column)
    found = [b"x" + lzma.compress(flat, lzma.FORMAT_RAW, filters=LZMA), b"z" + zlib.compress(flat)]
    try:
        import zstandard

        found.append(b"s" + zstandard.ZstdCompressor(level=19).compress(flat))
    except ImportError:
        pass
    try:
        from pcodec import ChunkConfig, standalone

        if column.dtype.kind in "iuf" and column.dtype.itemsize > 1:
            found.append(b"p" + standalone.simple_compress(column, ChunkConfig()))
    except ImportError:
        pass
    narrow = NARROWER.get(column.dtype.str[-2:])
    if narrow and len(column):
        limits = np.iinfo(narrow)
        if column.min() >= limits.min and column.max() <= limits.max:
            found.append(b"n" + pack(column.astype(narrow)))
    return min(found, key=len)


NARROWER = {"i8": np.int32, "i4": np.int16}
LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 2**20}]


def unpack(content, dtype, n):
    """The column that `pack` packed, of n entries; no more memory is taken than they need."""
    how, content, dtype = content[:1], content[1:], np.dtype(dtype)
    if how == b"n" and dtype.str[-2:] in NARROWER:
        return unpack(content, NARROWER[dtype.str[-2:]], n).astype(dtype)
    size = n * dtype.itemsize
    if how == b"p":
        from pcodec import standalone

        column = np.empty(n, dtype)
        progress = standalone.simple_decompress_into(content, column)
        if progress.n_processed != n or not progress.finished:
            raise ValueError("The bytes are damaged: a column has another length.")
        return column
    if how == b"s":
        import zstandard

        flat = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    elif how == b"x":
        flat = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=LZMA).decompress(content, size + 1)
    elif how == b"z":
        flat = zlib.decompressobj().decompress(content, size + 1)
    else:
        raise ValueError(f"The bytes are damaged: no coder has the mark {how!r}.")
    if len(flat) != size:
        raise ValueError("The bytes are damaged: a column has another length.")
    return np.frombuffer(flat, np.uint8).reshape(-1, n).T.copy().view(dtype).reshape(n)

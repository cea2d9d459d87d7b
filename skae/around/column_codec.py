"""Columns by the model or by themselves, whichever is smaller."""

import zlib

import numpy as np

from .entropy import N_TOKENS, Reader, Writer, counts_of, n_bits_of, pack, tokens_of, unpack
from .grids import MOST_OFF
from .prediction import FARTHEST

# How a column is written: by the model with its frequencies, by the model with frequencies of its
# own, as whole numbers without the model, or byte for byte.
MODEL, TABLE, PACKED, RAW = "mlpr"
# The grid that others see of a column that has none.
FINE = 2.0**-20


class ColumnCodec:
    """Columns to parts of bytes and back.

    Parameters
    ----------
    grids : list of Grid
    centers : ndarray
        What stands for missing entries.
    """

    def __init__(self, grids, centers):
        self.grids, self.centers = grids, centers
        self.steps = np.array([FINE if g.step is None else g.step for g in grids])
        self.prediction = self.code_counts = None

    def encode(self, columns, code, rebuilt):
        """What the header must say, and the parts."""
        numbers, missing, modes, exact = self.on_grids(columns)
        blobs = [b""] * len(modes)
        for j, mode in enumerate(modes):
            if mode == RAW:
                blobs[j] = pack(columns[j])
        tokens, answers, code_tokens = {}, 0, []
        if MODEL in modes:
            code_tokens = [tokens_of(column) for column in code.T] if code is not None else []
            bits = sum(
                n_bits_of(token, n, count)
                for (token, n, _), count in zip(code_tokens, self.code_counts, strict=True)
            )
            tokens, answers = self._tokens(numbers, missing, modes, rebuilt)
            bits = bits / 8
            alone, pays = {}, 0.0
            for j, (token, n, _) in tokens.items():
                alone[j] = pack(numbers[:, j])
                gain = len(alone[j]) - self._table(j, token, n)[0] / 8
                pays += max(gain, 0)
                if gain <= 0:
                    modes[j], blobs[j] = PACKED, alone[j]
            if pays <= bits:  # the code costs more than it saves
                for j in alone:
                    modes[j], blobs[j] = PACKED, alone[j]
                code_tokens = []
            tokens, answers = self._tokens(numbers, missing, modes, rebuilt)
        writer = Writer()
        for parts, counts in zip(code_tokens, self.code_counts, strict=False):
            writer.write(*parts, counts)
        for j, (token, n, rest) in tokens.items():
            _, counts, blobs[j] = self._table(j, token, n)
            modes[j] = TABLE if blobs[j] else MODEL
            writer.write(token, n, rest, counts)
        mask = pack(np.packbits(missing)) if missing.any() else b""
        header = {"modes": "".join(modes), "code": bool(code_tokens), "answers": answers}
        return header, [*writer.finish(), mask, *exact, *blobs]

    def decode(self, header, parts, dtypes, rebuild):
        """The columns. ``rebuild`` makes rows of whole numbers of a code."""
        n, modes, n_columns = header["n"], header["modes"], len(self.grids)
        words, bits, mask, *parts = parts
        exact, blobs = parts[:n_columns], parts[n_columns:]
        missing = np.zeros((n, n_columns), bool)
        if mask:
            flat = unpack(mask, np.uint8, -(-missing.size // 8))
            missing = np.unpackbits(flat, count=missing.size).astype(bool).reshape(missing.shape)
        reader, rebuilt = Reader(words, bits), None
        if header["code"]:
            rebuilt = rebuild(np.stack([reader.read(n, c) for c in self.code_counts], axis=1))
        values, raw, answers = np.zeros((n, n_columns)), {}, 0
        numbers = np.zeros((n, n_columns), np.int64)
        for j, mode in enumerate(modes):
            if mode == RAW:
                raw[j] = unpack(blobs[j], dtypes[j], n)
                numbers[:, j] = self._seen(j, raw[j])
            elif mode == PACKED:
                numbers[:, j] = unpack(blobs[j], np.int64, n)
        for j, mode in enumerate(modes):
            if mode in (MODEL, TABLE):
                expected = self.prediction.expected(j, values, rebuilt)
                answers = zlib.crc32(expected.tobytes(), answers)
                counts = dense(blobs[j]) if mode == TABLE else self.prediction.counts[j]
                numbers[:, j] = expected + reader.read(n, counts)
            values[:, j] = self._value(j, numbers[:, j])
        if header["answers"] != answers:
            raise OtherAnswers()
        return [
            raw[j] if j in raw else self._column(j, numbers[:, j], dtypes[j], missing, exact[j])
            for j in range(n_columns)
        ]

    def on_grids(self, columns):
        """Whole numbers, which entries are missing, how columns are coded, and exact entries."""
        n, numbers, missing, modes, exact = len(columns[0]), [], [], [], []
        for j, (grid, column) in enumerate(zip(self.grids, columns, strict=True)):
            whole, gone = self._seen(j, column), missing_in(column)
            off = np.ones(n, bool) if grid.step is None else grid.off(column, whole)
            is_raw = grid.step is None or off.sum() > max(MOST_OFF * n, 1)
            places = np.flatnonzero(off)
            modes.append(RAW if is_raw else MODEL)
            exact.append(b"" if is_raw else places.astype("<u4").tobytes() + column[off].tobytes())
            numbers.append(whole)
            missing.append(np.zeros(n, bool) if is_raw else gone)
        return np.stack(numbers, 1), np.stack(missing, 1), modes, exact

    def values(self, numbers):
        """What others see of columns."""
        columns = [self._value(j, numbers[:, j]) for j in range(numbers.shape[1])]
        return np.stack(columns, axis=1)

    def _seen(self, j, column):
        """A column's whole numbers, with its center for missing entries."""
        gone = missing_in(column)
        filled = np.where(gone, self.centers[j], column) if gone.any() else column
        if self.grids[j].step is not None:
            return self.grids[j].numbers(filled)
        scaled = filled.astype(np.float64) / FINE
        return np.rint(scaled.clip(-FARTHEST, FARTHEST)).astype(np.int64)

    def _value(self, j, whole):
        grid = self.grids[j]
        return whole * FINE if grid.step is None else grid.values(whole)

    def _column(self, j, numbers, dtype, missing, exact):
        column = self.grids[j].column(numbers, dtype)
        n_exact = len(exact) // (4 + column.dtype.itemsize)
        places = np.frombuffer(exact[: 4 * n_exact], "<u4")
        column[places] = np.frombuffer(exact[4 * n_exact :], column.dtype)
        if missing[:, j].any():
            column[missing[:, j]] = np.nan
        return column

    def _tokens(self, numbers, missing, modes, rebuilt):
        """Tokens of what is not as expected, and the checksum of what was."""
        values, answers, tokens = np.zeros(numbers.shape), 0, {}
        for j, mode in enumerate(modes):
            whole = numbers[:, j]
            if mode == MODEL:
                expected = self.prediction.expected(j, values, rebuilt)
                answers = zlib.crc32(expected.tobytes(), answers)
                whole = np.where(missing[:, j], expected, whole)
                tokens[j] = tokens_of(whole - expected)
            values[:, j] = self._value(j, whole)
        return tokens, answers

    def _table(self, j, token, n_bits):
        """Bits, the frequencies that need fewer, and what must be written of them."""
        learned, own = self.prediction.counts[j], counts_of(token)
        table = zlib.compress(sparse(own), 9)
        bits = n_bits_of(token, n_bits, learned)
        bits_own = n_bits_of(token, n_bits, own) + 8 * len(table)
        return (bits_own, own, table) if bits_own < bits else (bits, learned, b"")


class OtherAnswers(ValueError):
    """The model does not answer as it did where the rows were compressed."""

    def __init__(self):
        super().__init__(
            "The model answers otherwise here than where the rows were compressed, by another "
            "machine's rounding: decompress on a machine as that one."
        )


def missing_in(column):
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def sparse(counts):
    """Frequencies that are not 0."""
    places = np.flatnonzero(counts)
    return places.astype("<u2").tobytes() + counts[places].astype("<u4").tobytes()


def dense(content):
    """What `sparse` made, in a compressed form."""
    content = zlib.decompressobj().decompress(content, 6 * N_TOKENS)
    n = len(content) // 6
    counts = np.zeros(N_TOKENS, np.int64)
    counts[np.frombuffer(content[: 2 * n], "<u2")] = np.frombuffer(content[2 * n :], "<u4")
    return counts

"""Files of blocks of compressed rows, any of which can be read without the others."""

import struct
from pathlib import Path

from sklearn.utils.validation import check_is_fitted

from ..rows.blocks import Blocks
from ..storage.archive import whole
from .container import DamagedBytes, check_fingerprint, join, split

END, ROWS = struct.Struct("<Q5s"), 4096
MARK = b"SKAEB"


class BlockFiles:
    """Files of blocks for a compressor, which has `compress`, `decompress` and `fingerprint_`.

    A file is what `compress` gives of each block, one after the other, and at its end an index:
    where each block begins, and how many rows it has.
    """

    def compress_blocks(self, source, path, *, block_size=ROWS):
        """Write the rows of a source to a file, a block at a time.

        Parameters
        ----------
        source : array, frame, path, callable or Blocks
            The rows, in memory or past it: what :class:`skae.streams.Blocks` takes.
        path : str or path-like
            The file. It is there once it is whole.
        block_size : int, default=4096
            Rows of a block, where the source can be cut. Larger ones take fewer bytes, smaller ones
            are read faster.

        Returns
        -------
        path : Path

        Raises
        ------
        ValueError
            If the source has no rows, or rows of other columns than those of `fit`.
        """
        check_is_fitted(self)
        sizes, n_rows = [], []
        with whole(path) as file:
            for block in Blocks(source, block_size=block_size):
                sizes.append(file.write(self.compress(block)))
                n_rows.append(len(block))
            if not sizes:
                raise ValueError("The source has no rows: there is nothing to compress.")
            index = {"sizes_of_blocks": sizes, "n_rows": n_rows}
            index = join(index | {"fingerprint": self.fingerprint_}, [])
            file.write(index + END.pack(len(index), MARK))
        return Path(path)

    def decompress_blocks(self, path):
        """The blocks of a file, each of which is read when it is asked for.

        Parameters
        ----------
        path : str or path-like
            What `compress_blocks` wrote.

        Returns
        -------
        blocks : CompressedBlocks
            A sequence: ``blocks[i]`` are the rows of block i. `skae.streams.Blocks`, and with it
            `fit`, take it as a source.

        Raises
        ------
        ValueError
            If the file is damaged, or was written with another model.
        """
        check_is_fitted(self)
        return CompressedBlocks(self, path)


class CompressedBlocks:
    """The blocks of a file, as a sequence.

    Parameters
    ----------
    compressor : AutoencoderCompressor
        The one that wrote the file.
    path : str or path-like
        The file.

    Attributes
    ----------
    starts : list of int
        Number of the first row of each block.
    n_samples : int
        Rows of the file.
    """

    def __init__(self, compressor, path):
        self.compressor, self.path = compressor, Path(path)
        index, end = read_index(self.path)
        try:
            check_fingerprint(index["fingerprint"], compressor.fingerprint_)
            self.places = running(index["sizes_of_blocks"])
            self.starts = running(index["n_rows"])
        except (KeyError, TypeError) as error:
            raise DamagedBytes(f"The index of {self.path} is damaged: {error}") from error
        if self.places[-1] != end or len(self.places) != len(self.starts):
            raise DamagedBytes(f"{self.path} is damaged: its blocks have other sizes.")
        self.n_samples = self.starts.pop()

    def __len__(self):
        return len(self.starts)

    def __iter__(self):
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, i):
        i = range(len(self))[i]  # from the end if negative; an IndexError past it
        begin, end = self.places[i : i + 2]
        with open(self.path, "rb") as file:
            file.seek(begin)
            return self.compressor.decompress(file.read(end - begin))

    def __repr__(self):
        return f"CompressedBlocks({str(self.path)!r}, {len(self)} blocks, {self.n_samples} rows)"


def read_index(path):
    """The index at the end of a file, and where it begins."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if size < END.size:
            raise DamagedBytes(f"{path} was not written by compress_blocks.")
        file.seek(size - END.size)
        length, mark = END.unpack(file.read())
        begin = size - END.size - length
        if mark != MARK or begin < 0:
            raise DamagedBytes(f"{path} was not written by compress_blocks, or was cut off.")
        file.seek(begin)
        return split(file.read(length))[0], begin


def running(counts):
    """0 and the running sums of counts."""
    sums = [0]
    for count in counts:
        if not (isinstance(count, int) and count >= 0):
            raise TypeError(f"{count!r} is no count")
        sums.append(sums[-1] + count)
    return sums

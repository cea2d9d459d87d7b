"""Rows a block at a time: what need not fit into memory, and can be gone through again."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from mmap import mmap
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .._errors import memory_bytes
from .frames import is_frame
from .given import untensored

ROWS = 65_536  # of a block, where the source does not say
MOST_MAPPED = 0.25  # of the machine's memory: larger memory maps are streamed


class Blocks:
    """Rows in blocks, which can be gone through any number of times.

    `fit` of the families takes them in place of X, and `transform_blocks` gives them.

    Parameters
    ----------
    source : array, frame, path, list, callable or Blocks
        What holds the rows:

        - an array, memory map, CSR matrix or frame, of which slices are taken;
        - a path: ``.npy``, ``.csv``, ``.parquet`` or a folder of Parquet files. A ``.npy`` file
          and a memory map of one are read piece by piece and not mapped;
        - a ``LazyFrame`` of polars, a ``Dataset`` or ``Table`` of pyarrow, an array or frame of
          dask;
        - a list or tuple of any of these, one after the other;
        - a function without arguments that gives an iterator of arrays or frames, each time anew;
        - any other object that can be iterated over again and again.
    block_size : int, default=65_536
        Rows of a block, where the source can be cut.

    Raises
    ------
    TypeError
        If the source is none of these, or can be gone through once only.
    ValueError
        If there is no such path, or it is of another kind.

    Notes
    -----
    Sources that have parts (slices, files, partitions of dask, members of a list) are read in
    random order when they train a net; the others in their own, and a buffer mixes them.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import Autoencoder
    >>> from skae.streams import Blocks
    >>> X = np.random.default_rng(0).normal(size=(1000, 4))
    >>> blocks = Blocks(X, block_size=300)
    >>> [len(block) for block in blocks]
    [300, 300, 300, 100]
    >>> model = Autoencoder(2, max_epochs=1, random_state=0).fit(blocks)
    >>> codes = model.transform_blocks(blocks)
    >>> np.concatenate(list(codes)).shape
    (1000, 2)
    """

    def __init__(self, source, *, block_size=ROWS):
        self.source = source
        self.block_size = block_size
        # Functions, each of which gives an iterator of blocks.
        self._parts = list(parts_of(source, block_size))

    def __iter__(self):
        for _, block in self.numbered():
            yield block

    def __repr__(self):
        return f"Blocks({type(self.source).__name__}, {len(self._parts)} parts)"

    def numbered(self, rng=None, share=(0, 1)):
        """Blocks, each with the number of its part and of its place there.

        Parts are in random order if a generator of numpy is given. A ``share`` of (i, n) has every
        n-th of the parts, or of the blocks where these are more than the parts, from i on.
        """
        first, n = share
        order = range(len(self._parts)) if rng is None else rng.permutation(len(self._parts))
        if len(order) >= n:
            order, first, n = order[first::n], 0, 1
        read = ((part, each) for part in order for each in enumerate(self._parts[part]()))
        for part, (place, block) in itertools.islice(read, first, None, n):
            yield (int(part), place), block

    def map(self, function):
        """The blocks that a function makes of these, when they are gone through.

        Parameters
        ----------
        function : callable
            Takes a block and gives one: a method of an estimator, for example.

        Returns
        -------
        blocks : Blocks
        """
        mapped = Blocks(self, block_size=self.block_size)
        mapped._parts = [partial(of_each, function, part) for part in self._parts]
        return mapped

    def write_npy(self, path):
        """Write all blocks into one ``.npy`` file.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        path : Path
        """
        path = Path(path)
        blocks = (np.asarray(block) for block in self)
        first = next(blocks, None)
        if first is None:
            raise ValueError("The source has no block: there is nothing to write.")
        with open(path, "wb") as file:
            write_header(file, first, len(first))
            n_rows = 0
            for block in itertools.chain([first], blocks):
                if block.shape[1:] != first.shape[1:]:
                    raise ValueError(
                        f"A block has rows of shape {block.shape[1:]}, but the first has "
                        f"{first.shape[1:]}."
                    )
                file.write(np.ascontiguousarray(block, dtype=first.dtype).data)
                n_rows += len(block)
            file.seek(0)
            write_header(file, first, n_rows)
        return path

    def write_parquet(self, folder):
        """Write each block as a Parquet file of a folder, by polars.

        Parameters
        ----------
        folder : str or path-like
            Where; made if it is not there. Arrays get the columns ``x0, x1, ...``.

        Returns
        -------
        folder : Path
        """
        pl = polars()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for i, block in enumerate(self):
            if not is_frame(block):
                block = np.asarray(block).reshape(len(block), -1)
                block = {f"x{j}": column for j, column in enumerate(block.T)}
            elif hasattr(block, "iloc"):
                block = {str(name): block[name].to_list() for name in block.columns}
            pl.DataFrame(block).write_parquet(folder / f"part-{i:06d}.parquet")
        return folder


def write_header(file, like, n_rows):
    """That of a file of so many rows; numpy leaves room for the number to grow."""
    np.lib.format.write_array_header_1_0(
        file,
        {
            "descr": np.lib.format.dtype_to_descr(like.dtype),
            "fortran_order": False,
            "shape": (n_rows, *like.shape[1:]),
        },
    )


def is_source(X):
    """Whether X is read a block at a time, without being asked to be."""
    of_arrow = hasattr(X, "to_batches") and hasattr(X, "to_table")  # a Table is in memory
    lazy = hasattr(X, "collect_batches") or of_arrow or is_of_dask(X)
    return isinstance(X, Blocks | str | Path) or lazy


def is_streamed(X):
    """Whether `fit` reads X a block at a time: sources, and memory maps that memory would not hold.

    A fit of rows in memory takes several times what they do.
    """
    return is_source(X) or isinstance(X, np.memmap) and X.nbytes > MOST_MAPPED * memory_bytes()


def is_of_dask(X):
    return hasattr(X, "__dask_graph__")


def parts_of(source, n) -> Iterator[Callable]:
    """Functions, each of which gives an iterator of blocks of n rows."""
    source = untensored(source, "source")
    if isinstance(source, memoryview):
        source = np.asarray(source)
    if isinstance(source, Blocks):
        yield from source._parts
    elif isinstance(source, str | Path):
        yield from parts_of_path(Path(source), n)
    elif is_of_dask(source):
        yield from (partial(computed, part) for part in parts_of_dask(source))
    elif hasattr(source, "collect_batches"):  # of polars, lazy
        yield partial(source.collect_batches, chunk_size=n)
    elif hasattr(source, "to_batches"):  # of pyarrow
        yield partial(batches_of_arrow, source, n)
    elif isinstance(source, np.memmap) and isinstance(source.base, mmap) and is_c(source):
        shape = source.shape
        yield from pieces_of_file(source.filename, source.offset, source.dtype, shape, n)
    elif is_frame(source) or isinstance(source, np.ndarray) or sp.issparse(source):
        if np.ndim(source) < 2:
            raise TypeError(f"Blocks are of rows, but source is an array of shape {source.shape}.")
        source = source.tocsr() if sp.issparse(source) else source
        for start in range(0, source.shape[0], n):
            yield partial(sliced, source, start, start + n)
    elif isinstance(source, list | tuple):
        for part in source:
            yield from parts_of(part, n)
    elif callable(source):
        yield partial(called, source)
    elif hasattr(source, "__iter__") and iter(source) is not source:
        yield partial(iter, source)
    elif hasattr(source, "__iter__"):
        raise TypeError(
            f"source is a {type(source).__name__}, which can be gone through once only: give the "
            "function that makes it."
        )
    else:
        raise TypeError(
            "source must be rows, a path, a lazy frame, a list of these, or a function that gives "
            f"an iterator of blocks, got {type(source).__name__}."
        )


def is_c(array):
    return array.flags.c_contiguous and array.ndim > 1


def called(source):
    try:
        return iter(source())
    except TypeError as error:
        raise TypeError(
            "source must be a function without arguments that gives an iterator of blocks of rows: "
            f"{error}."
        ) from error


def of_each(function, part):
    return map(function, part())


def sliced(rows, start, stop):
    yield rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def computed(part):
    yield part.compute()


def is_frame_of_dask(X):
    return hasattr(X, "map_partitions")


def in_whole_rows(array):
    """An array of dask whose blocks have all columns each."""
    return array.rechunk(dict.fromkeys(range(1, array.ndim), -1))


def parts_of_dask(X):
    """The blocks of rows of an array or a frame of dask."""
    if is_frame_of_dask(X):
        return X.partitions
    array = in_whole_rows(X)
    return [array.blocks[i] for i in range(array.numblocks[0])]


def batches_of_arrow(source, n):
    """Batches of a table, which is in memory, or of a dataset, which is not."""
    size = "max_chunksize" if hasattr(source, "column_names") else "batch_size"
    for batch in source.to_batches(**{size: n}):
        yield batch.to_pandas()


def parts_of_path(path, n):
    if not path.exists():
        raise ValueError(f"There is no file or folder {str(path)!r} to read rows from.")
    if path.is_dir():
        files = sorted(path.glob("**/*.parquet"))
        if not files:
            raise ValueError(f"source names the folder {path}, which has no .parquet file.")
        for file in files:
            yield from parts_of_path(file, n)
    elif path.suffix == ".npy":
        array = np.load(path, mmap_mode="r")
        if array.ndim < 2 or array.flags.f_contiguous and not array.flags.c_contiguous:
            raise ValueError(f"{path} must hold rows in C order, but has shape {array.shape}.")
        yield from pieces_of_file(path, array.offset, array.dtype, array.shape, n)
    elif path.suffix == ".parquet":
        yield partial(polars().scan_parquet(path).collect_batches, chunk_size=n)
    elif path.suffix == ".csv":
        yield partial(csv_blocks, path, n)
    else:
        raise ValueError(f"{path} must be .npy, .csv, .parquet or a folder of Parquet files.")


def csv_blocks(path, n):
    import pandas as pd

    return pd.read_csv(path, chunksize=n)


def pieces_of_file(path, offset, dtype, shape, n):
    """Pieces of an array in a file. Mapped pages would count for the process's memory."""
    for start in range(0, shape[0], n):
        yield partial(piece, path, offset, dtype, shape, start, min(start + n, shape[0]))


def piece(path, offset, dtype, shape, start, stop):
    width = int(np.prod(shape[1:]))
    at = offset + start * width * dtype.itemsize
    numbers = np.fromfile(path, dtype, count=(stop - start) * width, offset=at)
    yield numbers.reshape(stop - start, *shape[1:])


def polars():
    try:
        import polars
    except ImportError as error:
        raise ImportError("Parquet files are read by polars: pip install polars.") from error
    return polars

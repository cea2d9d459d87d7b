"""Arrays and numbers of numpy, matrices of scipy, tensors and devices of torch."""

import math
import re

import numpy as np
import scipy.sparse as sp
import torch

from .kinds import CannotBeWritten, Kind

# What safetensors holds as it is.
NUMBERS = {"bool", "float16", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
TIMES, TEXTS = "mM", "US"
# The types that a dtype may be of, by the letter that numpy has for them.
LETTERS = "biuf" + TIMES + TEXTS + "O"
DTYPE = re.compile(r"[<>=|]?[?biufmMUSO][0-9]{0,9}(\[[0-9]{0,6}[a-zA-Z]{1,2}\])?")
# Texts may take so many times the memory that they need.
WIDEST = 256
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
FORMATS = ("csr", "csc", "bsr", "coo")
INDICES = {"coo": ("row", "col"), **dict.fromkeys(("csr", "csc", "bsr"), ("indices", "indptr"))}


def of_letters(cls, letters):
    return lambda value: type(value) is cls and value.dtype.kind in letters


def is_numeric(value):
    return type(value) is np.ndarray and value.dtype.name in NUMBERS


def write_array(value, writer, path):
    """In the order of its axes in memory, for sums round by it."""
    if value.flags.f_contiguous and not value.flags.c_contiguous:
        return {"v": writer.array(value.T, path, of=value), "order": "F"}
    return {"v": writer.array(value, path)}


def read_array(fields, reader):
    array = reader.array(fields["v"])
    return array.T if fields.get("order") == "F" else array


def described(value):
    return {"dtype": value.dtype.str, "shape": list(value.shape)}


def as_dtype(text, letters=LETTERS):
    """The dtype of a description, if it is of one of the letters."""
    # numpy evaluates some others as Python
    if DTYPE.fullmatch(str(text)) and np.dtype(text).kind in letters:
        return np.dtype(text)
    raise ValueError(f"the dtype {text!r} is none that skae writes")


def write_listed(value, writer, path):
    values = [writer.node(item, path) for item in value.ravel().tolist()]
    return {**described(value), "v": values}


def read_listed(fields, reader, letters=TEXTS):
    dtype, shape = as_dtype(fields["dtype"], letters), tuple(fields["shape"])
    values = [reader.node(node) for node in fields["v"]]
    if len(values) != math.prod(shape):
        raise ValueError(f"an array of shape {shape} has {len(values)} entries")
    if dtype.kind == "O":
        array = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):  # values may be arrays
            array[i] = value
        return array.reshape(shape)
    array = np.array(values, dtype=dtype.kind)
    if dtype.itemsize > WIDEST * array.itemsize:
        raise ValueError(f"texts of {array.dtype} are said to be of {dtype}")
    return array.astype(dtype).reshape(shape)


def write_objects(value, writer, path):
    values = [writer.node(item, path) for item in value.ravel()]
    return {**described(value), "v": values}


def write_texts_of_any_length(value, writer, path):
    if hasattr(value.dtype, "na_object"):
        raise CannotBeWritten(value, path)
    return {"shape": list(value.shape), "v": [str(text) for text in value.ravel()]}


def read_texts_of_any_length(fields, reader):
    values = np.array([str(text) for text in fields["v"]], dtype=np.dtypes.StringDType())
    return values.reshape(tuple(fields["shape"]))


def write_times(value, writer, path):
    return {"dtype": value.dtype.str, "v": writer.array(value.view(np.int64), path)}


def read_times(fields, reader):
    return reader.array(fields["v"]).view(as_dtype(fields["dtype"], TIMES))


def write_scalar(value, writer, path):
    if value.dtype.kind in TEXTS or is_numeric(np.asarray(value)):
        return {"dtype": value.dtype.str, "v": writer.node(value.item(), path)}
    return {"array": writer.node(np.asarray(value), path)}


def read_scalar(fields, reader):
    if "array" in fields:
        return reader.node(fields["array"])[()]
    return as_dtype(fields["dtype"], "biuf" + TEXTS).type(reader.node(fields["v"]))


def write_sparse(value, writer, path):
    parts = {name: getattr(value, name) for name in ("data", *INDICES[value.format])}
    return {
        "format": value.format,
        "array": isinstance(value, sp.sparray),
        "shape": list(value.shape),
        "parts": {name: writer.node(part, (*path, name)) for name, part in parts.items()},
    }


def read_sparse(fields, reader):
    kind, shape = fields["format"], tuple(fields["shape"])
    if kind not in FORMATS:
        raise ValueError(f"{kind!r} is no format of sparse matrices that skae writes")
    make = getattr(sp, f"{kind}_{'array' if fields['array'] else 'matrix'}")
    data, *indices = (reader.node(fields["parts"][name]) for name in ("data", *INDICES[kind]))
    indices = tuple(indices) if kind == "coo" else indices
    matrix = make((data, indices) if kind == "coo" else (data, *indices), shape=shape)
    if kind != "coo":  # which checks itself
        matrix.check_format(full_check=True)
    return matrix


def is_ufunc(value):
    return isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value


def read_ufunc(fields, reader):
    return checked(getattr(np, fields["v"]), is_ufunc)


def is_number_type(value):
    return isinstance(value, type) and issubclass(value, np.generic) and value.__module__ == "numpy"


def is_optimizer(value):
    return (
        isinstance(value, type)
        and issubclass(value, torch.optim.Optimizer)
        and getattr(torch.optim, value.__name__, None) is value
    )


def checked(value, test):
    if not test(value):
        raise ValueError(f"{value!r} is nothing that skae writes")
    return value


def read_random_state(fields, reader):
    state = np.random.RandomState()
    state.set_state(reader.node(fields["v"]))
    return state


def is_generator(value):
    return (
        type(value) is np.random.Generator and type(value.bit_generator).__name__ in BIT_GENERATORS
    )


def read_generator(fields, reader):
    state = reader.node(fields["v"])
    bits = getattr(np.random, checked(state["bit_generator"], lambda n: n in BIT_GENERATORS))()
    bits.state = state
    return np.random.Generator(bits)


def read_missing_value(fields, reader):
    import pandas as pd

    return pd.NA


def is_missing_value(value):
    return type(value).__name__ == "NAType" and type(value).__module__.startswith("pandas.")


KINDS = (
    Kind("array", is_numeric, write_array, read_array),
    Kind("texts", of_letters(np.ndarray, TEXTS), write_listed, read_listed),
    Kind(
        "strings",
        of_letters(np.ndarray, "T"),
        write_texts_of_any_length,
        read_texts_of_any_length,
    ),
    Kind(
        "objects",
        of_letters(np.ndarray, "O"),
        write_objects,
        lambda fields, reader: read_listed(fields, reader, "O"),
    ),
    Kind("times", of_letters(np.ndarray, TIMES), write_times, read_times),
    Kind("number", lambda value: isinstance(value, np.generic), write_scalar, read_scalar),
    Kind(
        "dtype",
        lambda value: isinstance(value, np.dtype) and value.kind in LETTERS,
        lambda value, writer, path: {"v": value.str},
        lambda fields, reader: as_dtype(fields["v"]),
    ),
    Kind(
        "numpy type",
        is_number_type,
        lambda value, writer, path: {"v": value.__name__},
        lambda fields, reader: checked(getattr(np, fields["v"]), is_number_type),
    ),
    Kind("ufunc", is_ufunc, lambda value, writer, path: {"v": value.__name__}, read_ufunc),
    Kind(
        "sparse",
        lambda value: sp.issparse(value) and value.format in FORMATS,
        write_sparse,
        read_sparse,
    ),
    Kind(
        "RandomState",
        lambda value: type(value) is np.random.RandomState,
        lambda value, writer, path: {"v": writer.node(value.get_state(), path)},
        read_random_state,
    ),
    Kind(
        "Generator",
        is_generator,
        lambda value, writer, path: {"v": writer.node(value.bit_generator.state, path)},
        read_generator,
    ),
    Kind(
        "tensor",
        lambda value: type(value) is torch.Tensor,
        lambda value, writer, path: {"v": writer.node(value.detach().cpu().numpy(), path)},
        lambda fields, reader: torch.from_numpy(reader.node(fields["v"]).copy()),
    ),
    Kind(
        "device",
        lambda value: isinstance(value, torch.device),
        lambda value, writer, path: {"v": str(value)},
        lambda fields, reader: torch.device(fields["v"]),
    ),
    Kind(
        "optimizer",
        is_optimizer,
        lambda value, writer, path: {"v": value.__name__},
        lambda fields, reader: checked(getattr(torch.optim, fields["v"]), is_optimizer),
    ),
    Kind("NA", is_missing_value, lambda value, writer, path: {}, read_missing_value),
)

"""Values of Python: numbers, texts, containers."""

import base64
import math

import numpy as np

from .kinds import Kind

# A list of so many floats and no others, such as a loss curve, is kept as an array.
LONG = 16
TYPES = {cls.__name__: cls for cls in (bool, int, float, str, object)}


def is_json(value):
    """Whether JSON has the value itself."""
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str)


def is_named_only(value):
    """Whether a dict can be a JSON object."""
    return type(value) is dict and "$" not in value and all(type(key) is str for key in value)


def items(values, writer, path):
    return {"v": [writer.node(value, (*path, i)) for i, value in enumerate(values)]}


def write_pairs(pairs, writer, path):
    keys, values = list(pairs), [(*path, str(key)) for key in pairs]
    return {
        "keys": [writer.node(key, path) for key in keys],
        "v": [writer.node(pairs[key], place) for key, place in zip(keys, values, strict=True)],
    }


def read_pairs(fields, reader):
    keys, values = (map(reader.node, fields[name]) for name in ("keys", "v"))
    return dict(zip(keys, values, strict=True))


def read_items(fields, reader):
    return map(reader.node, fields["v"])


def exactly(cls):
    return lambda value: type(value) is cls


def is_long_list_of_floats(value):
    return type(value) is list and len(value) >= LONG and all(type(x) is float for x in value)


def is_type(value):
    return isinstance(value, type) and TYPES.get(value.__name__) is value


KINDS = (
    Kind(
        "float",
        exactly(float),
        lambda value, writer, path: {"v": repr(value)},
        lambda fields, reader: float(fields["v"]),
    ),
    Kind(
        "bytes",
        exactly(bytes),
        lambda value, writer, path: {"v": base64.b64encode(value).decode()},
        lambda fields, reader: base64.b64decode(fields["v"], validate=True),
    ),
    Kind(
        "floats",
        is_long_list_of_floats,
        lambda value, writer, path: {"v": writer.array(np.array(value), path)},
        lambda fields, reader: reader.array(fields["v"]).tolist(),
    ),
    Kind("tuple", exactly(tuple), items, lambda fields, reader: tuple(read_items(fields, reader))),
    Kind("set", exactly(set), items, lambda fields, reader: set(read_items(fields, reader))),
    Kind("dict", exactly(dict), write_pairs, read_pairs),
    Kind(
        "slice",
        exactly(slice),
        lambda value, writer, path: items((value.start, value.stop, value.step), writer, path),
        lambda fields, reader: slice(*read_items(fields, reader)),
    ),
    Kind(
        "type",
        is_type,
        lambda value, writer, path: {"v": value.__name__},
        lambda fields, reader: TYPES[fields["v"]],
    ),
)

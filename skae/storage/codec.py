"""From objects to JSON and arrays, and back."""

import numpy as np

from . import arrays, objects, plain
from .kinds import CannotBeWritten, spelled

KINDS = (*plain.KINDS, *arrays.KINDS, *objects.KINDS)
BY_TAG = {kind.tag: kind for kind in KINDS}


class Writer:
    """Values as nodes of JSON. Arrays and objects are set aside, each once.

    ``missing`` names what the file does not hold, and whoever reads it must give.
    """

    def __init__(self):
        self.arrays = {}
        self.objects = []
        self.missing = []
        self._nodes = {}  # by the identity of an array or an object, which is kept alive too

    def node(self, value, path=()):
        if plain.is_json(value):
            return value
        if plain.is_named_only(value):
            return {key: self.node(part, (*path, key)) for key, part in value.items()}
        if type(value) is list and not plain.is_long_list_of_floats(value):
            return [self.node(part, (*path, i)) for i, part in enumerate(value)]
        for kind in KINDS:
            if kind.takes(value):
                return {"$": kind.tag, **kind.write(value, self, path)}
        raise CannotBeWritten(value, path)

    def array(self, array, path, of=None):
        """The name of an array that was set aside, once for each value that it is made ``of``."""
        return self._once(array if of is None else of, lambda: self._set_aside(array, path))

    def object(self, value, path):
        """The number of an object, of which all that it holds has a smaller one."""
        return self._once(value, lambda: self._describe(value, path))

    def miss(self, path):
        """The node of something that the file does not hold."""
        self.missing.append(spelled(path))
        return {"$": "missing", "v": self.missing[-1]}

    def mark(self):
        """To what `roll_back` leads."""
        return [len(part) for part in self._parts()]

    def roll_back(self, mark):
        """Forget what was set aside since."""
        for part, length in zip(self._parts(), mark, strict=True):
            while len(part) > length:
                part.popitem() if isinstance(part, dict) else part.pop()

    def _parts(self):
        return self.arrays, self.objects, self.missing, self._nodes

    def _once(self, value, describe):
        if id(value) not in self._nodes:
            self._nodes[id(value)] = describe(), value
        return self._nodes[id(value)][0]

    def _set_aside(self, array, path):
        name = unused = ".".join(map(str, path))
        while unused in self.arrays:
            unused = f"{name}.{len(self.arrays)}"
        self.arrays[unused] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
        return unused

    def _describe(self, value, path):
        self.objects.append(objects.described(value, self, path))
        return len(self.objects) - 1


class Reader:
    """Nodes of JSON as values.

    Parameters
    ----------
    described : list of dict
        The objects, each only of those before it.
    arrays : dict of ndarray
        By name.
    classes : dict of type
        Skae's classes that may be made, by name.
    given : dict
        What the file does not hold, by name.
    """

    def __init__(self, described, arrays, classes, given):
        self.arrays = arrays
        self.classes = classes
        self.given = given
        self.objects = []
        for description in described:
            self.objects.append(objects.restored(description, self))

    def node(self, node):
        if isinstance(node, list):
            return [self.node(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$" not in node:
            return {key: self.node(part) for key, part in node.items()}
        if node["$"] not in BY_TAG:
            raise ValueError(f"{node['$']!r} is no kind of value that this version of skae reads")
        return BY_TAG[node["$"]].read(node, self)

    def array(self, name):
        return self.arrays[name]

    def object(self, number):
        if type(number) is not int or not 0 <= number < len(self.objects):
            raise ValueError(f"object {number!r} is none of those before it")
        return self.objects[number]

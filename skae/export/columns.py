"""Frames of mixed columns at both ends of a graph: an input for each column, and an output.

Nodes are written by hand, for texts are nothing that torch has.
"""

from itertools import count

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..rows.columns import Columns
from ..rows.kinds import Category, Day, Number

OF_CATEGORIES = "ai.onnx.ml"  # the domain of operators that look texts up,
VERSION_OF_CATEGORIES = 2  # and its version
INNER = "_"  # the prefix of the names that users do not see
MISSING = ""  # a text that is missing


class Ends:
    """The ends of a graph, whose inputs and outputs are flat rows of a columns format.

    Parameters
    ----------
    model : onnx.ModelProto
        Whose graph has names of its own, none of which is that of a column.
    dtype : int
        ONNX's of numbers of users; those within are of float64.
    """

    def __init__(self, model, dtype=TensorProto.DOUBLE):
        self.model, self.graph, self.dtype = model, model.graph, dtype
        self.first, self.last = [], []
        self.numbers = count()
        self.nodes = self.first

    # -- writing ----------------------------------------------------------------------------------

    def node(self, kind, *inputs, out=None, domain="", **attributes):
        """Add one with one output, whose name is the answer, or ``out``."""
        out = out or f"{INNER}end_{next(self.numbers)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], domain=domain, **attributes))
        return out

    def constant(self, array):
        """The name of a constant."""
        name = f"{INNER}end_{next(self.numbers)}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def cast(self, name, dtype, out=None):
        return self.node("Cast", name, out=out, to=dtype)

    def output(self, name):
        """The output of the graph of this name."""
        return next(value for value in self.graph.output if value.name == name)

    def written(self):
        """The graph, with its ends."""
        nodes = [*self.first, *self.graph.node, *self.last]
        del self.graph.node[:]
        self.graph.node.extend(nodes)

    # -- from columns to flat rows ----------------------------------------------------------------

    def take(self, format):
        """Make the only input of the graph of one for each column of a format."""
        self.nodes = self.first
        (rows,) = self.graph.input
        parts, inputs = [], []
        for name, kind in learned(format):
            dtype = self.dtype_of(kind)
            inputs.append(helper.make_tensor_value_info(name, dtype, ["rows", 1]))
            parts.append(self.numbers_of(kind, name))
        self.node("Concat", *parts, out=rows.name, axis=1)
        del self.graph.input[:]
        self.graph.input.extend(inputs)

    def dtype_of(self, kind):
        """What the entries of a column are in a graph."""
        if of_texts(kind):
            return TensorProto.STRING
        # Seconds since 1970 are too many for float32.
        return self.dtype if isinstance(kind, Number | Category) else TensorProto.DOUBLE

    def numbers_of(self, kind, name):
        """Entries as numbers of float64, of shape (rows, width); NaN where missing or unknown."""
        if not kind.is_category:
            return self.cast(name, TensorProto.DOUBLE)
        places = self.places_of(kind, name)
        is_place = self.node("Equal", places, self.constant(np.arange(kind.width)))
        indicators = self.cast(is_place, TensorProto.DOUBLE)
        known = self.node("GreaterOrEqual", places, self.constant(np.array([0])))
        return self.node("Where", known, indicators, self.constant(np.array([np.nan])))

    def places_of(self, kind, name):
        """Which indicator each entry has, -1 if none: (rows, 1)."""
        values = [*kind.categories, *kind.infrequent]
        places = [*range(len(kind.categories)), *[len(kind.categories)] * len(kind.infrequent)]
        if of_texts(kind):
            return self.look_up(name, keys_strings=values, values_int64s=places, default_int64=-1)
        given = self.cast(name, TensorProto.FLOAT)
        is_value = self.node("Equal", given, self.constant(np.array(values, dtype=np.float32)))
        above = self.node(
            "Where", is_value, self.constant(np.array(places) + 1), self.constant(np.array([0]))
        )
        highest = self.node("ReduceMax", above, self.constant(np.array([1])), keepdims=1)
        return self.node("Sub", highest, self.constant(np.array([1])))

    def look_up(self, name, out=None, **table):
        """What stands in a table for texts, or for numbers."""
        if all(known.domain != OF_CATEGORIES for known in self.model.opset_import):
            self.model.opset_import.add(domain=OF_CATEGORIES, version=VERSION_OF_CATEGORIES)
        return self.node("LabelEncoder", name, out=out, domain=OF_CATEGORIES, **table)

    # -- from flat rows to columns ----------------------------------------------------------------

    def give(self, format, method, fills=False):
        """Make the output of a method one for each column, the method's name before its own.

        With ``fills`` they are what is given, but where it is missing.
        """
        self.nodes = self.last
        rows = self.output(INNER + method)
        self.graph.output.remove(rows)
        start = 0
        for name, kind in learned(format):
            place = self.constant(np.arange(start, start + kind.width))
            numbers = self.node("Gather", rows.name, place, axis=1)
            start += kind.width
            out = f"{method}_{name}"
            self.values_of(kind, numbers, out, name if fills else None)
            output = helper.make_tensor_value_info(out, self.dtype_of(kind), ["rows", 1])
            self.graph.output.append(output)

    def values_of(self, kind, numbers, out, given):
        """Write the entries of a column of numbers of it, as those of ``given`` are."""
        if of_texts(kind):
            fills = self.look_up(
                self.node("ArgMax", numbers, axis=1, keepdims=1),
                out if given is None else None,
                keys_int64s=list(range(kind.width)),
                values_strings=names_of(kind),
            )
            if given is not None:
                is_mark = {"keys_strings": [MISSING], "values_int64s": [1], "default_int64": 0}
                missing = self.cast(self.look_up(given, **is_mark), TensorProto.BOOL)
                self.node("Where", missing, fills, given, out=out)
            return
        if kind.is_category:
            best = self.node("ArgMax", numbers, axis=1, keepdims=1)
            values = np.array(names_of(kind), dtype=np.float64)
            numbers = self.node("Gather", self.constant(values), best)
        elif isinstance(kind, Day):
            numbers = self.node("Round", numbers)
        elif isinstance(kind, Number) and kind.whole:
            bounds = (self.constant(np.array(bound)) for bound in kind.bounds)
            numbers = self.node("Clip", self.node("Round", numbers), *bounds)
        fills = self.cast(numbers, self.dtype_of(kind), out if given is None else None)
        if given is not None:
            self.node("Where", self.node("IsNaN", given), fills, given, out=out)

    # -- what is not of columns -------------------------------------------------------------------

    def take_whole(self):
        """Take the only input of the graph as it is, in the precision of users."""
        self.nodes = self.first
        (given,) = self.graph.input
        name, dtype = given.name.removeprefix(INNER), given.type.tensor_type.elem_type
        self.cast(name, dtype, out=given.name)
        if dtype == TensorProto.DOUBLE:
            given.type.tensor_type.elem_type = self.dtype
        given.name = name

    def give_whole(self, method):
        """Give the output of a method as it is, in the precision of users."""
        self.nodes = self.last
        output = self.output(INNER + method)
        kind = output.type.tensor_type
        if kind.elem_type == TensorProto.DOUBLE:
            kind.elem_type = self.dtype
            self.cast(output.name, kind.elem_type, out=method)
        else:
            self.node("Identity", output.name, out=method)
        output.name = method

    # -- the names of classes ---------------------------------------------------------------------

    def name_classes(self, method, classes):
        """Make the output of a method, which is numbers of classes, their names."""
        self.nodes = self.last
        output = self.output(method)
        number = INNER + method
        for node in self.graph.node:
            node.output[:] = [number if name == method else name for name in node.output]
            node.input[:] = [number if name == method else name for name in node.input]
        if classes.dtype.kind in "OU":
            names = {"values_strings": [str(name) for name in classes]}
            self.look_up(number, method, keys_int64s=list(range(len(classes))), **names)
            dtype = TensorProto.STRING
        else:
            whole = classes.dtype.kind in "iu"
            classes = classes.astype(np.int64 if whole else classes.dtype)
            self.node("Gather", self.constant(classes), number, out=method)
            dtype = helper.np_dtype_to_tensor_dtype(classes.dtype)
        output.CopyFrom(helper.make_tensor_value_info(method, dtype, ["rows"]))


def mixed(estimator, name="_format"):
    """A format of mixed columns that an estimator has under this name, or None."""
    format = getattr(estimator, name, getattr(estimator, "_format", None))
    return format if isinstance(format, Columns) and format.is_mixed else None


def learned(format):
    """The names and kinds of those columns that something is learned of."""
    pairs = zip(format.column_names(), format.kinds, strict=True)
    return [(str(name), kind) for name, kind in pairs if kind.width]


def of_texts(kind):
    """Whether the entries of a column are texts in a graph, and no numbers."""
    return kind.is_category and any(isinstance(value, str) for value in kind.categories)


def names_of(kind):
    """The value that each indicator stands for."""
    return [*kind.categories, *kind.infrequent[:1]]


def check_columns(format, name, fills=False):
    """Whether a graph can have the columns of a format, and fill what is missing of them."""
    for column, kind in learned(format):
        if not kind.is_category:
            continue
        values = [*kind.categories, *kind.infrequent]
        of_numbers = all(isinstance(value, int | float) for value in values)
        if not of_numbers and not all(isinstance(value, str) for value in values):
            kinds = sorted({type(value).__name__ for value in values})
            raise NotImplementedError(
                f"Column {column!r} of {name} has categories of the kinds {kinds}, where a graph "
                "takes texts or numbers: make one of them before, and fit to it."
            )
        if fills and MISSING in values:
            raise NotImplementedError(
                f"Column {column!r} of {name} has an empty text among its categories, which stands "
                "for a missing entry in a graph: give it a name before, and fit to it."
            )
        if of_numbers and len(set(np.float32(values).tolist())) < len(values):
            raise NotImplementedError(
                f"Column {column!r} of {name} has categories that float32 cannot tell apart: make "
                "texts of them before, and fit to these."
            )

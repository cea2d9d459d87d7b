"""Converters of skae's estimators for skl2onnx."""

import numpy as np
import torch
from onnx import helper, numpy_helper
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.algebra.type_helper import guess_initial_types
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import is_classifier, is_regressor

from .columns import VERSION_OF_CATEGORIES, mixed
from .graphs import OPSET, TYPES, add_prefix, graph_of
from .methods import methods_of

OPTION = "methods"  # the option of skl2onnx that says which outputs there are
# Types of labels, by numpy's letter; others are texts.
LABELS = {
    "b": BooleanTensorType,
    "f": DoubleTensorType,
    "i": Int64TensorType,
    "u": Int64TensorType,
}
PRECISIONS = {FloatTensorType: torch.float32, DoubleTensorType: torch.float64}


def register(classes):
    """Tell skl2onnx how estimators of these classes become graphs."""
    for cls in classes:
        name = f"Skae{cls.__name__}"
        parser = parser_of(name)
        settings = {"parser": parser, "options": {OPTION: None}}
        update_registered_converter(cls, name, set_shapes, convert, **settings)


def parser_of(name):
    """What says which variables an estimator of a kind has as its outputs."""

    def parse(scope, estimator, inputs, custom_parsers=None):
        operator = scope.declare_local_operator(name, estimator)
        operator.inputs.append(joined(scope, inputs))
        for method in methods_asked(scope, estimator):
            kind = kind_of(estimator, method, inputs[0].type)
            operator.outputs.append(scope.declare_local_variable(method, kind()))
        return operator.outputs

    return parse


def joined(scope, inputs):
    """Inputs, which may be the columns of a frame, as one."""
    if len(inputs) == 1:
        return inputs[0]
    if len({type(variable.type) for variable in inputs}) > 1:
        raise NotImplementedError(
            "Columns of several types cannot be the rows of an autoencoder in a graph: make numbers"
            " of one type of them by a ColumnTransformer."
        )
    operator = scope.declare_local_operator("SklearnConcat")
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("columns", type(inputs[0].type)()))
    return operator.outputs[0]


def methods_asked(scope, estimator):
    """Those that an option names, or what a Pipeline would call."""
    default = ("transform",) if hasattr(estimator, "transform") else ("predict", "score_samples")
    if is_classifier(estimator):
        default = ("predict", "predict_proba")
    elif is_regressor(estimator):
        default = ("predict",)
    # None where skl2onnx asks for options of classifiers that are not ours.
    return (scope.get_options(estimator, {OPTION: default}, fail=False) or {}).get(OPTION, default)


def kind_of(estimator, method, given):
    """The type of an answer."""
    if is_of_indices(estimator, method):
        return Int64TensorType
    if method == "predict" and not is_regressor(estimator):
        kind = estimator.classes_.dtype.kind if is_classifier(estimator) else "i"
        return LABELS.get(kind, StringTensorType)
    return type(given) if type(given) in PRECISIONS else DoubleTensorType


def set_shapes(operator):
    """Types and shapes of the outputs, of an operator of skl2onnx."""
    estimator, given = operator.raw_operator, operator.inputs[0].type
    for output in operator.outputs:
        method = output.raw_name
        kind = kind_of(estimator, method, given)
        output.type = kind([None, *width_of(estimator, method)])


def width_of(estimator, method):
    """The columns of an answer; none if it is one number a row."""
    if method == "transform":
        return [len(estimator.get_feature_names_out())]
    of_classes = is_classifier(estimator) and method != "predict"
    by_class = method == "predict_proba" or (of_classes and len(estimator.classes_) > 2)
    return [len(estimator.classes_)] if by_class else []


def is_of_indices(estimator, method):
    """Whether an answer is the numbers of vectors of a codebook."""
    return method == "transform" and getattr(estimator, "output", "vectors") != "vectors"


def convert(scope, operator, container):
    """Add the nodes of an estimator to a graph of skl2onnx."""
    estimator, (given,) = operator.raw_operator, operator.inputs
    methods = tuple(output.raw_name for output in operator.outputs)
    if mixed(estimator):
        raise NotImplementedError(
            f"{type(estimator).__name__} was fitted to columns of several kinds, each of which is "
            "an input of its graph, so that no step can stand before it: export it alone."
        )
    dtype = PRECISIONS.get(type(given.type), torch.float64)
    model = graph_of(estimator, methods, dtype)
    prefix = scope.get_unique_operator_name(type(estimator).__name__) + "_"
    graph = model.graph
    add_prefix(graph, prefix)
    for tensor in graph.initializer:
        as_bytes = numpy_helper.from_array(np.asarray(numpy_helper.to_array(tensor)))
        container.add_initializer(tensor.name, tensor.data_type, tensor.dims, as_bytes)
    cast = f"{prefix}cast"
    add(container, "Cast", [given.full_name], [cast], to=TYPES[dtype])
    # skl2onnx sorts nodes by the names of their inputs, and takes one that is left out for a name
    # of which it knows no node: so one node leaves out an output. This one hands on its input.
    named = any("" in node.output for node in container.nodes)
    add(container, "Dropout", [cast], [graph.input[0].name, ""][: 2 - named])
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        domain = {"op_domain": node.domain, "op_version": VERSION_OF_CATEGORIES}
        attributes |= domain if node.domain else {}
        add(container, node.op_type, list(node.input), list(node.output), **attributes)
    for inner, outer in zip(graph.output, operator.outputs, strict=True):
        add(container, "Identity", [inner.name], [outer.full_name])


def add(container, kind, inputs, outputs, **attributes):
    """A node of the version of operators that graphs are written in."""
    settings = {"op_version": OPSET, "name": outputs[0], **attributes}
    container.add_node(kind, inputs, outputs, **settings)


def graph_of_pipeline(pipeline, methods, X, dtype):
    """The graph of a Pipeline that ends in an estimator of skae."""
    last = pipeline.steps[-1][1]
    methods_of(last)  # which says what cannot be exported
    missing = [method for method in methods if not hasattr(pipeline, method)]
    if missing:
        raise NotImplementedError(f"A Pipeline has no {missing}: export its last step alone.")
    kind = FloatTensorType if dtype == np.float32 else DoubleTensorType
    types = [("X", kind([None, pipeline.n_features_in_]))]
    if X is not None:
        types = guess_initial_types(X, None)
        if not hasattr(X, "columns"):
            types = [("X", kind([None, *np.shape(X)[1:]]))]
        types = [(name, kind(t.shape) if type(t) in PRECISIONS else t) for name, t in types]
    options = {id(last): {OPTION: methods}}
    try:
        model = convert_sklearn(pipeline, initial_types=types, options=options, target_opset=OPSET)
    except (MissingShapeCalculator, MissingConverter) as error:
        raise NotImplementedError(
            f"The Pipeline has a step that skl2onnx does not know: {error}"
        ) from error
    return model

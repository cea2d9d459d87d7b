"""From what methods do to a graph of ONNX."""

import logging
import warnings
from contextlib import contextmanager
from math import log, pi

import torch
from onnx import TensorProto
from onnx.inliner import inline_local_functions
from sklearn.pipeline import Pipeline

from ..around.classifier import AutoencoderClassifier
from ..around.imputer import AutoencoderImputer
from ..around.outlier_detector import AutoencoderOutlierDetector
from ..around.regressor import AutoencoderRegressor
from ..nn.tracing import tracing
from .columns import INNER, Ends, check_columns, mixed
from .detectors import OfDetector
from .imputers import OfImputer
from .methods import OF_CODES, methods_of
from .pipelines import OfPipeline
from .solver import solve
from .supervised import OfSupervised

# The version of ONNX's operators that graphs are written in.
OPSET = 18
N_EXAMPLES = 3  # rows that are traced; a graph takes any number
# What onnxruntime computes in float32 only, on CPUs.
SINGLE = {
    "Conv",
    "ConvTranspose",
    "Elu",
    "Erf",
    "GRU",
    "LSTM",
    "LeakyRelu",
    "Mish",
    "Resize",
    "Selu",
    "Softplus",
}
for kind, of_kind in {
    AutoencoderClassifier: OfSupervised,
    AutoencoderImputer: OfImputer,
    AutoencoderOutlierDetector: OfDetector,
    AutoencoderRegressor: OfSupervised,
    Pipeline: OfPipeline,
}.items():
    methods_of.register(kind, lambda estimator, of_kind=of_kind: of_kind)
TYPES = {torch.float32: TensorProto.FLOAT, torch.float64: TensorProto.DOUBLE}
# Stirling's series of log gamma is exact to 1e-16 from here on.
LARGE = 12


def graph_of(estimator, methods, dtype):
    """The graph of methods of a fitted estimator, as a model of ONNX.

    It takes one input, of any number of rows in the precision ``dtype``, and has an output for
    each method, of its name. Of a frame of mixed columns, each column is an input, and an output
    of the methods that give rows.

    Raises
    ------
    NotImplementedError
        If it cannot be exported, with the reason.
    """
    kind = methods_of(estimator)
    taken, given = mixed(estimator, "_format"), mixed(estimator, "_target_format")
    if not (taken or given):
        return model_of(kind(estimator, methods, dtype), methods)
    for format in {taken, given} - {None}:
        check_columns(format, type(estimator).__name__, kind.fills)
    # Dates are numbers that float32 cannot tell apart.
    model = model_of(kind(estimator, methods, torch.float64), methods)
    add_prefix(model.graph, INNER)
    ends = Ends(model, TYPES[dtype])
    if taken and methods[0] not in OF_CODES:
        ends.take(taken)
    else:
        ends.take_whole()
    for method in methods:
        if method in kind.of_rows and given:
            ends.give(given, method, kind.fills)
        else:
            ends.give_whole(method)
    ends.written()
    return model


def model_of(program, methods):
    """The model of ONNX of a module of `Methods`, whose flat rows are its input."""
    try:
        model = written(program, methods)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise NotImplementedError(
            f"{program.name} has a module that torch.onnx cannot write down (see the cause above): "
            "its forward may depend on the values of rows, or call what ONNX does not have."
        ) from error
    program.finish(model)
    return model


def written(program, methods):
    """What torch writes down of it."""
    example = torch.zeros(N_EXAMPLES, *program.takes, dtype=program.dtype_given)
    with tracing(), torch.no_grad(), quietly():
        exported = torch.export.export(
            program.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("rows")},)
        )
        if any(node.target in IN_STEPS for node in exported.graph.nodes):
            exported = exported.run_decompositions(IN_STEPS)
        model = torch.onnx.export(
            exported,
            dynamo=True,
            opset_version=OPSET,
            input_names=[program.given],
            output_names=list(methods),
            custom_translation_table={torch.ops.aten._linalg_solve_ex.default: solutions},
            verbose=False,
        )
    model = inline_local_functions(model.model_proto)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    return in_single_where_needed(model)


def solutions(matrices, vectors, left=True, check_errors=False):
    """The first of what torch's solver gives; no other is used."""
    return (solve(matrices, vectors),)


@contextmanager
def quietly():
    """Without what the exporter says of its own steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def log_gamma(x):
    """The logarithm of the gamma function of positive numbers, which ONNX does not have."""
    z, below = x.double(), 0.0
    for i in range(LARGE):
        below = below + torch.log(z + i)
    z = z + LARGE
    series = 1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5) - 1 / (1680 * z**7)
    return ((z - 0.5) * torch.log(z) - z + 0.5 * log(2 * pi) + series - below).to(x.dtype)


def log_sigmoid(x):
    """The logarithm of a sigmoid, which is finite where the sigmoid is zero."""
    return x.clamp(max=0) - torch.log1p(torch.exp(-x.abs()))


# What ONNX does not have, or not exactly.
IN_STEPS = {
    torch.ops.aten.lgamma.default: log_gamma,
    torch.ops.aten.log_sigmoid.default: log_sigmoid,
}


def in_single_where_needed(model):
    """A model whose nodes of the kinds of `SINGLE` compute in float32, and the others as before."""
    import numpy as np
    from onnx import helper, numpy_helper, shape_inference

    if not any(node.op_type in SINGLE for node in model.graph.node):
        return model
    known = shape_inference.infer_shapes(model).graph
    double = {
        info.name
        for info in [*known.value_info, *known.input, *known.output]
        if info.type.tensor_type.elem_type == TensorProto.DOUBLE
    }
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    double |= {n for n, tensor in constants.items() if tensor.data_type == TensorProto.DOUBLE}
    nodes, single = [], {}
    for node in model.graph.node:
        if node.op_type not in SINGLE:
            nodes.append(node)
            continue
        for i, name in enumerate(node.input):
            if name not in double:
                continue
            if name not in single:
                single[name] = f"{name}_single"
                if name in constants:
                    array = numpy_helper.to_array(constants[name]).astype(np.float32)
                    model.graph.initializer.append(numpy_helper.from_array(array, single[name]))
                else:
                    to = {"to": TensorProto.FLOAT}
                    nodes.append(helper.make_node("Cast", [name], [single[name]], **to))
            node.input[i] = single[name]
        nodes.append(node)
        for i, name in enumerate(node.output):
            if name in double:
                node.output[i] = f"{name}_of_single"
                to = {"to": TensorProto.DOUBLE}
                nodes.append(helper.make_node("Cast", [node.output[i]], [name], **to))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def add_prefix(graph, prefix):
    """Put a prefix before all names of a graph, and of the bodies of its loops."""
    for named in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        named.name = prefix + named.name
    for node in graph.node:
        node.input[:] = [name and prefix + name for name in node.input]
        node.output[:] = [name and prefix + name for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                add_prefix(attribute.g, prefix)

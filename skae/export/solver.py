"""Linear systems in ONNX, which has no solver: elimination, one column after the other."""

from onnxscript import DOUBLE, opset18, script

op = opset18


@script(default_opset=op)
def solve(matrices: DOUBLE[...], vectors: DOUBLE[...]) -> DOUBLE[...]:
    """``A^-1 B`` of positive definite matrices, which need no pivots: (n, p, p) and (n, p, m)."""
    left = op.Concat(matrices, vectors, axis=2)
    n_columns = op.Gather(op.Shape(matrices), 1)
    for i in range(n_columns):
        # Of nothing outside: skl2onnx does not see what the body of a loop needs.
        places = op.Range(0, op.Gather(op.Shape(left), 1), 1)
        row = op.Gather(left, i, axis=1)
        pivot = op.Gather(row, op.Reshape(i, [1]), axis=1)
        row = row / pivot
        # Its own row less its pivot but one: what is left of that row is the row itself.
        column = op.Gather(left, i, axis=2) - op.CastLike(op.Equal(places, i), pivot)
        left = left - op.Unsqueeze(column, [2]) * op.Unsqueeze(row, [1])
    return op.Slice(left, op.Reshape(n_columns, [1]), [9223372036854775807], [2])

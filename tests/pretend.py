"""A device that is none: tensors say that they lie elsewhere, and refuse those of the CPU.

What holds on it holds on a GPU: nothing is mixed, and it is counted how often the host waits for
the device, or sends to it. Inside, all is computed by the CPU.
"""

from collections import Counter
from contextlib import contextmanager
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from skae.nn.randomness import Draws

ATEN = torch.ops.aten
# The autograd engine has no thread of its own for this kind, and nothing else uses it.
DEVICE = torch.device("lazy", 0)
# What cannot go on before it knows what is on the device: sizes that depend on values.
WAITS = {
    ATEN._local_scalar_dense.default,
    ATEN._linalg_check_errors.default,
    ATEN._unique2.default,
    ATEN.bincount.default,
    ATEN.equal.default,
    ATEN.is_nonzero.default,
    ATEN.masked_select.default,
    ATEN.nonzero.default,
    ATEN.repeat_interleave.Tensor,
}
# A mask among the indices is counted before.
BY_INDEX = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default}
COPIES = {ATEN._to_copy.default, ATEN.copy_.default, ATEN._copy_from.default}


class Elsewhere(torch.Tensor):
    """A tensor of the pretended device; ``held`` is the one of the CPU that stands for it."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
            requires_grad=False,
        )

    def __init__(self, held):
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func is ATEN._has_compatible_shallow_copy_type.default:  # asked when `data` is set
            return True
        raise AssertionError(f"{func} is called on the pretended device after its end")

    def __repr__(self):
        return f"Elsewhere({self.held})"


class Pretended(TorchDispatchMode):
    """Within, `DEVICE` can be asked for; ``counts`` says what the host did for it."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func._can_decompose():  # in inference mode, where autograd has not yet done it
            with self:
                return func.decompose(*args, **kwargs)
        given = tree_leaves((args, kwargs))
        tensors = [t for t in given if isinstance(t, torch.Tensor)]
        there = [t for t in tensors if isinstance(t, Elsewhere)]
        asked = kwargs.get("device")
        asked = None if asked is None else torch.device(asked)
        if not there and (asked is None or asked.type != DEVICE.type):
            return func(*args, **kwargs)
        if func in COPIES or func in BY_INDEX:
            self._count_copies(func, args, asked)
        elif func in WAITS:
            self.counts["waits"] += 1
        else:
            strangers = [t for t in tensors if not isinstance(t, Elsewhere) and t.ndim]
            assert not there or not strangers, f"{func} mixes tensors of two devices"
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        inside = tree_map_only(Elsewhere, lambda t: t.held, (args, kwargs))
        answer = func(*inside[0], **inside[1])
        if torch.Tag.inplace_view in func.tags:  # the shape of what stands outside, too
            args[0].data = Elsewhere(args[0].held)
        if func in COPIES and (asked or args[0].device).type != DEVICE.type:
            return answer
        known = {id(t.held): t for t in there}  # in place: the same tensor
        if func is ATEN._to_copy.default and asked is not None:
            answer = answer.clone() if id(answer) in known else answer
        # What is a view of a parameter is no inference tensor, wherever it is made.
        with torch.inference_mode(False):
            return tree_map_only(
                torch.Tensor, lambda t: known[id(t)] if id(t) in known else Elsewhere(t), answer
            )

    def _count_copies(self, func, args, asked):
        if func in BY_INDEX:
            index = [t for t in args[1] if t is not None]
            self.counts["waits"] += any(t.dtype in (torch.bool, torch.uint8) for t in index)
            self.counts["sent"] += any(not isinstance(t, Elsewhere) for t in index)
            return
        source = args[0] if func is ATEN._to_copy.default else args[1]
        target = source.device if func is ATEN._to_copy.default else args[0].device
        target = asked or target
        if source.device.type != target.type:
            self.counts["sent" if target.type == DEVICE.type else "waits"] += 1


@contextmanager
def pretended():
    """The pretended device for a while."""
    of_place = Draws.on

    def on(draws, device):  # one stream of numbers for both, so that all answers are the same
        return of_place(draws, torch.device("cpu") if device.type == DEVICE.type else device)

    swaps = torch.__future__.get_swap_module_params_on_conversion()
    # `module.double()` sets `parameter.data`, which leaves what a subclass holds.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with Pretended() as mode, mock.patch.object(Draws, "on", on):
            yield mode.counts
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)

"""What is said when something is wrong, and the promise that a failed fit changes nothing."""

import functools
import os
import sys
import warnings

OUR_OWN = ("skae", "sklearn", "contextlib")


def warn(message, category):
    """Warn at the line of the user's that led here, however many decorators lie between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in OUR_OWN:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def unchanged_on_failure(method):
    """Decorate a fitting method: if it raises, the estimator is left as it was."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return guarded


def memory_bytes():
    """The memory of this machine: what is asked for beyond it is refused before it hangs."""
    if not hasattr(os, "sysconf"):  # Windows
        return 2**40
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class NotFiniteError(ValueError):
    """What a net answers would be infinite, or not a number."""


def listed(names, most=5):
    """Names in an error: the first few, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{names[:most]}{more}"

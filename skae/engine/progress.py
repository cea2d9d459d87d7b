"""What is told while nets train: by a bar if it is asked for, and to the log in any case."""

import logging
import math
import time
from contextlib import contextmanager

from tqdm.auto import tqdm

# After so many seconds without a bar the log says once what is going on, be it asked or not.
SILENCE = 60


class Progress:
    """Tells of the epochs of one phase of a fit.

    The logger ``skae.<estimator>`` gets the phases at the level INFO and the epochs at DEBUG. A
    WARNING tells whoever asked for nothing that a fit takes long.
    """

    def __init__(self, estimator, phase, max_epochs, verbose):
        self.log = logging.getLogger(f"skae.{estimator}")
        self.phase = phase
        self.max_epochs = max_epochs
        self.verbose = verbose

    @contextmanager
    def since(self, epoch):
        """Epochs from this one on are trained within; those before it were in an earlier call."""
        self.log.info("%s: from epoch %d to at most %d", self.phase, epoch, self.max_epochs)
        self._quiet_until = math.inf if self.verbose else time.monotonic() + SILENCE
        settings = {"desc": self.phase, "unit": "epoch", "disable": not self.verbose}
        with tqdm(total=self.max_epochs, initial=epoch - 1, **settings) as self._bar:
            yield

    def epoch(self, epoch, loss):
        """An epoch has ended."""
        self._bar.update()
        self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
        state = self.phase, epoch, self.max_epochs, loss
        self.log.debug("%s: epoch %d of at most %d, loss %.4g", *state)
        if time.monotonic() > self._quiet_until:
            self._quiet_until = math.inf
            self.log.warning(
                "%s takes more than a minute: epoch %d of at most %d, loss %.4g. verbose=1 shows "
                "how it goes on.",
                *state,
            )

    def end(self, n_epochs, loss, best_epoch):
        """The phase has ended: the best loss was that of an epoch."""
        state = self.phase, n_epochs, loss, best_epoch
        self.log.info("%s: ended after epoch %d; the lowest loss is %.4g, of epoch %d", *state)

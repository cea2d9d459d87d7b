"""New rows of a model of their distribution: of codes, and of rows given these."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._errors import warn
from ..engine.batches import Batch
from ..engine.seeds import Redirected, as_random_state, draw_seed
from ..nn.randomness import Draws, drawing, randn
from ..nn.variational import log_likelihood
from ..rows.given import Given
from .generation import check_n_samples

# Codes that are drawn for each row, and at least, of which those are kept that the columns that are
# asked for are likely under; and of how many there must be some that are.
CODES_FOR_A_ROW = 20
FEWEST_CODES = 5000
FEWEST_EFFECTIVE = 10


class DrawnRowsMixin:
    """`sample` of a family whose module is a `VariationalEncoderDecoder`."""

    def sample(self, n_samples=1, *, random_state=None, condition=None, mean="auto"):
        """New rows: codes from the prior, and rows from the likelihood.

        Of a frame of mixed columns it gives a frame with the same columns, dtypes and categories.
        There, codes are drawn from a density that was learned of draws from the posteriors of
        training rows (as also with a ``code_density`` of your own), and not from the prior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows.
        random_state : int, RandomState instance or None, default=None
            Of the draws.
        condition : array-like or dict, default=None
            If `fit` was given a condition: what is known of the rows, as there; one value is for
            all rows. Else a dict of columns and the values that they are to have, as in
            ``{"sex": "female"}``: codes are drawn as likely as these values are under them, and the
            other columns given the codes.
        mean : bool or "auto", default="auto"
            Whether to give the likelihood's mean for each code, or a draw from the likelihood.
            "auto": the mean of numbers alone, draws where columns are of several kinds.

        Returns
        -------
        X_new : ndarray of shape (n_samples, `n_outputs_`), or a frame

        Raises
        ------
        ValueError
            If a condition is missing, or names columns or values that `fit` has not seen.

        Warns
        -----
        UserWarning
            If next to no code goes with the values that are asked for, so that rows repeat.
        """
        check_is_fitted(self)
        check_n_samples(n_samples, self.code_size_ + self._n_outputs)
        random_state = as_random_state(random_state)
        fixed = None
        if isinstance(condition, dict):
            if self._condition_encoder is None:
                fixed = self._fixed(condition)
                condition = None
            else:
                condition = self._condition_encoder.ordered(condition)
        if fixed is None:
            codes = self._codes_of_rows(n_samples, random_state)
        else:
            codes = self._codes_with(fixed, n_samples, random_state)
        condition = self._check_condition(condition, codes)
        if not self._target_format.is_mixed if mean == "auto" else mean:
            rows = self._decode(codes, condition)
        else:
            inputs = Given(codes, condition=condition).inputs
            with drawing(Draws(draw_seed(random_state))), Redirected():
                rows = self.net_.map_batches(lambda module, *z: module.draw(*z), *inputs)
            rows = self._exact(rows)
        if fixed is not None:
            rows[:, ~np.isnan(fixed)] = fixed[~np.isnan(fixed)]
        return self._restored(rows, codes)

    def _codes_of_rows(self, n_samples, random_state):
        """Codes from the prior, or from the density that stands for it."""
        learned = self._target_format.is_mixed and self._condition_encoder is None
        if self.code_density is not None or learned:
            return self._draw_codes(n_samples, random_state)
        codes = random_state.normal(size=(n_samples, self.code_size_))
        return codes.astype(self._code_range[0].dtype)

    def _fixed(self, values):
        """A flat row of the values asked for; NaN elsewhere."""
        row = np.full(self._target_format.n_numbers, np.nan)
        self._target_format.place_values(row, values)
        return row

    def _codes_with(self, fixed, n_samples, random_state):
        """Codes drawn by how likely the values of some columns are under them (Rubin, 1987)."""
        n = max(FEWEST_CODES, CODES_FOR_A_ROW * n_samples)
        codes = self._codes_of_rows(n, random_state)
        row = torch.from_numpy(fixed.astype(codes.dtype))

        def fit(module, z):
            target = module.target_units(row.to(z).expand(len(z), -1))
            observed = ~target.isnan()
            batch = Batch(target, target.nan_to_num(), observed)
            return log_likelihood(module, module.distribution(z), batch)[:, None]

        weights = self.net_.map_batches(fit, codes)[:, 0].astype(float)
        weights = np.exp(weights - weights.max())
        weights /= weights.sum()
        if 1 / np.sum(weights**2) < min(FEWEST_EFFECTIVE, n_samples):
            warn(
                f"Of {n} codes next to none goes with the values that condition asks for: the rows "
                "have few codes in common. Ask for fewer columns, or values that are less rare.",
                UserWarning,
            )
        return codes[random_state.choice(n, n_samples, p=weights)]

    def _codes_for_density(self, given):
        """Draws from the posteriors: what the rows' codes are, rather than their means."""

        def of_rows(module, *x):
            posterior = module.encode_distribution(*x)
            return posterior.mean + posterior.stddev * randn(posterior.mean.shape, posterior.mean)

        with drawing(Draws(self._seed)), Redirected():
            return self.net_.map_batches(of_rows, *given.inputs)

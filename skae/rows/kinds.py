"""Kinds of columns of a frame: how each becomes numbers, and comes back as it was.

A column is a pandas Series here, whatever frame it is of.
"""

import datetime
import decimal
from collections import Counter

import numpy as np

MOST_FOR_NUMBERS = 2**53  # larger whole numbers are not all floats
# A column of texts is an identifier if it has so many rows, nearly as many values, or long ones.
ROWS_OF_AN_IDENTIFIER = 20
SHARE_OF_AN_IDENTIFIER = 0.9
SECONDS_OF_A_DAY = 24 * 3600


class Kind:
    """One kind of column. All its attributes are plain, so that files can hold them."""

    width = 1  # numbers for each entry
    is_category = False

    @classmethod
    def of(cls, observed):
        """The kind of a column with these entries, none of them missing; None if it is another."""
        raise NotImplementedError

    def numbers(self, column, missing):
        """Entries as numbers, of shape (n, width); NaN where they are missing or unknown."""
        raise NotImplementedError

    def values(self, numbers):
        """Entries, as a Series, for numbers of shape (n, width)."""
        raise NotImplementedError


class Number(Kind):
    """A number, of any dtype, or what reads as one: objects, Decimals, texts such as "1.5"."""

    def __init__(self, observed, form=None):
        self.dtype, self.form = str(observed.dtype), form
        numbers = as_floats(observed)
        finite = numbers[np.isfinite(numbers)]
        self.whole = bool(len(finite) and np.all(finite == np.rint(finite)))
        self.is_integer = form is None and kind_of_dtype(observed.dtype) in "iu"
        self.bounds = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
        self.places = 0
        if form == "decimal":
            self.places = max(0, *(-int(value.as_tuple().exponent) for value in observed))
        elif form == "text" and not self.whole:
            self.places = max(len(value.strip().partition(".")[2]) for value in observed)

    @classmethod
    def of(cls, observed):
        from pandas.api.types import infer_dtype, is_bool_dtype, is_numeric_dtype

        if is_numeric_dtype(observed.dtype) and not is_bool_dtype(observed.dtype):
            return cls(observed)
        form = infer_dtype(observed, skipna=False)
        if form in ("integer", "floating", "mixed-integer-float"):
            return cls(observed, "object")
        if form == "decimal":
            return cls(observed, "decimal")
        if form == "string" and all(map(reads_as_number, observed)):
            return cls(observed, "text")
        return None

    def numbers(self, column, missing):
        numbers = np.full(len(column), np.nan)
        numbers[~missing] = as_floats(column[~missing])
        return numbers[:, None]

    def values(self, numbers):
        import pandas as pd

        numbers = numbers[:, 0].astype(float)
        if self.whole:  # which bounds it: a count is not negative, a rating not above the highest
            numbers = np.rint(numbers).clip(*self.bounds)
        if self.form == "decimal":
            unit = decimal.Decimal(1).scaleb(-self.places)
            values = [decimal.Decimal(float(x)).quantize(unit) for x in numbers]
            return pd.Series(values, dtype=object)
        if self.form is not None:
            values = [int(x) if self.whole else float(x) for x in numbers]
            if self.form == "text":
                values = [f"{value:.{self.places}f}" for value in values]
            return pd.Series(values, dtype=self.dtype)
        if self.is_integer and max(map(abs, self.bounds)) >= MOST_FOR_NUMBERS:
            numbers = np.array([int(x) for x in numbers], dtype=object)
        return pd.Series(numbers).astype(self.dtype)


class Moment(Kind):
    """A date with its time, a period or a duration, of pandas' dtypes; seconds to the net."""

    def __init__(self, dtype, zone):
        self.dtype, self.zone = dtype, zone

    @classmethod
    def of(cls, observed):
        import pandas as pd
        from pandas.api.types import infer_dtype, is_datetime64_any_dtype, is_timedelta64_dtype

        dtype = observed.dtype
        if isinstance(dtype, pd.PeriodDtype):
            return cls(str(dtype), None)
        if is_datetime64_any_dtype(dtype) or is_timedelta64_dtype(dtype):
            zone = getattr(dtype, "tz", None)
            return cls(str(dtype), None if zone is None else str(zone))
        if infer_dtype(observed, skipna=False) in ("datetime", "datetime64", "timedelta"):
            return cls.of(pd.Series(list(observed)))  # which finds the dtype that they are of
        return None

    def numbers(self, column, missing):
        import pandas as pd

        numbers = np.full(len(column), np.nan)
        known = pd.Series(list(column[~missing]))
        if len(known):
            if self.dtype.startswith("timedelta"):
                known = pd.to_timedelta(known).dt.total_seconds()
                numbers[~missing] = known.to_numpy()
            else:
                if self.dtype.startswith("period"):
                    known = known.dt.to_timestamp()
                known = pd.to_datetime(known, utc=True).dt.tz_localize(None)
                start = np.datetime64("1970-01-01", "us")
                numbers[~missing] = (known.to_numpy("M8[us]") - start).astype(float) / 1e6
        return numbers[:, None]

    def values(self, numbers):
        import pandas as pd

        micros = np.rint(numbers[:, 0] * 1e6).astype(np.int64)
        if self.dtype.startswith("timedelta"):
            return pd.Series(micros.view("m8[us]")).astype(self.dtype)
        moments = pd.Series(micros.view("M8[us]"))
        if self.dtype.startswith("period"):
            return moments.dt.to_period(self.dtype[len("period[") : -1])
        if self.zone is not None:
            moments = moments.dt.tz_localize("UTC").dt.tz_convert(self.zone)
        return moments.astype(self.dtype)


class Day(Kind):
    """A date as Python has it; days to the net."""

    def __init__(self, dtype):
        self.dtype = dtype

    @classmethod
    def of(cls, observed):
        is_date = [type(value) is datetime.date for value in observed]
        return cls(str(observed.dtype)) if all(is_date) else None

    def numbers(self, column, missing):
        numbers = np.full(len(column), np.nan)
        numbers[~missing] = [value.toordinal() for value in column[~missing]]
        return numbers[:, None]

    def values(self, numbers):
        import pandas as pd

        last = datetime.date.max.toordinal()
        days = np.rint(numbers[:, 0]).clip(1, last).astype(int).tolist()
        return pd.Series([datetime.date.fromordinal(day) for day in days], dtype=self.dtype)


class Clock(Kind):
    """A time of day as Python has it; seconds to the net."""

    def __init__(self, dtype):
        self.dtype = dtype

    @classmethod
    def of(cls, observed):
        is_time = [isinstance(value, datetime.time) for value in observed]
        return cls(str(observed.dtype)) if all(is_time) else None

    def numbers(self, column, missing):
        numbers = np.full(len(column), np.nan)
        numbers[~missing] = [
            value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
            for value in column[~missing]
        ]
        return numbers[:, None]

    def values(self, numbers):
        import pandas as pd

        midnight = datetime.datetime(2000, 1, 1)
        seconds = numbers[:, 0].clip(0, SECONDS_OF_A_DAY - 1e-6).tolist()
        times = [(midnight + datetime.timedelta(seconds=s)).time() for s in seconds]
        return pd.Series(times, dtype=object).astype(self.dtype)


class Category(Kind):
    """One of few values, as indicators of which one is 1.

    Of more than ``max_categories`` values the rarest share one indicator, and come back as the most
    frequent of them. A value that was not there in `learn` is not known: NaN.
    """

    is_category = True

    def __init__(self, observed, max_categories=None):
        counts, dtype = Counter(observed.tolist()), observed.dtype
        kept = sorted(counts, key=lambda value: (-counts[value], str(value)))
        self.infrequent = ()
        if max_categories is not None and len(kept) > max_categories:
            cut = max(1, max_categories - 1)
            kept, self.infrequent = kept[:cut], tuple(kept[cut:])
        kept = sorted(kept, key=lambda value: (str(type(value)), value if comparable(value) else 0))
        self.categories = tuple(kept)
        self.dtype = str(dtype)
        self.levels = None  # those of pandas' dtype, of which some may never occur
        if self.dtype == "category":
            self.levels = tuple(dtype.categories.tolist())
            self.ordered = bool(dtype.ordered)
        ranks = [*self.categories, *self.infrequent]
        self.most_frequent = max(ranks, key=counts.get, default=None)

    @classmethod
    def of(cls, observed, max_categories=None):
        try:
            return cls(observed, max_categories)
        except TypeError as error:
            raise TypeError(
                f"it holds {type(observed.iloc[0]).__name__} objects, which are neither "
                "numbers nor values of a category: drop it, or make columns of it."
            ) from error

    @property
    def width(self):
        return len(self.categories) + bool(self.infrequent)

    def places(self, column, missing):
        """The number of the indicator of each entry; -1 where it is missing or unknown."""
        numbers = {value: i for i, value in enumerate(self.categories)}
        numbers.update(dict.fromkeys(self.infrequent, len(self.categories)))
        places = np.full(len(column), -1)
        places[~missing] = [numbers.get(value, -1) for value in column[~missing]]
        return places

    def numbers(self, column, missing):
        places = self.places(column, missing)
        indicators = (places[:, None] == np.arange(self.width)).astype(float)
        indicators[places < 0] = np.nan
        return indicators

    def values(self, numbers):
        import pandas as pd

        names = [*self.categories, *self.infrequent[:1]]
        values = [names[i] for i in numbers.argmax(axis=1).tolist()]
        if self.levels is None:
            return pd.Series(values, dtype=self.dtype)
        dtype = pd.CategoricalDtype(list(self.levels), self.ordered)
        return pd.Series(pd.Categorical(values, dtype=dtype))


class Unlearned(Kind):
    """An identifier, a text, or a column without entries: nothing is learned of it."""

    width = 0

    def __init__(self, dtype, is_identifier):
        self.dtype, self.is_identifier = dtype, is_identifier

    def numbers(self, column, missing):
        return np.empty((len(column), 0))

    def values(self, numbers):
        import pandas as pd

        return pd.Series([None] * len(numbers), dtype=object)

    def constant(self, n):
        """A column without entries, filled as scikit-learn's imputers do: by 0, texts by None."""
        import pandas as pd
        from pandas.api.types import is_numeric_dtype, pandas_dtype

        if is_numeric_dtype(pandas_dtype(self.dtype)):
            return pd.Series(np.zeros(n)).astype(self.dtype)
        return self.values(np.empty((n, 0)))


def kind_of(column, missing, is_category=False, max_categories=None):
    """The kind of a column, some of whose entries are missing.

    Parameters
    ----------
    column : pandas.Series
    missing : ndarray of bool
    is_category : bool
        Whether the user says that it is one.
    max_categories : int or None
        Of a category.
    """
    from pandas import CategoricalDtype
    from pandas.api.types import is_bool_dtype

    observed = column[~missing]
    if not len(observed):
        return Unlearned(str(column.dtype), is_identifier=False)
    if is_category or isinstance(column.dtype, CategoricalDtype) or is_bool_dtype(column.dtype):
        return Category.of(observed, max_categories)
    if any(isinstance(value, complex) for value in observed):
        raise ValueError("it holds complex numbers: give their real and imaginary parts.")
    for kind in (Number, Moment, Day, Clock):
        found = kind.of(observed)
        if found is not None:
            is_whole = isinstance(found, Number) and found.whole
            return unlearned(observed) if is_whole and is_counter(observed) else found
    return unlearned(observed) if is_identifier(observed) else Category.of(observed, max_categories)


def unlearned(observed):
    """The kind of an identifier."""
    return Unlearned(str(observed.dtype), is_identifier=True)


def is_identifier(observed):
    """Whether texts are names of rows, and not of classes of rows."""
    n = len(observed)
    try:
        n_values = len(set(observed))
    except TypeError:  # no values of a category
        return False
    return n >= ROWS_OF_AN_IDENTIFIER and n_values > SHARE_OF_AN_IDENTIFIER * n


def is_counter(observed):
    """Whether whole numbers count the rows: each once, and next to none left out."""
    n = len(observed)
    if n < ROWS_OF_AN_IDENTIFIER:
        return False
    numbers = as_floats(observed)
    return len(np.unique(numbers)) == n and np.ptp(numbers) < 1.1 * n


def as_floats(observed):
    """Entries that are numbers, or read as such, as floats."""
    if observed.dtype == object or kind_of_dtype(observed.dtype) not in "iufb":
        return np.array([float(value) for value in observed], dtype=float)
    return observed.to_numpy(dtype=float)


def kind_of_dtype(dtype):
    """Numpy's letter of the kind of a dtype of numbers, be it numpy's or pandas' own."""
    return getattr(dtype, "kind", "O")


def reads_as_number(text):
    """Whether a text is a number, and not a code of digits such as "007"."""
    text = text.strip()
    digits = text.lstrip("+-")
    if digits[:1] == "0" and digits[1:2].isdigit():
        return False
    try:
        return np.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def comparable(value):
    """Whether values of this type can be sorted."""
    return isinstance(value, str | int | float | bool)

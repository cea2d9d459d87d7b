"""Some borderline rows and odd parameters for every estimator: `fuzz.py` draws as many as asked."""

import pytest
from discovery import ALL_ESTIMATORS, over
from fuzz import draw

# Enough to see that all of this runs; what more of them found has tests of its own.
DRAWS = range(8)


@pytest.mark.filterwarnings("ignore")
@over(ALL_ESTIMATORS)
def test_it_answers_or_says_what_is_wrong(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a checkpoint may be asked for anywhere
    for seed in DRAWS:
        draw(cls, seed)

"""The families: one estimator in each file."""

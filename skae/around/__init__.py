"""Estimators that hold a clone of a family."""

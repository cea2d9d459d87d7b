"""Graphs for inference: what fitted estimators do to rows, without skae, scikit-learn and torch."""

"""Training: batches, nets, objectives, seeds."""

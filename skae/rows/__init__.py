"""The door: how users' X becomes flat rows of floats, and back."""

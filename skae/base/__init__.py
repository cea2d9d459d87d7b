"""What a family is made of."""

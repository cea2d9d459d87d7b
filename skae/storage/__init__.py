"""Values in files without code: the lists of what may stand there, and the file."""

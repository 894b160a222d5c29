"""The command line: options in, use case, view out."""

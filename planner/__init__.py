"""What to do: from a Git revision to a reviewed plan to an ordered apply."""

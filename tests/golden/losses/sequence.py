"""Sequence losses: CTC and its kin."""

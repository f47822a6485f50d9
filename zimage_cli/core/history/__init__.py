"""The history: what was asked for, and what became of it."""

"""A run: many pictures, the money they cost, and what ends it."""

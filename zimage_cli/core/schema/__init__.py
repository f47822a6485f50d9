"""JSON Schemas of what zimage reads and prints."""

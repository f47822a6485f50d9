"""One picture: asked for, fetched, saved and written down."""

"""Pictures are made here: one engine for one picture and for ten thousand."""

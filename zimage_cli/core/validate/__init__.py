"""What `validate` and `regions ping` look at."""

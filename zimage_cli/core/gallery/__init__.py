"""A page of pictures to look at, in one HTML file."""

"""A request, and the requests that one stands for: fields, sizes, seeds, names, prices."""

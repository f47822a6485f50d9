"""Z-Image Turbo, Alibaba Model Studio's fast text-to-image model, from the terminal."""

__version__ = "0.1.0"

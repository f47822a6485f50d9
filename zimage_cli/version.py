"""The version of this package: read by the build, and by what does not need the package itself."""

__version__ = "0.1.0"

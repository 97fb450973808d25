"""Errors that npcnn raises itself."""


class FileFormatError(ValueError):
    """A file is broken, or is not what it claims to be."""

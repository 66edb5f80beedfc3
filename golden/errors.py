"""The two ways good code meets bad data."""


class FormatError(ValueError):
    """A file or a bit stream is not what FORMAT.md describes (damaged, truncated, or of another kind)."""


class UncodableError(ValueError):
    """A value falls into a row whose probability count is zero, so the table has no code for it."""

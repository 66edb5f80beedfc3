"""The one exception of the package."""


class SynthError(Exception):
    """Synthesis, timing or place and route could not give a figure; the message is one line for the user."""

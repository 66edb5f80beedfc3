"""Footprints for people: a report in one HTML file, and a table in Markdown."""

from .markdown import markdown
from .page import html

__all__ = ["html", "markdown"]

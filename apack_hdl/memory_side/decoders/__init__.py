"""The decoders with their buffers."""

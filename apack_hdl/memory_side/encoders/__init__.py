"""The encoders with their buffers."""

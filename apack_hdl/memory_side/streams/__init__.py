"""The accelerator's streams."""

"""From blocks to what is to be read or written of the memory: forms, directory, checksums."""

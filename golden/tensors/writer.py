"""Writing tensor packs, one array at a time; README.md of this folder describes every field."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np


class PackWriter:
    """A tensor pack being written: a context manager whose file appears whole, or on an exception not at all.

    Parameters
    ----------
    path : the ``.npz`` file. info : what is known of the model, a dict for JSON; it may be added to until the end.

    Raises OSError where the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike, info: dict):
        self.path, self.info, self.entries = Path(os.path.realpath(path)), info, []
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")

    def __enter__(self) -> "PackWriter":
        self._archive = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                text = json.dumps({"info": self.info, "tensors": self.entries}, sort_keys=True)
                self._write("meta", np.frombuffer(text.encode(), np.uint8))
            self._archive.close()
            if kind is None:
                os.replace(self._part, self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def add(self, array: np.ndarray, entry: dict) -> None:
        """Append a tensor. ``entry`` has kind, name, bits, shape and what else is known; ``n_total`` values in all.

        ``array`` is stored flat, in C order; key, dtype, n_stored and the entropy are filled in.
        """
        letter = {"weight": "w", "activation": "a"}.get(entry["kind"], "t")
        key = f"{letter}{sum(e['key'][0] == letter for e in self.entries):04d}"
        flat = np.ascontiguousarray(array).reshape(-1)
        self._write(key, flat)
        found = {"key": key, "dtype": str(flat.dtype), "n_stored": flat.size, "h_stored": round(entropy(flat), 4)}
        self.entries.append(entry | found)

    def _write(self, key: str, array: np.ndarray) -> None:
        info = zipfile.ZipInfo(f"{key}.npy")  # dated 1980, so that equal packs are equal files
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._archive.open(info, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, array, allow_pickle=False)


def entropy(values: np.ndarray) -> float:
    """Order-0 entropy of an integer array of 8 or 16 bits, in bits per value; 0 if it is empty."""
    if not values.size:
        return 0.0
    codes = values.view(f"u{values.dtype.itemsize}") if values.dtype.itemsize <= 2 else values
    counts = np.bincount(codes)
    share = counts[counts > 0] / values.size
    return max(0.0, float(-(share * np.log2(share)).sum()))

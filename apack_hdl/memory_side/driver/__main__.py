"""``python -m apack_hdl.memory_side.driver``: write the files of this folder that are made."""

from golden.container import write_atomic

from . import FOLDER, documents

for name, text in documents().items():
    write_atomic(FOLDER / name, text.encode())

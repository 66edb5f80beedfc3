"""What the tensors of models take as ``.apack`` files, everything counted, beside bounds and other schemes.

FOOTPRINT.md defines every figure.
"""

from .figures import measure
from .run import document, footprint, model_footprint, workers
from .settings import ACTIVATION_TABLES, Settings, together
from .single import pack_footprint, tensor_footprint
from .sizes import Sizes, tensor_sizes
from .totals import group_of, model_document, summary, totals

__all__ = [
    "ACTIVATION_TABLES", "Settings", "Sizes", "document", "footprint", "group_of", "measure", "model_document",
    "model_footprint", "pack_footprint", "summary", "tensor_footprint", "tensor_sizes", "together", "totals", "workers",
]

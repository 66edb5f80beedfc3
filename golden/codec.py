"""Between numpy tensors and W-bit codes: which dtypes are taken, how a value becomes a code and back."""

import numpy as np

from .config import check_int

# Item size (bytes) and sign of every dtype a container can hold: the numpy integers.
_KINDS = {"i": True, "u": False}
_ALLOWED = "int8, int16, int32, int64, uint8, uint16, uint32 or uint64 (either byte order)"


def check_array(name: str, array) -> np.ndarray:
    """``array`` as an integer ndarray of at most 32 dimensions (numpy's limit before 2.0).

    Raises TypeError naming the dtypes there are for anything else: floats must be quantized first,
    and a masked array would lose its mask.
    """
    if not isinstance(array, (np.ndarray, np.generic)) or isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a numpy array, not {type(array).__name__}")
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"{name} must have dtype {_ALLOWED}, not {array.dtype}")
    check_int(f"dimensions of {name}", array.ndim, 0, 32)
    return np.asarray(array)


def default_bits(dtype: np.dtype) -> int:
    """W when none is asked for: the whole item. Raises ValueError for items wider than the codec's 16 bits."""
    if dtype.itemsize > 2:
        raise ValueError(f"bits must be given (2..16) for values of dtype {dtype}, whose items are wider than 16 bits")
    return dtype.itemsize * 8


def fits_dtype(bits: int, signed: bool, dtype: np.dtype) -> bool:
    """Whether every W-bit code, read as two's complement (``signed``) or not, is a value of ``dtype``."""
    if not _KINDS[dtype.kind]:
        return not signed and bits <= dtype.itemsize * 8
    return bits + (not signed) <= dtype.itemsize * 8  # an unsigned code leaves the dtype's sign bit alone


def is_signed(array: np.ndarray, bits: int) -> bool:
    """Whether ``array`` becomes two's complement codes of W = ``bits`` bits, or unsigned ones.

    Two's complement if the dtype is signed and all values are in ``-2**(W-1)..2**(W-1)-1``; unsigned if they
    are all in ``0..2**W-1``. Raises ValueError naming the range and the value that fits neither, or
    W if the dtype is narrower than that.
    """
    check_int("bits", bits, 2, min(16, array.dtype.itemsize * 8), f"dtype {array.dtype}")
    signed = _KINDS[array.dtype.kind]
    if not array.size:
        return signed
    low, high, half = int(array.min()), int(array.max()), 1 << (bits - 1)
    if signed and -half <= low and high < half:
        return True
    if 0 <= low and high < 2 * half:
        return False
    allowed = f"{-half}..{half - 1} or all in 0..{2 * half - 1}" if signed else f"0..{2 * half - 1}"
    bad = low if low < -half else high
    raise ValueError(f"values must all be in {allowed} for bits = {bits}, not {bad}")


def code_type(bits: int) -> type:
    """The dtype of codes: uint8 up to W = 8, uint16 above."""
    return np.uint8 if bits <= 8 else np.uint16


def to_codes(array: np.ndarray, bits: int) -> tuple[np.ndarray, bool]:
    """W-bit codes of an integer tensor of any shape, and whether they are two's complement.

    Codes are uint8 (W <= 8) or uint16, one-dimensional, in C order; they may share the tensor's memory.
    Raises TypeError for a dtype that is not an integer, ValueError for W or a value out of range.
    """
    array = check_array("array", array)
    return mask_codes(array.reshape(-1), bits), is_signed(array, bits)


def mask_codes(values: np.ndarray, bits: int) -> np.ndarray:
    """The W low bits of each value (known to fit): uint8 or uint16."""
    unsigned = code_type(bits)
    if values.dtype.itemsize == 1:
        codes = values.view(unsigned)
    else:
        codes = values.astype(unsigned)  # conversion between integers keeps the low bits
    return codes if bits == codes.itemsize * 8 else codes & unsigned((1 << bits) - 1)


def from_codes(codes: np.ndarray, bits: int, signed: bool, dtype) -> np.ndarray:
    """The values that W-bit ``codes`` stand for, as ``dtype``, in the codes' shape: the inverse of :func:`to_codes`.

    Raises TypeError for codes or a dtype of the wrong kind, ValueError if the dtype cannot hold every code.
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in _KINDS:
        raise TypeError(f"dtype must be {_ALLOWED}, not {dtype}")
    check_int("bits", bits, 2, 16)
    if not isinstance(codes, np.ndarray) or codes.dtype != code_type(bits):
        raise TypeError(f"codes must be an array of {code_type(bits).__name__} for bits = {bits}")
    if not fits_dtype(bits, signed, dtype):
        kind = "two's complement" if signed else "unsigned"
        raise ValueError(f"dtype must be one that holds all {kind} codes of {bits} bits, not {dtype}")
    if codes.size and bits < codes.itemsize * 8:
        check_int("codes", codes.max(), 0, (1 << bits) - 1)
    if signed:
        spare = codes.itemsize * 8 - bits
        codes = (codes << spare).view(f"i{codes.itemsize}") >> spare
    return codes.astype(dtype)

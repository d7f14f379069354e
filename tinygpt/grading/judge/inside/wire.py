"""Values as frames of a pipe: a JSON header and raw bytes, both ways, never pickle.

The judge and the worker both use this file. The worker runs a copy of it alone in a sandbox, so it imports
nothing of tinygpt. Whatever is read here may be forged: a frame decodes to plain data, or raises `Forged`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST = 16 << 20  # bytes of one frame; the largest answer of the course has a few thousand numbers
DEEPEST = 50  # lists inside lists
_HEAD = struct.Struct("<II")
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
_ARRAYS = {str(np.dtype(kind)) for kind in ("?", *"bBhHiIlLqQefdFD")}


class Forged(Exception):
    """Bytes that no honest partner sends: too many, of the wrong form, or cut off."""


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """A message ready to be written: two lengths, the header as JSON, the raw bytes.

    Raises:
        Forged: The message is larger than the other side will read.
    """
    text = json.dumps(header).encode()
    if len(text) + len(body) > LARGEST:
        raise Forged(f"a message may have {LARGEST:,} bytes; this one has {len(text) + len(body):,}.")
    return _HEAD.pack(len(text), len(body)) + text + body


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """The next message; `read(n)` must give exactly n bytes.

    Raises:
        Forged: The message is too large or no JSON object.
    """
    text, body = _HEAD.unpack(read(_HEAD.size))
    if text + body > LARGEST:
        raise Forged(f"a message may have {LARGEST:,} bytes; this one announces {text + body:,}.")
    try:
        header = json.loads(read(text))
    except (ValueError, RecursionError, MemoryError) as error:
        raise Forged(f"the header is no JSON: {type(error).__name__}.") from None
    if not isinstance(header, dict):
        raise Forged("the header is no JSON object.")
    return header, read(body)


class Writer:
    """Turns values into JSON and collects the raw bytes of arrays beside it.

    Args:
        other: Says how to write a value of any other type; it gets the value and this writer.
    """

    def __init__(self, other: Callable[[Any, Writer], dict[str, Any]]) -> None:
        self.body = bytearray()
        self.other = other

    def put(self, value: Any, depth: int = 0) -> Any:
        """The JSON of a value: itself where JSON has it, else an object whose "is" names the type."""
        if depth > DEEPEST:
            raise Forged(f"lists may be {DEEPEST} deep; this value goes deeper.")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) in (list, tuple, set, frozenset):
            return {"is": type(value).__name__, "of": [self.put(item, depth + 1) for item in value]}
        if type(value) is dict:
            pairs = [[self.put(k, depth + 1), self.put(v, depth + 1)] for k, v in value.items()]
            return {"is": "dict", "of": pairs}
        if type(value) is bytes:
            return {"is": "bytes", "raw": self._raw(value)}
        if isinstance(value, Tensor) and str(value.dtype).removeprefix("torch.") in _DTYPES:
            return self._tensor(value)
        if isinstance(value, (np.ndarray, np.generic)) and str(value.dtype) in _ARRAYS:
            self._room(value.nbytes)
            raw = self._raw(np.ascontiguousarray(value).tobytes())
            kind = "array" if isinstance(value, np.ndarray) else "number"
            return {"is": kind, "dtype": str(value.dtype), "shape": list(value.shape), "raw": raw}
        return self.other(value, self)

    def _raw(self, data: bytes) -> list[int]:
        self._room(len(data))
        start = len(self.body)
        self.body += data
        return [start, len(data)]

    def _room(self, size: int) -> None:
        """Asked before anything is copied."""
        if len(self.body) + size > LARGEST:
            raise Forged(f"a message may have {LARGEST:,} bytes; this one has more.")

    def _tensor(self, tensor: Tensor) -> dict[str, Any]:
        """Axes go in the order in which they lie in memory, since `view` can tell the difference."""
        self._room(tensor.numel() * tensor.dtype.itemsize)
        tensor = tensor.detach().to("cpu")
        tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
        axes = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))
        laid = tensor.resolve_conj().resolve_neg().permute(axes).contiguous()
        raw = self._raw(laid.flatten().view(torch.uint8).numpy().tobytes())
        dtype = str(tensor.dtype).removeprefix("torch.")
        return {"is": "tensor", "dtype": dtype, "shape": list(laid.shape), "axes": axes, "raw": raw}


class Reader:
    """Turns JSON and raw bytes back into values.

    Args:
        body: The raw bytes of the frame.
        other: Reads objects of any other type: it gets the JSON object and this reader.
    """

    def __init__(self, body: bytes, other: Callable[[dict[str, Any], Reader], Any]) -> None:
        self.body = body
        self.other = other

    def take(self, found: Any) -> Any:
        """The value that `Writer.put` wrote.

        Raises:
            Forged: It is not of that form, whatever is wrong with it.
        """
        try:
            return self._take(found)
        except Forged:
            raise
        except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
            raise Forged(f"a value cannot be read: {type(error).__name__}.") from None

    def _take(self, found: Any, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise Forged(f"lists may be {DEEPEST} deep; this value goes deeper.")
        if not isinstance(found, dict):
            if isinstance(found, list):
                raise Forged("a bare list.")
            return found
        kinds = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
        if found["is"] in kinds:
            return kinds[found["is"]](self._take(item, depth + 1) for item in found["of"])
        if found["is"] == "dict":
            return {self._take(k, depth + 1): self._take(v, depth + 1) for k, v in found["of"]}
        if found["is"] == "bytes":
            return self._bytes(found)
        if found["is"] == "tensor":
            return self._tensor(found)
        if found["is"] in ("array", "number"):
            return self._array(found)
        return self.other(found, self)

    def _bytes(self, found: dict[str, Any]) -> bytes:
        start, length = found["raw"]
        if not 0 <= start <= start + length <= len(self.body):
            raise Forged("raw bytes outside of the frame.")
        return self.body[start : start + length]

    def _shape(self, found: dict[str, Any], width: int, data: bytes) -> list[int]:
        shape = found["shape"]
        whole = all(type(n) is int and 0 <= n <= LARGEST for n in shape)
        if not whole or len(shape) > 32 or prod(shape) * width != len(data):
            raise Forged("a shape that does not fit the bytes.")
        if prod(max(n, 1) for n in shape) * width > LARGEST:  # as lists, nothing in millions of rows is much
            raise Forged("a shape with more rows than an answer has.")
        return shape

    def _tensor(self, found: dict[str, Any]) -> Tensor:
        data, dtype = self._bytes(found), _DTYPES[found["dtype"]]
        shape, axes = self._shape(found, dtype.itemsize, data), found["axes"]
        if sorted(axes) != list(range(len(shape))):
            raise Forged("axes that are none.")
        if dtype is torch.bool and data.translate(None, b"\0\1"):
            raise Forged("a truth value that is neither.")
        flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return flat.view(shape).permute([axes.index(axis) for axis in range(len(axes))])

    def _array(self, found: dict[str, Any]) -> np.ndarray | np.generic:
        if found["dtype"] not in _ARRAYS:
            raise Forged("an array of something else than numbers.")
        data, dtype = self._bytes(found), np.dtype(found["dtype"])
        array = np.frombuffer(data, dtype).reshape(self._shape(found, dtype.itemsize, data)).copy()
        return array[()] if found["is"] == "number" else array

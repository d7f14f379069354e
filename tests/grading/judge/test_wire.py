"""What crosses the pipe comes out as it went in, and nothing else comes out."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch

from tinygpt.grading.judge.inside import wire


def refuse(*args):
    raise wire.Forged("of another type")


def over(value):
    """The value after a trip through the pipe."""
    writer = wire.Writer(refuse)
    data = wire.frame({"done": writer.put(value)}, bytes(writer.body))
    header, body = wire.read_frame(reading(data))
    return wire.Reader(body, refuse).take(header["done"])


def reading(data: bytes):
    rest = iter([data])
    held = bytearray(next(rest))

    def read(n: int) -> bytes:
        part = bytes(held[:n])
        del held[:n]
        return part

    return read


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -(10**40), 2.5, "ü", b"\0\xff", [1, [2.0, "x"]], (1, ()), {1: "a", (2, 3): [4]}, {5}],
    ids=repr,
)
def test_plain_values_come_back_in_their_types(value):
    got = over(value)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("dtype", sorted(wire._DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_tensors_come_back_bit_by_bit(dtype, shape):
    tensor = (torch.randn(shape) * 3).to(wire._DTYPES[dtype])
    got = over(tensor)
    assert got.dtype == tensor.dtype and got.shape == tensor.shape
    assert torch.equal(got, tensor)


def test_a_tensor_keeps_how_it_lies_in_memory():
    """Else `view` on it would work for the judge's copy and fail in the notebook."""
    tensor = torch.randn(2, 4, 3).mT
    assert over(tensor).stride() == tensor.stride()
    assert torch.equal(over(tensor), tensor)


def test_not_a_number_survives():
    assert over(float("nan")) != over(float("nan"))
    assert over(torch.tensor([float("nan"), float("inf")])).isnan().tolist() == [True, False]


@pytest.mark.parametrize("value", [np.float64(2.5), np.int32(3), np.arange(6).reshape(2, 3), np.array(True)])
def test_numpy_stays_numpy(value):
    got = over(value)
    assert type(got) is type(value) and got.dtype == value.dtype
    assert np.array_equal(got, value)


def test_other_types_are_left_to_the_partner():
    with pytest.raises(wire.Forged, match="of another type"):
        over(object())
    with pytest.raises(wire.Forged, match="of another type"):
        over([range(3)])


def test_a_list_that_holds_itself_is_refused():
    endless: list = []
    endless.append(endless)
    with pytest.raises(wire.Forged, match="50 deep"):
        over(endless)


def test_an_array_that_is_too_large_is_refused_before_it_is_copied():
    with pytest.raises(wire.Forged, match="16,777,216 bytes"):
        over(torch.zeros(1).expand(10**12))


TENSOR = {"is": "tensor", "dtype": "float32", "shape": [2], "axes": [0], "raw": [0, 8]}


@pytest.mark.parametrize(
    "found",
    [
        [],
        {},
        {"is": []},
        {"is": "list", "of": 3},
        {"is": "dict", "of": [[{"is": "list", "of": []}, 1]]},
        {"is": "dict", "of": [[1]]},
        {"is": "bytes", "raw": [4, 99]},
        {"is": "bytes", "raw": [-4, 4]},
        {"is": "bytes", "raw": ["0", 4]},
        {**TENSOR, "dtype": "object"},
        {**TENSOR, "shape": [3]},
        {**TENSOR, "shape": [-1, -2]},
        {**TENSOR, "shape": [2.0]},
        {**TENSOR, "shape": [True, 2], "axes": [0, 0]},
        {**TENSOR, "shape": [1 << 23, 0], "axes": [0, 1], "raw": [0, 0]},
        {**TENSOR, "shape": [2] + [1] * 60, "axes": list(range(61))},
        {**TENSOR, "axes": [1]},
        {**TENSOR, "axes": []},
        {**TENSOR, "dtype": "bool", "shape": [8]},
        {"is": "array", "dtype": "O", "shape": [1], "raw": [0, 8]},
        {"is": "array", "dtype": "M8[s]", "shape": [1], "raw": [0, 8]},
        {"is": "module", "name": "os"},
    ],
    ids=json.dumps,
)
def test_a_forged_value_is_refused(found):
    with pytest.raises(wire.Forged):
        wire.Reader(b"\x07" * 8, refuse).take(found)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<II", 1 << 31, 0),
        struct.pack("<II", 10, 1 << 31),
        struct.pack("<II", 2, 0) + b"[]",
        struct.pack("<II", 4, 0) + b"nope",
        struct.pack("<II", 2, 0) + b"\xff\xfe",
        struct.pack("<II", 200_000, 0) + b"[" * 200_000,
        struct.pack("<II", 9000, 0) + b"1" * 9000,
    ],
    ids=["header", "body", "a list", "no JSON", "no UTF-8", "deep", "long number"],
)
def test_a_forged_frame_is_refused(data):
    with pytest.raises(wire.Forged):
        wire.read_frame(reading(data))

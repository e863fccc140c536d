#!/usr/bin/env python3
"""Writes the request of the large load scenarios: mean_squared_error over two F32 tensors of 262,144 elements.

Usage: make_payload.py FILE

The same bytes on every machine. The file holds one lossd.v1.EvaluateRequest (GradientRequest has the same fields with
the same numbers) behind its length as a varint: without the length, ghz may take the first bytes of a message for one.
Written with the wire format in hand, so that neither protobuf for Python nor generated code is needed.
"""
import array
import random
import sys

ELEMENTS = 262_144
F32 = 1
# Field numbers of proto/lossd/v1.
REQUEST_LOSS, REQUEST_Y_TRUE, REQUEST_Y_PRED = 1, 5, 6
TENSOR_DTYPE, TENSOR_SHAPE, TENSOR_RAW = 1, 2, 16


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field, payload):
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def tensor(values):
    raw = array.array("f", values)
    if sys.byteorder == "big":
        raw.byteswap()
    return (
        varint(TENSOR_DTYPE << 3)
        + varint(F32)
        + delimited(TENSOR_SHAPE, varint(len(raw)))
        + delimited(TENSOR_RAW, raw.tobytes())
    )


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    numbers = random.Random(20240229)
    y_true, y_pred = ([numbers.uniform(-1, 1) for _ in range(ELEMENTS)] for _ in range(2))
    message = (
        delimited(REQUEST_LOSS, b"mean_squared_error")
        + delimited(REQUEST_Y_TRUE, tensor(y_true))
        + delimited(REQUEST_Y_PRED, tensor(y_pred))
    )
    with open(sys.argv[1], "wb") as file:
        file.write(varint(len(message)) + message)


if __name__ == "__main__":
    main()

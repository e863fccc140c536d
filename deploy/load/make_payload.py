#!/usr/bin/env python3
"""Writes the requests of the load scenarios that send raw bytes.

Usage: make_payload.py FOLDER

  large.bin   mean_squared_error over two F32 tensors of 262,144 elements (2 MiB)
  rows.bin    sparse_categorical_crossentropy from logits: 256 rows of 1,024 classes in F32, labels in I32 (1 MiB)

The same bytes on every machine. A file holds one lossd.v1.EvaluateRequest (GradientRequest has the same fields with the
same numbers) behind its length as a varint: without the length, ghz may take the first bytes of a message for one.
Written with the wire format in hand, so that neither protobuf for Python nor generated code is needed.
"""
import array
import pathlib
import random
import sys

ELEMENTS = 262_144
ROWS, CLASSES = 256, 1_024
# Numbers of proto/lossd/v1.
REQUEST_LOSS, REQUEST_OPTIONS, REQUEST_Y_TRUE, REQUEST_Y_PRED = 1, 4, 5, 6
OPTIONS_INPUT_KIND, LOGITS = 1, 2
TENSOR_DTYPE, TENSOR_SHAPE, TENSOR_RAW = 1, 2, 16
DTYPES = {"f": 1, "i": 5}  # F32, I32


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field, number):
    return varint(field << 3) + varint(number)


def delimited(field, payload):
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def tensor(typecode, shape, values):
    raw = array.array(typecode, values)
    assert raw.itemsize == 4
    if sys.byteorder == "big":
        raw.byteswap()
    return (
        integer(TENSOR_DTYPE, DTYPES[typecode])
        + delimited(TENSOR_SHAPE, b"".join(map(varint, shape)))
        + delimited(TENSOR_RAW, raw.tobytes())
    )


def large(numbers):
    y_true, y_pred = ([numbers.uniform(-1, 1) for _ in range(ELEMENTS)] for _ in range(2))
    return (
        delimited(REQUEST_LOSS, b"mean_squared_error")
        + delimited(REQUEST_Y_TRUE, tensor("f", [ELEMENTS], y_true))
        + delimited(REQUEST_Y_PRED, tensor("f", [ELEMENTS], y_pred))
    )


def rows(numbers):
    labels = [numbers.randrange(CLASSES) for _ in range(ROWS)]
    logits = [numbers.uniform(-8, 8) for _ in range(ROWS * CLASSES)]
    return (
        delimited(REQUEST_LOSS, b"sparse_categorical_crossentropy")
        + delimited(REQUEST_OPTIONS, integer(OPTIONS_INPUT_KIND, LOGITS))
        + delimited(REQUEST_Y_TRUE, tensor("i", [ROWS], labels))
        + delimited(REQUEST_Y_PRED, tensor("f", [ROWS, CLASSES], logits))
    )


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (large, rows):
        message = make(random.Random(20240229))
        (folder / f"{make.__name__}.bin").write_bytes(varint(len(message)) + message)


if __name__ == "__main__":
    main()

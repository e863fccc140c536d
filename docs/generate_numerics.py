#!/usr/bin/env python3
"""Rewrites the tables of docs/numerics.md, between their markers, from what tests/conformance and tests/peers measured.

    LOSSD_GOLDEN_DIR=tests/golden build/release/tests/golden_test > golden.txt
    tests/peers/accuracy.py --address HOST:PORT --messages FOLDER > accuracy.md
    docs/generate_numerics.py golden.txt [accuracy.md]

Without accuracy.md the table of the peers is left as it is.
"""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).with_name("numerics.md")
LINE = re.compile(
    r"(?P<target>\S+) +(?P<loss>\S+) (?P<kind>\S+) (?P<clip>\S+) +worst ulp: F32 value (\S+) slope (\S+) "
    r"curvature (\S+), F64 value (\S+) slope (\S+) curvature (\S+); contract (?P<contract>.*)"
)
HEADING = [
    "| loss | y_pred | F32 value | F32 slope | F32 curvature | F64 value | F64 slope | F64 curvature "
    "| F64 contract, value / slope / curvature |"
]
RULE = ["|---|---|--:|--:|--:|--:|--:|--:|---|"]


def reading(kind, clip):
    """How a form is called in a sentence."""
    words = [] if kind == "INPUT_KIND_UNSPECIFIED" else [kind.lower().replace("_", "-")]
    return ", ".join(words + ([] if clip == "NO_CLIP" else [f"`{clip}`"]))


def measured(golden):
    """The rows of the widest instruction set, which golden_test prints first."""
    found = [match for line in golden.splitlines() if (match := LINE.match(line))]
    if not found:
        sys.exit("the first file has no line of golden_test")
    return [
        f"| {m['loss']} | {reading(m['kind'], m['clip'])} | {' | '.join(m.groups()[4:10])} | {m['contract']} |"
        for m in found
        if m["target"] == found[0]["target"]
    ]


def between(text, name, lines):
    begin, end = f"<!-- {name}: docs/generate_numerics.py -->\n", f"<!-- end of {name} -->"
    head, rest = text.split(begin)
    return head + begin + "\n" + "\n".join(lines) + "\n\n" + end + rest.split(end, 1)[1]


def main():
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    page = between(PAGE.read_text(), "lossd", HEADING + RULE + measured(pathlib.Path(sys.argv[1]).read_text()))
    if len(sys.argv) == 3:
        page = between(page, "peers", pathlib.Path(sys.argv[2]).read_text().strip().splitlines())
    PAGE.write_text(page)


if __name__ == "__main__":
    main()

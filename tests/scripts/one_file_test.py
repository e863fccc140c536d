#!/usr/bin/env python3
"""Adding a loss is one file and one name: counts, for every loss, the files of the library, the server, the clients and
the wire contract that know of it. There are two: its own, and the list of its topic, which includes it and names it once.
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("core", "server", "client/cpp", "proto") for path in sorted((ROOT / folder).rglob("*"))
           if path.suffix in (".h", ".cc", ".proto", ".txt")]
TEXT = {path: path.read_text() for path in SOURCES}
# Huber and Poisson are authors too: what comments and strings say does not count as knowing a struct.
CODE = {path: re.sub(r'//[^\n]*|R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\\n])*"', "", text) for path, text in TEXT.items()}
# A loss that smooths class indices says which loss reads rows: a contract may name another loss.
CONTRACT_REFERENCE = re.compile(r'\.dense_twin = "\w+"')


def losses():
    """(name, struct, file) of every loss."""
    for path in SOURCES:
        if path.parent.parent.name != "losses" or not path.name.endswith("-inl.h"):
            continue
        for struct, name in re.findall(r"struct (\w+) \{\s*static constexpr Contract kContract = \{\s*\.name = \"(\w+)\"",
                                       TEXT[path]):
            yield name, struct, path


class OneFile(unittest.TestCase):
    def test_there_are_losses(self):
        self.assertGreaterEqual(len(list(losses())), 100)

    def test_a_loss_is_known_to_its_own_file_and_to_the_list_of_its_topic(self):
        for name, struct, own in losses():
            with self.subTest(loss=name):
                quoted = [path for path, text in TEXT.items()
                          if f'"{name}"' in CONTRACT_REFERENCE.sub("", text) and f'name = "{name}"' in text]
                self.assertEqual(quoted, [own], "files that quote the name")
                topic = own.parent / f"{own.parent.name}.cc"
                named = [path for path, text in CODE.items() if re.search(rf"\b{struct}\b", text) and path != own]
                shared = [path for path in named if path.parent == own.parent and path != topic]  # kin in one header
                self.assertEqual([path for path in named if path not in shared], [topic], f"files that know {struct}")
                members = re.search(r"Losses<(.*?)>", TEXT[topic], re.S).group(1)
                self.assertEqual(re.findall(r"\w+", members).count(struct), 1)

    def test_the_list_of_a_topic_includes_each_of_its_files_once(self):
        for topic in {own.parent for _, _, own in losses()}:
            with self.subTest(topic=topic.name):
                includes = re.findall(r'#include "core/losses/[\w/]+/([\w]+-inl\.h)"', TEXT[topic / f"{topic.name}.cc"])
                files = {own.name for _, _, own in losses() if own.parent == topic}
                self.assertEqual(sorted(set(includes)), sorted(includes))
                self.assertLessEqual(files, set(includes))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))

#!/usr/bin/env python3
"""The load report: what it counts as a failure, and the request that the large scenarios send."""
import contextlib
import hashlib
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest

LOAD = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "load"
sys.dont_write_bytecode = True


def load_module(name):
    spec = importlib.util.spec_from_file_location(name, LOAD / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(module, *arguments):
    """Returns the exit status and what was printed."""
    output, saved = io.StringIO(), sys.argv
    sys.argv = [module.__name__, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(output):
            module.main()
        status = 0
    except SystemExit as exit_:
        status = exit_.code
    finally:
        sys.argv = saved
    return status, output.getvalue()


def ghz_report(ok, errors):
    return {
        "name": "some calls",
        "count": ok + sum(errors.values()),
        "rps": 1234.5,
        "errorDistribution": errors,
        "statusCodeDistribution": {"OK": ok} if ok else {},
        "latencyDistribution": [{"percentage": p, "latency": p * 1_000_000} for p in (50, 95, 99)],
        "details": [{"latency": 1}] * 3,
    }


class Report(unittest.TestCase):
    def setUp(self):
        self.report = load_module("report")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, ok, errors=None):
        (self.folder / f"{name}.json").write_text(json.dumps(ghz_report(ok, errors or {})))

    def test_passes_where_every_call_was_answered(self):
        self.write("good", ok=10)
        status, output = run(self.report, "one", self.folder, "good")
        self.assertEqual(status, 0)
        self.assertIn("p50 50.00 ms, p95 95.00 ms, p99 99.00 ms, 10 calls, 0 failed", output)

    def test_fails_where_one_call_in_many_failed_and_says_why(self):
        self.write("flaky", ok=9_999, errors={"rpc error: Unavailable": 1})
        status, output = run(self.report, "one", self.folder, "flaky")
        self.assertEqual(status, 1)
        self.assertIn("1 x rpc error: Unavailable", output)

    def test_fails_where_no_call_was_made(self):
        self.write("idle", ok=0)
        self.assertEqual(run(self.report, "one", self.folder, "idle")[0], 1)

    def test_one_bad_scenario_fails_them_all_and_the_report_names_it(self):
        self.write("good", ok=10)
        self.write("bad", ok=0, errors={"deadline": 4})
        status, _ = run(self.report, "all", self.folder, "good", "bad")
        self.assertEqual(status, 1)
        text = (self.folder / "report.md").read_text()
        self.assertIn("## bad failed", text)
        self.assertIn("- 4 x deadline", text)
        self.assertNotIn("## good failed", text)

    def test_server_cpu_is_told_by_call(self):
        self.write("good", ok=1000)
        (self.folder / "good.server_cpu").write_text("0.05\n")
        run(self.report, "all", self.folder, "good")
        self.assertIn("| good | 1,000 | 1,234 | 50.00 | 95.00 | 99.00 | 50 | 0 |", (self.folder / "report.md").read_text())

    def test_single_calls_are_taken_out_of_the_json(self):
        self.write("good", ok=10)
        run(self.report, "one", self.folder, "good")
        self.assertNotIn("details", json.loads((self.folder / "good.json").read_text()))


class Payload(unittest.TestCase):
    SHA256 = {
        "large.bin": "202b11ba70efea46c2ac8b6eaa6ff74a80c82076792b893b6fbf1cba6ca5eab3",
        "rows.bin": "f5e7fc8099598a1a2c6fc7dbb64955149ac38fa58dc3f54924a0e2f60a5dc865",
    }

    def test_is_one_length_delimited_message_and_the_same_everywhere(self):
        with tempfile.TemporaryDirectory() as folder:
            run(load_module("make_payload"), folder)
            files = {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}
        self.assertEqual({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}, self.SHA256)
        for name, data in files.items():
            with self.subTest(name):
                length = shift = at = 0
                while True:
                    byte = data[at]
                    length |= (byte & 0x7F) << shift
                    shift, at = shift + 7, at + 1
                    if byte < 0x80:
                        break
                self.assertEqual(length, len(data) - at)


class Scenarios(unittest.TestCase):
    def test_wait_for_their_last_answers_and_count_errors(self):
        files = sorted(LOAD.glob("*.json"))
        self.assertGreaterEqual(len(files), 5)
        for file in files:
            with self.subTest(file.name):
                scenario = json.loads(file.read_text())
                self.assertEqual(scenario["duration-stop"], "wait")
                self.assertTrue(scenario["count-errors"])
                self.assertTrue(scenario["disable-template-data"])


if __name__ == "__main__":
    unittest.main()

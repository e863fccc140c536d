#!/usr/bin/env python3
"""The reports of scripts/bench: what they conclude from results that were made up so that the answer is plain."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

REPORT = pathlib.Path(__file__).resolve().parents[2] / "bench" / "report"
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPORT))
import common
import docs
import peers
import rpc

MACHINE = {"processor": "a processor", "cores": 2, "instruction_set": "AVX2", "grpc": "1.51.1"}
MACHINE |= {"date": "2026-11-22", "quick": True}


def call(server, cpu, *, payload=256, in_flight=32, method="Evaluate", mode="unary", calls_per_second=1.0):
    rates = ["gigabytes_per_second", "p50_us", "p99_us", "p999_us", "cpu_seconds_per_gigabyte"]
    return {
        "scenario": f"{mode} {method} of {payload}, {in_flight}",
        "server": server,
        "method": method,
        "mode": mode,
        "loss": "mse",
        "payload_bytes": str(payload),
        "in_flight": str(in_flight),
        "wire": "tcp",
        "cpu_us_per_call": list(cpu),
        "calls_per_second": [calls_per_second] * len(cpu),
        **{rate: [1.0] * len(cpu) for rate in rates},
    }


def peer(side, seconds, *, case="huber", group="elementwise", size="L2"):
    about = {"case": case, "group": group, "size": size, "elements": 4, "request_bytes": 32, "threads": 1}
    return {**about, "value": 1.0, "note": "F32", "side": side, "seconds": list(seconds)}


def answers(targets):
    return {target.name: (round(target.measured, 6), target.met) for target in targets}


class Ratios(unittest.TestCase):
    def test_are_taken_within_a_round_so_that_drift_cancels(self):
        self.assertEqual(common.ratio([2, 20, 200], [1, 10, 100]), 2)

    def test_of_unequal_rounds_are_refused(self):
        with self.assertRaises(ValueError):
            common.ratio([1, 2], [1])


class Calls(unittest.TestCase):
    def test_small_calls_are_held_against_the_no_op_server_and_the_two_others(self):
        rows = [call("no-op", [10, 10]), call("lossd", [12, 12]), call("plain", [24, 24]), call("python", [360, 360])]
        found = answers(rpc.targets({"machine": MACHINE, "calls": rows}))
        name = "unary Evaluate of 256, 32"
        self.assertEqual(found[f"{name}: CPU over no-op"], (1.2, False))
        self.assertEqual(found[f"small calls, CPU of the plain server over lossd's (least: {name})"], (2, False))
        self.assertEqual(found[f"small calls, CPU of the python server over lossd's (least: {name})"], (30, True))

    def test_large_calls_are_held_against_the_no_op_server_and_the_kernel_together(self):
        shape = {"payload": 2 << 20, "in_flight": 8}
        document = {
            "machine": MACHINE,
            "calls": [call("no-op", [300], **shape), call("lossd", [440], **shape)],
            "kernels": [{**call("in process", [100], **shape)}],
        }
        self.assertEqual(list(answers(rpc.targets(document)).values()), [(1.1, True)])

    def test_a_stream_is_held_against_the_same_calls_one_by_one(self):
        rows = [
            call("lossd", [1], calls_per_second=100.0),
            call("lossd", [1], mode="stream", calls_per_second=160.0),
            call("lossd", [1], in_flight=1, calls_per_second=100.0),  # the target is for 32 in flight
            call("lossd", [1], mode="stream", in_flight=1, calls_per_second=110.0),
        ]
        found = answers(rpc.targets({"machine": MACHINE, "calls": rows}))
        self.assertEqual(found, {"stream Evaluate of 256, 32: calls/s over unary": (1.6, True)})

    def test_memory_and_start_have_targets_of_their_own(self):
        memory = {"idle_bytes": [1], "peak_bytes_per_call": [120], "call_bytes": [100]}
        document = {
            "machine": MACHINE,
            "memory": [{"scenario": "large", "server": server, **memory} for server in ("no-op", "lossd")],
            "start": [{"server": "lossd", "milliseconds": [50, 70, 60], "idle_bytes": [41e6]}],
        }
        expected = [(1.2, False), (60, True), (41, False)]
        self.assertEqual(list(answers(rpc.targets(document)).values()), expected)

    def test_small_calls_beside_large_ones_have_a_table_of_their_own(self):
        rates = ["calls_per_second", "p50_us", "p99_us", "p999_us", "large_calls_per_second", "large_p50_us"]
        row = {"scenario": "small, beside large", "server": "lossd", **{rate: [1, 3, 2] for rate in rates}}
        sections = dict(rpc.sections({"machine": MACHINE, "beside": [{**row, "cpu_share": [0.5, 0.7, 0.6]}]}))
        expected = "| small, beside large | lossd | 2 | 2 | 2 | 2 | 2 | 2 | 0.6 |"
        self.assertIn(expected, sections["Small calls beside large ones"])

    def test_what_was_not_measured_has_no_line(self):
        self.assertEqual(rpc.targets({"machine": MACHINE, "calls": [call("lossd", [1])]}), [])


class Peers(unittest.TestCase):
    def test_the_least_speedup_is_named_and_the_mean_is_geometric(self):
        rows = [peer("lossd", [1], case=c) for c in ("a", "b")]
        rows += [peer("PyTorch 0 eager", [2], case="a"), peer("PyTorch 0 eager", [50], case="b")]
        found = answers(peers.targets({"machine": MACHINE, "calls": rows}))
        start = "over PyTorch 0 eager, elementwise losses in L2"
        self.assertEqual(found[f"{start} (least: a, 1 thread)"], (2, False))
        self.assertEqual(found[f"{start}, geometric mean"], (10, True))

    def test_a_remote_call_counts_where_it_is_faster(self):
        rows = [peer("lossd", [1], case=c) for c in ("a", "b")]
        rows += [peer("lossd over TCP", [5], case=c) for c in ("a", "b")]
        rows += [peer("PyTorch 0 eager", [4], case="a"), peer("PyTorch 0 eager", [6], case="b")]
        found = answers(peers.targets({"machine": MACHINE, "calls": rows}))
        name = "lossd over TCP over PyTorch 0 eager, L2 sizes, share of 2 cases that are faster"
        self.assertEqual(found[name], (50, False))


    def test_lossd_is_bound_by_memory_where_memcpy_takes_more_than_half_as_long(self):
        rows = [peer("lossd", [1]), peer("memcpy", [0.8])]
        rows += [peer("lossd", [1], case="b"), peer("memcpy", [0.3], case="b")]
        runs = peers.Runs(rows)
        bounds = [peers.bound(runs, measured) for measured in runs.measured]
        self.assertEqual(bounds, ["memory, 80% of memcpy's rate", "arithmetic in float, 30% of memcpy's rate"])


class Documentation(unittest.TestCase):
    def test_says_where_there_are_no_results(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as errors:
            saved, sys.argv = sys.argv, ["docs.py", folder, folder]
            self.assertEqual(docs.main(), 1)
            sys.argv = saved
        self.assertIn("run scripts/bench", errors.getvalue())


if __name__ == "__main__":
    unittest.main()

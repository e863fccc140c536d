"""Compares a server with its peers: PyTorch, or Keras and optax on JAX.

    compare.py --peer torch|jax --address HOST:PORT --messages FOLDER [--cache FOLDER] [LOSS...]
    compare.py --peer torch|jax [LOSS...]      the peers alone: do the tables run?

tests/peers/peers_test starts a server and runs this with the interpreter that has the peer.
"""

import argparse
import importlib
import os
import sys
import warnings

# Before a peer is imported: one Keras backend, no search for accelerators.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
# Each case is compiled for one call.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"

import harness
from client import Client


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=["torch", "jax"], required=True)
    parser.add_argument("--address")
    parser.add_argument("--messages")
    parser.add_argument("--cache", help="JAX keeps what it compiled in this folder")
    parser.add_argument("loss", nargs="*")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own: deprecations, reductions whose meaning will change

    tables = importlib.import_module(f"{arguments.peer}_cases")
    client = Client(arguments.address, arguments.messages) if arguments.address else None
    failed = harness.run(tables.ROWS, client, tables.Backend(arguments.cache), tables.peer_of_row, only=arguments.loss)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

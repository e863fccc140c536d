#!/usr/bin/env python3
"""The server that one would write in Python: grpcio, generated messages, PyTorch's losses and its autograd.

    python_server.py --listen_address=HOST:PORT|unix:/PATH --port_file=FILE --messages=FOLDER

FOLDER has what protoc and its gRPC plugin make of proto/.
"""

import argparse
import concurrent.futures
import signal
import sys
import threading
import warnings

import grpc
import torch
import torch.nn.functional as F

LOSSES = {"mse": F.mse_loss, "bce_with_logits": F.binary_cross_entropy_with_logits}


def tensor(message):
    return torch.frombuffer(message.raw, dtype=torch.float32).reshape(tuple(message.shape))


def make_service(messages):
    sys.path.insert(0, messages)
    from lossd.v1 import loss_service_pb2, loss_service_pb2_grpc, tensor_pb2

    class Service(loss_service_pb2_grpc.LossServiceServicer):
        def Evaluate(self, request, context):
            with torch.no_grad():
                value = LOSSES[request.loss](tensor(request.y_pred), tensor(request.y_true))
            return loss_service_pb2.EvaluateResponse(value=value.item())

        def Gradient(self, request, context):
            y_pred = tensor(request.y_pred).requires_grad_()
            value = LOSSES[request.loss](y_pred, tensor(request.y_true))
            value.backward()
            response = loss_service_pb2.GradientResponse(value=value.item())
            response.gradients["y_pred"].CopyFrom(
                tensor_pb2.Tensor(dtype=tensor_pb2.F32, shape=request.y_pred.shape, raw=y_pred.grad.numpy().tobytes())
            )
            return response

    return loss_service_pb2_grpc.add_LossServiceServicer_to_server, Service()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen_address", default="127.0.0.1:0")
    parser.add_argument("--port_file", required=True)
    parser.add_argument("--messages", required=True)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # a tensor over bytes cannot be written to; nobody does

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    add, service = make_service(arguments.messages)
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=10),  # as in gRPC's own examples
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    add(service, server)
    port = server.add_insecure_port(arguments.listen_address)
    server.start()
    unix = arguments.listen_address.startswith("unix:")
    with open(arguments.port_file, "w", encoding="utf-8") as file:
        host = arguments.listen_address.rpartition(":")[0]
        file.write((arguments.listen_address if unix else f"{host}:{port}") + "\n")
    stop.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    main()

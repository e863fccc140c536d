"""A client of lossd for tests: numpy arrays in, numpy arrays out.

The messages are made by protoc from proto/ (tests/peers/peers_test does it) and stand in the folder given to Client.
What a field or an enum value is called is looked up in them, so that a table may name what a server will have tomorrow:
that raises NotInContract, which a report shows as a failure of that row.
"""

import sys
from dataclasses import dataclass

import grpc
import numpy as np

_DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}
_NUMPY = {name: np.dtype(dtype) for dtype, name in _DTYPES.items()}
# Tensors that have a field of their own; every other name goes into `inputs`.
_FIELDS = ("y_true", "y_pred", "sample_weight", "element_weight", "class_weight", "class_mask", "pos_weight", "mask")


class NotInContract(Exception):
    """The .proto files have no such field or value."""


@dataclass(frozen=True)
class Answer:
    value: float  # None where the reduction is NONE
    per_item: np.ndarray  # None where it is not
    gradients: dict
    divisor: float
    valid_count: int
    message: object  # the whole response


class Client:
    def __init__(self, address, messages_folder):
        sys.path.insert(0, str(messages_folder))
        from lossd.v1 import catalogue_pb2, loss_service_pb2, options_pb2, tensor_pb2

        self._catalogue, self._service = catalogue_pb2, loss_service_pb2
        self._options, self._tensor = options_pb2, tensor_pb2
        self._channel = grpc.insecure_channel(
            address, options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        )

    def names(self):
        """Canonical name by every name under which a loss is served."""
        losses = self._call("ListLosses", self._catalogue.ListLossesRequest(), self._catalogue.ListLossesResponse).losses
        return {name: loss.name for loss in losses for name in [loss.name, *loss.aliases]}

    def evaluate(self, loss, inputs, params=None, options=None):
        """inputs: arrays by name (y_pred, y_true, sample_weight, ...). options: {"convention": "KERAS", ...}."""
        request = self._request(self._service.EvaluateRequest, loss, inputs, params, options)
        return self._answer(self._call("Evaluate", request, self._service.EvaluateResponse))

    def gradient(self, loss, inputs, params=None, options=None, with_respect_to=("y_pred",)):
        request = self._request(self._service.GradientRequest, loss, inputs, params, options)
        request.with_respect_to.extend(with_respect_to)
        return self._answer(self._call("Gradient", request, self._service.GradientResponse))

    def _call(self, method, request, response):
        call = self._channel.unary_unary(
            f"/lossd.v1.LossService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        return call(request, timeout=60)

    def _request(self, message, loss, inputs, params, options):
        request = message(loss=loss)
        if params:
            request.params.update(params)
        for name, value in (options or {}).items():
            self._set_option(request.options, name, value)
        for name, array in inputs.items():
            if name not in _FIELDS:
                request.inputs[name].CopyFrom(self._to_tensor(array))
            elif name not in request.DESCRIPTOR.fields_by_name:
                raise NotInContract(f"a request has no field {name}")
            else:
                getattr(request, name).CopyFrom(self._to_tensor(array))
        return request

    def _set_option(self, options, name, value):
        field = options.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            raise NotInContract(f"Options has no field {name}")
        if isinstance(value, str) and field.enum_type:
            if value not in field.enum_type.values_by_name:
                raise NotInContract(f"{field.enum_type.name} has no value {value}")
            value = field.enum_type.values_by_name[value].number
        if field.label == field.LABEL_REPEATED:
            getattr(options, name).extend(value)
        else:
            setattr(options, name, value)

    def _to_tensor(self, array):
        array = np.ascontiguousarray(array)
        dtype = self._tensor.DType.Value(_DTYPES[array.dtype.name])
        return self._tensor.Tensor(dtype=dtype, shape=array.shape, raw=array.tobytes())

    def _to_array(self, tensor):
        dtype = _NUMPY[self._tensor.DType.Name(tensor.dtype)]
        return np.frombuffer(tensor.raw, dtype).reshape(tuple(tensor.shape))

    def _answer(self, response):
        gradients = getattr(response, "gradients", {})
        return Answer(
            value=response.value if response.HasField("value") else None,
            per_item=self._to_array(response.per_item) if response.HasField("per_item") else None,
            gradients={name: self._to_array(gradients[name]) for name in gradients},
            divisor=response.divisor,
            valid_count=response.valid_count,
            message=response,
        )

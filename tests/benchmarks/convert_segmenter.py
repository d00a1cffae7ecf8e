"""Makes core/weights/selfie_segmenter*.onnx from the segmenters as Google publishes them, TFLite files.

    pip install tflite
    python -m tests.benchmarks.convert_segmenter selfie_segmenter_landscape.tflite selfie_segmenter.onnx
    python -m tests.benchmarks.convert_segmenter selfiesegmentation_mlkit-256x256-….tflite \
        selfie_segmenter_close.onnx

OpenVINO reads no TFLite file with MediaPipe's own transposed convolution in it. Nothing is changed but the
layout: weights stay the half-precision numbers of the file; the input becomes uint8, divided by 255 inside.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
TRANSPOSED = "Convolution2DTransposeBias"
HALF, FULL = tflite.TensorType.FLOAT16, tflite.TensorType.FLOAT32
DTYPES = {HALF: np.float16, FULL: np.float32, tflite.TensorType.INT32: np.int32}
ELEMENTWISE = {"ADD": "Add", "MUL": "Mul", "RELU": "Relu", "LOGISTIC": "Sigmoid", "HARD_SWISH": "HardSwish"}
OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "RESIZE_BILINEAR": tflite.ResizeBilinearOptions,
}


class Converter:
    """One TFLite graph on its way to ONNX, whose pictures are 1xCxHxW."""

    def __init__(self, data: bytes, called: str) -> None:
        self._called = called
        self._model = tflite.Model.GetRootAsModel(data, 0)
        self._graph = self._model.Subgraphs(0)
        kinds = vars(tflite.BuiltinOperator).items()
        self._kinds = {value: name for name, value in kinds if isinstance(value, int)}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._widened: dict[int, int] = {}  # tensors in single precision to those in half, of the file

    def convert(self) -> onnx.ModelProto:
        """The whole graph, checked by onnx."""
        graph = self._graph
        entry, leaving = graph.Inputs(0), graph.Outputs(0)
        _, height, width, channels = self._shape(entry)
        for axis, name in ((0, "picture"), (1, "scaled"), (2, "unit")):
            into = ("scaled", "unit", self._name(entry))[axis]
            if axis == 0:
                self._add("Cast", [name], into, to=TensorProto.FLOAT)
            elif axis == 1:
                self._keep("per level", np.float32(1 / 255))
                self._add("Mul", [name, "per level"], into)
            else:
                self._add("Transpose", [name], into, perm=(0, 3, 1, 2))
        for index in range(graph.OperatorsLength()):
            self._operator(graph.Operators(index))
        made = helper.make_graph(
            self._nodes,
            self._called,
            [helper.make_tensor_value_info("picture", TensorProto.UINT8, (1, height, width, channels))],
            [helper.make_tensor_value_info(self._name(leaving), TensorProto.FLOAT, (1, 1, height, width))],
            list(self._weights.values()),
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _operator(self, op: Any) -> None:
        kind = self._kind(op)
        ins, out = op.InputsAsNumpy().tolist(), op.OutputsAsNumpy().tolist()[0]
        if kind == "DEQUANTIZE":
            self._widened[out] = ins[0]
        elif kind in ELEMENTWISE:
            self._add(ELEMENTWISE[kind], [self._name(k) for k in ins], self._name(out))
        elif kind == "MEAN" or (kind == "AVERAGE_POOL_2D" and self._shape(out)[1:3] == (1, 1)):
            self._add("ReduceMean", [self._name(ins[0])], self._name(out), axes=(2, 3), keepdims=1)
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(kind, ins, out, self._options(op, kind))
        elif kind == "RESIZE_BILINEAR":
            self._resize(ins, out, self._options(op, kind))
        elif kind == TRANSPOSED:
            self._transposed(ins, out)
        else:
            raise SystemExit(f"operator {kind} is not known here")

    def _convolution(self, kind: str, ins: list[int], out: int, options: Any) -> None:
        deep = kind == "DEPTHWISE_CONV_2D"
        assert options.FusedActivationFunction() == tflite.ActivationFunctionType.NONE
        assert (options.DilationHFactor(), options.DilationWFactor()) == (1, 1)
        assert options.Padding() == tflite.Padding.SAME or self._shape(ins[1])[1] == 1
        kernel = self._kernel(ins[1], (3, 0, 1, 2) if deep else (0, 3, 1, 2))
        names = [self._name(ins[0]), kernel, self._kernel(ins[2], (0,))]
        self._add(
            "Conv",
            names,
            self._name(out),
            strides=(options.StrideH(), options.StrideW()),
            auto_pad="SAME_UPPER",
            group=self._shape(ins[1])[3] if deep else 1,
        )

    def _transposed(self, ins: list[int], out: int) -> None:
        """Four pixels where one was, without overlap: a convolution of one pixel, and its four channels laid
        beside each other, in a tenth of the time that OpenVINO takes for a transposed one."""
        assert self._shape(ins[1])[:3] == (1, 2, 2), "one channel comes out, squares of 2x2"
        four = (4, self._shape(ins[1])[3], 1, 1)
        kernel = self._kernel(ins[1], (1, 2, 0, 3), four)
        self._add("Conv", [self._name(ins[0]), kernel], f"four {out}")
        self._add("Add", [f"four {out}", self._kernel(ins[2], (0,))], f"with bias {out}")
        self._add("DepthToSpace", [f"with bias {out}"], self._name(out), blocksize=2)

    def _resize(self, ins: list[int], out: int, options: Any) -> None:
        ways = {(0, 1): "half_pixel", (1, 0): "align_corners", (0, 0): "asymmetric"}
        way = ways[int(options.AlignCorners()), int(options.HalfPixelCenters())]
        _, before_h, before_w, _ = self._shape(ins[0])
        _, height, width, _ = self._shape(out)
        scales = f"scales {out}"
        self._keep(scales, np.float32([1, 1, height / before_h, width / before_w]))
        names = [self._name(ins[0]), "", scales]
        self._add("Resize", names, self._name(out), mode="linear", coordinate_transformation_mode=way)

    def _kernel(self, tensor: int, order: tuple[int, ...], shape: tuple[int, ...] | None = None) -> str:
        """The name of a weight, kept in half precision, in ONNX's order of axes, then in `shape`."""
        stored = self._widened.get(tensor, tensor)
        held = self._graph.Tensors(stored)
        numbers = self._model.Buffers(held.Buffer()).DataAsNumpy().view(DTYPES[held.Type()])
        half, name = f"half {tensor}", f"weight {tensor}"
        array = np.float16(numbers.reshape(self._shape(stored)).transpose(order))
        self._keep(half, array if shape is None else array.reshape(shape))
        self._add("Cast", [half], name, to=TensorProto.FLOAT)
        return name

    def _kind(self, op: Any) -> str:
        code = self._model.OperatorCodes(op.OpcodeIndex())
        name = self._kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        return code.CustomCode().decode() if name == "CUSTOM" else name

    @staticmethod
    def _options(op: Any, kind: str) -> Any:
        table, options = op.BuiltinOptions(), OPTIONS[kind]()
        options.Init(table.Bytes, table.Pos)
        return options

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._graph.Tensors(tensor).ShapeAsNumpy().tolist())

    @staticmethod
    def _name(tensor: int) -> str:
        return f"tensor {tensor}"

    def _keep(self, name: str, value: Any) -> None:
        self._weights[name] = numpy_helper.from_array(np.asarray(value), name)

    def _add(self, kind: str, ins: list[str], out: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, ins, [out], **attributes))


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    onnx.save(Converter(source.read_bytes(), source.stem).convert(), target)

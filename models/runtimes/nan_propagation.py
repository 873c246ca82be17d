"""Making OpenVINO graphs propagate NaN as PyTorch does."""

from __future__ import annotations

import openvino as ov
import openvino.opset13 as operations

_PASSING_OVER = ("Relu", "Clamp", "Sigmoid", "HSigmoid", "HSwish", "SoftMax", "Softmax", "Elu")
"""Operations of OpenVINO's CPU plug-in that make a finite number of NaN, or of infinity."""


def propagate_nan(model: ov.Model) -> None:
    """Change a graph so that whatever depends on NaN or infinity is not finite either.

    In OpenVINO ``ReLU(NaN)`` is 0 and a maximum ignores NaN, so that a network that has overflowed
    would give labels as if nothing had happened.  Zero times its input is added to the result of
    each such operation.  That costs some percent of the time, and changes nothing while all numbers
    are finite.

    Parameters
    ----------
    model : openvino.Model
        Changed in place.
    """
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind not in (*_PASSING_OVER, "MaxPool"):
            continue
        output = node.output(0)
        readers = output.get_target_inputs()
        trace = operations.multiply(node.input_value(0), _zero(output))
        if kind == "MaxPool":
            trace = _averaged(trace, node)
        marked = operations.add(output, trace).output(0)
        for reader in readers:
            reader.replace_source_output(marked)
    model.validate_nodes_and_infer_types()


def _zero(output: ov.Output) -> ov.Node:
    return operations.constant(0.0, output.get_element_type())


def _averaged(trace: ov.Node, pooling: ov.Node) -> ov.Node:
    """Average over the windows over which a node takes the largest."""
    attributes = pooling.get_attributes()
    return operations.avg_pool(
        trace,
        attributes["strides"],
        attributes["pads_begin"],
        attributes["pads_end"],
        attributes["kernel"],
        exclude_pad=True,
        rounding_type=attributes["rounding_type"],
        auto_pad=attributes["auto_pad"],
    )

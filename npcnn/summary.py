"""The table that `model.summary()` prints."""

from typing import TYPE_CHECKING

from npcnn.kernels import rung_of
from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.training import make_plan

if TYPE_CHECKING:
    from npcnn.model import Sequential

HEADINGS = ("Layer", "Output shape", "Parameters", "Multiply-adds", "Kernels")


def summary_table(model: "Sequential") -> str:
    """Return a table: every layer, its output shape, its parameters, its multiply-adds for one image, its kernels."""
    fused = {id(layer) for layer in fused_layers(model)}
    rows = [HEADINGS]
    for layer in model.layers:
        kinds = [type(part).__name__ for part in (layer, layer.activation) if part]
        shape = f"(N, {', '.join(map(str, layer.output_shape))})"
        rung = "fused" if id(layer) in fused else rung_of(layer.operation, layer.rung) if layer.operation else ""
        label = f"{layer.name} ({', '.join(kinds)})"
        rows.append((label, shape, f"{layer.parameter_count:,}", f"{layer.multiply_adds:,}", rung))
    parameters = sum(layer.parameter_count for layer in model.layers)
    multiply_adds = sum(layer.multiply_adds for layer in model.layers)
    rows.append(("Total", "", f"{parameters:,}", f"{multiply_adds:,}", ""))

    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    alignments = "<<>><"
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, alignments, widths, strict=True)).rstrip()
        for row in rows
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    size = sum(p.nbytes for p in model.params.values()) / 1024
    input_shape = ", ".join(map(str, model.input_shape))
    title = f"Model {model.name!r}: input (N, {input_shape}), {model.dtype}, {size:,.0f} KiB of weights"
    return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])


def fused_layers(model: "Sequential") -> list:
    """Return the layers that the model computes together with their neighbours, in one pass."""
    layers, fused = list(model.layers), []
    for step in make_plan(layers, model.dtype).steps:
        if isinstance(step, ConvReLUMaxPool):
            first = next(i for i, layer in enumerate(layers) if layer.name == step.name)
            last = next(i for i, layer in enumerate(layers) if layer is step.pool)
            fused += layers[first : last + 1]
    return fused

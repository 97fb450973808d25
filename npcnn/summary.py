"""The table that `model.summary()` prints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npcnn.model import Sequential


def summary_table(model: "Sequential") -> str:
    """Return a table: every layer, its output shape, its parameters, its multiply-adds for one image."""
    rows = [("Layer", "Output shape", "Parameters", "Multiply-adds")]
    for layer in model.layers:
        shape = f"(N, {', '.join(map(str, layer.output_shape))})"
        kinds = [type(part).__name__ for part in (layer, layer.activation) if part]
        label = f"{layer.name} ({', '.join(kinds)})"
        rows.append((label, shape, f"{layer.parameter_count:,}", f"{layer.multiply_adds:,}"))
    parameters = sum(layer.parameter_count for layer in model.layers)
    multiply_adds = sum(layer.multiply_adds for layer in model.layers)
    rows.append(("Total", "", f"{parameters:,}", f"{multiply_adds:,}"))

    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
    rule = "-" * len(lines[0])
    size = sum(p.nbytes for p in model.params.values()) / 1024
    input_shape = ", ".join(map(str, model.input_shape))
    title = f"Model {model.name!r}: input (N, {input_shape}), {model.dtype}, {size:,.0f} KiB of weights"
    return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1]])

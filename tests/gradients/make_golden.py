"""Write golden.npz: what Keras computes for a few small cases, so that the comparison runs without TensorFlow.

python tests/gradients/make_golden.py
"""

from pathlib import Path

import keras_reference
import numpy as np
from cases import DENSE, conv2d, dense, integers, normal, small_batch, small_model
from golden_cases import CONVOLUTIONS, OPTIMIZERS, POOLS, golden_labels, golden_predictions, optimizer_problem
from keras_reference import keras


def main():
    golden = {"keras": keras.__version__}
    for i, case in enumerate(CONVOLUTIONS):
        note_layer(golden, f"conv2d {i}", keras_reference.conv2d(case), normal(case[0]), conv2d(case).params.values())
    for i, case in enumerate(POOLS):
        note_layer(golden, f"max_pool2d {i}", keras_reference.max_pool2d(case), integers(case[0], -1, 2), [])
    for i, case in enumerate(DENSE):
        layer = keras.layers.Dense(case[1], dtype="float64")
        note_layer(golden, f"dense {i}", layer, normal(case[0]), dense(case).params.values())
    for name in ("ReLU", "Softmax"):
        note_layer(golden, name, getattr(keras.layers, name)(dtype="float64"), normal((4, 3, 5)), [])

    for name in ("SparseCategoricalCrossentropy", "CategoricalCrossentropy"):
        for from_logits in (False, True):
            loss = getattr(keras.losses, name)(from_logits, dtype="float64")
            value, dy = keras_reference.loss_gradient(loss, golden_labels(name), golden_predictions(from_logits))
            golden[f"{name} {from_logits} value"], golden[f"{name} {from_logits} dy"] = value, dy

    for i, (name, options) in enumerate(OPTIMIZERS):
        for dtype in ("float32", "float64"):
            with keras_reference.floatx(dtype):
                optimizer = getattr(keras.optimizers, name)(**options)
                steps = list(keras_reference.optimizer_steps(optimizer, *optimizer_problem(dtype)))
            golden[f"optimizer {i} {dtype}"] = np.array([w[0] for w in steps])

    model, (x, y) = small_model(), small_batch()
    loss = keras.losses.SparseCategoricalCrossentropy(dtype="float64")
    golden["model loss"], grads = keras_reference.model_gradients(keras_reference.twin(model), loss, x, y)
    golden.update({f"model {key}": g for key, g in zip(model.params, grads, strict=True)})
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **golden)


def note_layer(golden, name, layer, x, params):
    y = layer(x).numpy()
    dy = normal(y.shape, seed=5)
    y, dx, dparams = keras_reference.layer_gradients(type(layer).from_config(layer.get_config()), x, dy, list(params))
    golden.update({f"{name} y": y, f"{name} dx": dx})
    golden.update({f"{name} {key}": g for key, g in zip(("kernel", "bias"), dparams, strict=False)})


if __name__ == "__main__":
    main()

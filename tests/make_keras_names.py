"""Make npcnn/keras_names.txt, the public names of Keras, a line for each module; the same bytes for the same Keras.

pip install tensorflow && python tests/make_keras_names.py [FILE]
"""

import importlib
import sys
import types
from pathlib import Path

from npcnn.keras_names import PUBLIC

# Names that public scripts still import, from Keras 2 and older.
OLDER = {
    "keras.layers": "AtrousConv2D CuDNNGRU CuDNNLSTM LocallyConnected1D LocallyConnected2D",
    "keras.models": "Functional load_weights model_from_config model_from_yaml",
    "keras.optimizers": "TFOptimizer",
    "keras.utils": "GeneratorEnqueuer HDF5Matrix OrderedEnqueuer multi_gpu_model print_summary",
    "keras.backend": "get_session image_dim_ordering learning_phase set_image_dim_ordering set_learning_phase",
    "keras.callbacks": "BaseLogger",
    "keras.wrappers": "scikit_learn",
    "keras.wrappers.scikit_learn": "KerasClassifier KerasRegressor",
    "keras.preprocessing.text": "Tokenizer hashing_trick one_hot text_to_word_sequence tokenizer_from_json",
}
PRIVATE = {"src", "legacy"}  # what Keras' own documentation leaves out


def names_of(module: types.ModuleType, path: str, found: dict[str, set[str]]) -> None:
    """Add the public names of a module and of the modules in it to `found`, path -> names."""
    names = {name for name in dir(module) if not name.startswith("_")} - PRIVATE
    found.setdefault(path, set()).update(names)
    for name in names:
        if isinstance(part := getattr(module, name), types.ModuleType) and ".keras" in f".{part.__name__}":
            names_of(part, f"{path}.{name}", found)


def make_names(file: Path) -> None:
    """Write the names that Keras 3 has, those that tf.keras adds, and a few older ones."""
    found = {path: set(names.split()) for path, names in OLDER.items()}
    for root in ("keras", "keras._tf_keras.keras"):
        names_of(importlib.import_module(root), "keras", found)
    lines = [" ".join([path, *sorted(names)]) for path, names in sorted(found.items())]
    file.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    try:
        make_names(Path(sys.argv[1]) if len(sys.argv) > 1 else PUBLIC)
    except ImportError as error:
        sys.exit(f"the names come from Keras on TensorFlow: {error}")

"""The notebook runs from top to bottom, as after "Restart and run all"."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason='needs nbclient: pip install -e ".[notebook]"')
    nbclient = pytest.importorskip("nbclient", reason='needs nbclient: pip install -e ".[notebook]"')
    pytest.importorskip("ipykernel", reason='needs ipykernel: pip install -e ".[notebook]"')
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(EXAMPLES / "npcnn.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    kept = [bool(cell.outputs) for cell in cells]
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [bool(cell.outputs) for cell in cells] == kept, "the file keeps what each cell printed: run it, save it"
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "225,034" in printed and "FAIL" in printed and "ok" in printed
    assert (tmp_path / "explore.html").exists()

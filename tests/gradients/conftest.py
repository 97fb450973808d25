"""Notes the errors of all gradient checks that pass, and says at the end how large the largest was."""

import pytest

from npcnn.gradient_check import Result

largest: dict[tuple[str, float], float] = {}  # (method, tolerance): error


@pytest.fixture(autouse=True, scope="session")
def errors_are_noted():
    raise_on_failure = Result.raise_on_failure

    def noting(result):
        raise_on_failure(result)
        kind = result.method, result.tolerance
        largest[kind] = max(largest.get(kind, 0.0), result.max_error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Result, "raise_on_failure", noting)
        yield


def pytest_terminal_summary(terminalreporter):
    if largest:
        terminalreporter.section("largest relative error of all gradients that were checked")
    for (method, tolerance), error in sorted(largest.items()):
        terminalreporter.line(f"{method:8} {error:.1e}, which has to stay below {tolerance:.0e}")

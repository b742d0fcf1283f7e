"""What the command line says to arguments that it cannot use."""

import pytest

import minimax_server


@pytest.mark.parametrize("port", ["99999", "-1", "http", "", "65536"])
def test_a_port_that_is_none_is_refused_in_one_line(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        minimax_server.main(["sandbox", f"--port={port}"])
    said = capsys.readouterr().err
    assert "port must be 0 to 65535" in said
    assert len(said) < 500

"""conftest.py blocks connections to other machines and seeds every test."""

import socket

import numpy as np
import pytest
import torch


def test_outside_connection_is_refused() -> None:
    with socket.socket() as outside, pytest.raises(OSError, match="tests stay on this machine"):
        outside.connect(("192.0.2.1", 80))


def test_outside_host_name_is_not_resolved() -> None:
    with pytest.raises(socket.gaierror, match="tests stay on this machine"):
        socket.getaddrinfo("example.com", 443)


def test_local_connection_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        connection, _ = server.accept()
        with connection:
            client.sendall(b"face")
            assert connection.recv(4) == b"face"


@pytest.mark.parametrize("_", range(2))
def test_every_test_starts_from_the_same_seed(_: int, rng: np.random.Generator) -> None:
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(0)))
    assert rng.integers(1 << 30) == np.random.default_rng(0).integers(1 << 30)

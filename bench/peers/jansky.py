"""Jansky's proxy with one route."""

from machine import PEER_CPU, Machine

NAME = "jansky"


def start(machine: Machine, port: int, backend: str) -> list[int]:
    program = machine.build("jansky-proxy", "--example", "proxy")
    command = [program, f"127.0.0.1:{port}", f"http://{backend}"]
    return machine.with_children(machine.start(PEER_CPU, command, port))

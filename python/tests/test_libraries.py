"""The libraries that people use, as they come from the package index."""

import pickle

import fsspec
import httpx
import pytest
import pyvo
import requests
from globus_sdk import TransferClient

import jansky
from conftest import until


def test_requests_carry_a_token_and_each_a_living_one(agent, gateway, service):
    gateway.lifetime = 2
    auth = jansky.Auth("archive")
    session = requests.Session()
    session.auth = auth
    seen = set()

    def second() -> bool:
        seen.add(session.get(service).text)
        return len(seen) == 2

    until(second)
    assert all(one.startswith("Bearer token-") for one in seen)


def test_httpx_does_as_well_also_in_async(agent, service):
    import asyncio

    assert httpx.get(service, auth=jansky.Auth("archive")).text == "Bearer token-1"

    async def ask() -> str:
        async with httpx.AsyncClient(auth=jansky.Auth("archive")) as client:
            return (await client.get(service)).text

    assert asyncio.run(ask()) == "Bearer token-1"


def test_a_token_goes_only_where_it_is_meant_to(agent, gateway, service):
    elsewhere = jansky.Auth("archive", hosts=["archive.example.org"])
    assert requests.get(service, auth=elsewhere).text == "nothing"

    with pytest.raises(ValueError, match="in the clear"):
        requests.get("http://archive.example.org/", auth=jansky.Auth("archive"))
    assert gateway.asked == []


def test_pyvo_takes_the_session(agent, service):
    tap = pyvo.dal.TAPService(service, session=jansky.session("archive"))

    assert tap._session.get(service).text == "Bearer token-1"


def test_globus_clients_take_the_authorizer(agent):
    client = TransferClient(authorizer=jansky.globus_authorizer("transfer"))

    assert client.authorizer.get_authorization_header() == "Bearer token-1"


def test_fsspec_reads_with_a_token_also_after_a_journey_to_a_worker(agent, service):
    options = pickle.loads(pickle.dumps(jansky.storage_options("archive")))

    with fsspec.open(f"{service}cube", **options) as file:
        assert file.read() == b"Bearer token-1"

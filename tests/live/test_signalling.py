"""What is said to a media server by HTTP, what it says, and what people are told of it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from typing import Any

import pytest
from aiohttp import web
from aiortc.rtcdtlstransport import RTCCertificate
from cryptography.hazmat.primitives import serialization
from yarl import URL

from core.errors import DeviceError, SettingsError
from live.sinks.registry import open_sink, parsed_output
from live.sinks.whip import WhipSink
from live.web import signalling
from live.web.endpoint import parsed_endpoint
from tests.live.test_webrtc import SIZE
from tests.live.test_whip import KEY, PASSWORD, TOKEN, opened, sending
from tests.live.whip_server import SDP, WhipServer, answering

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def refused(url: str, **options: Any) -> str:
    """What is said when it cannot be opened."""
    with pytest.raises(DeviceError) as caught:
        WhipSink(url, SIZE, 25, **options)
    return str(caught.value)


def test_the_token_is_sent_with_every_request_and_the_end_is_told():
    async def check(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized
        return await server.publish(request)

    with WhipServer(check) as server:
        with sending(opened(server, token=TOKEN)):
            server.wait_for_frames(1)
        server.wait(lambda: server.requests("DELETE"))
        without = refused(server.url)
        other = refused(server.url, token="another")

    (delete,) = server.requests("DELETE")
    assert delete.path == "/session/1"
    assert delete.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "wants a token (401" in without
    assert "CLEANPLATE_WEB_WHIP_TOKEN" in without
    assert "refuses the token" in other
    assert "another" not in other


def test_a_user_in_the_address_logs_in_by_itself_in_place_of_the_token():
    with WhipServer() as server:
        url = server.url.replace("http://", f"http://ann:{PASSWORD}@")
        with sending(WhipSink(url, SIZE, 25, token=TOKEN)):
            server.wait_for_frames(1)
        server.wait(lambda: server.requests("DELETE"))

    for asked in server.asked:
        assert asked.headers["Authorization"].startswith("Basic ")
        assert PASSWORD not in asked.path


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/session/1", "/session/1"),
        ("session/2?s=3", "/live/session/2?s=3"),
        ("{origin}/far/4", "/far/4"),
    ],
)
def test_the_session_is_found_whether_its_address_is_relative_or_not(location, path):
    with WhipServer() as server:
        server._location = location.replace("{origin}", server.origin)
        opened(server).close()
        server.wait(lambda: server.requests("DELETE"))

    assert server.requests("DELETE")[0].path == path


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed_and_the_token_stays_with_its_server(status):
    with WhipServer() as second:
        second._location = "session/9"
        with WhipServer(answering(status, Location=second.url + "/here")) as first:
            with sending(opened(first, token=TOKEN)):
                second.wait_for_frames(1)
            second.wait(lambda: second.requests("DELETE"))

    assert [asked.headers.get("Authorization") for asked in first.asked] == [f"Bearer {TOKEN}"]
    assert [asked.method for asked in first.asked] == ["POST"]
    assert [(asked.method, asked.path) for asked in second.asked] == [
        ("POST", "/live/whip/here"),
        ("DELETE", "/live/whip/session/9"),
    ]
    assert all("Authorization" not in asked.headers for asked in second.asked)


def test_a_redirect_on_the_same_server_keeps_the_token():
    async def once(request: web.Request) -> web.StreamResponse:
        if request.path == "/live/whip":
            return web.Response(status=307, headers={"Location": "/moved"})
        return await server.publish(request)

    with WhipServer(once) as server:
        opened(server, token=TOKEN).close()
        server.wait(lambda: server.requests("DELETE"))

    assert [asked.path for asked in server.asked] == ["/live/whip", "/moved", "/session/1"]
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {TOKEN}"}


def test_another_server_that_wants_a_token_is_told_apart():
    with (
        WhipServer(answering(401)) as second,
        WhipServer(answering(307, Location=second.url)) as first,
    ):
        words = refused(first.url, token=TOKEN)

    assert f"127.0.0.1:{second.port}/live/whip wants a token (401)" in words
    assert f"127.0.0.1:{first.port}" in words


@pytest.mark.parametrize(
    ("status", "text", "headers", "words"),
    [
        (400, "no such codec\nsecond line", {}, "does not take the stream (400: no such codec): check"),
        (
            400,
            '{"status": "error", "error": "busy path"}',
            {"Content_Type": "application/json"},
            "400: busy path",
        ),
        (400, "<html>nothing", {"Content_Type": "text/html"}, "does not take the stream (400): check"),
        (400, "\x1b[31mred\x07 " + "x" * 500, {}, "(400: [31mred " + "x" * 111 + "…)"),
        (401, f"not with {TOKEN} and {KEY}", {}, "(401: not with … and …)"),
        (
            403,
            "in use",
            {"Content_Type": "text/html; charset=utf-8"},
            "refuses the stream (403: in use): check the token, or password, and that nobody else is sending",
        ),
        (404, "", {}, "no WHIP endpoint at 127.0.0.1:{port}/live/whip (404): check the address"),
        (405, "", {}, "does not take the stream (405): check that the address is that of a WHIP endpoint"),
        (415, "", {}, "does not take the stream (415)"),
        (500, "oh", {}, "an error of its own (500: oh): try again later"),
        (503, "", {"Retry_After": "30"}, "is busy (503): try again in 30 s"),
        (503, "", {"Retry_After": "Fri, 31 Dec 1999 23:59:59 GMT"}, "is busy (503): try again later"),
        (200, "hello", {}, "answers with 200: hello, not 201: check that the address"),
        (302, "", {"Location": "/there"}, "answers with 302, not 201"),
        (307, "", {}, "sends on to no address that can be asked"),
        (307, "", {"Location": "ftp://server.example/x"}, "sends on to no address that can be asked"),
        (307, "", {"Location": "/live/whip"}, "sends on more than 5 times"),
        (201, "<p>welcome</p>", {"Content_Type": "text/html"}, "answers with text/html, not application/sdp"),
        (201, "v=0\r\nnonsense", {"Content_Type": SDP}, "gives an answer that does not fit the offer"),
        (201, "", {"Content_Type": SDP}, "gives an answer that does not fit the offer"),
    ],
)
def test_what_a_server_says_in_place_of_an_answer_comes_as_a_sentence(status, text, headers, words):
    with WhipServer(answering(status, text, **headers)) as server:
        said = refused(f"{server.url}?key={KEY}", token=TOKEN)

    assert words.replace("{port}", str(server.port)) in said
    assert TOKEN not in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("before", "after"),
    [("a=recvonly", "a=inactive"), ("m=video ", "m=video 0 "), ("a=mid:0", "a=mid:7")],
)
def test_an_answer_that_refuses_video_is_an_error_and_its_session_is_ended(before, after):
    async def refuse(request: web.Request) -> web.StreamResponse:
        answer = await server.publish(request)
        assert isinstance(answer, web.Response)
        assert answer.text is not None
        port = answer.text.partition("m=video ")[2].partition(" ")[0]
        changed = answer.text.replace("m=video " + port, "m=video 0") if "m=" in before else answer.text
        answer.text = changed if "m=" in before else answer.text.replace(before, after)
        return answer

    with WhipServer(refuse) as server:
        said = refused(server.url)
        server.wait(lambda: server.requests("DELETE"))

    assert "takes no video" in said or "does not fit the offer" in said


def test_an_answer_that_refuses_video_need_not_name_a_codec_that_was_offered():
    async def refuse(request: web.Request) -> web.StreamResponse:
        answer = await server.publish(request)
        assert isinstance(answer, web.Response)
        assert answer.text is not None
        media = re.sub(r"(m=video \d+ \S+) .*?\r\n", r"\1 0\r\n", answer.text)
        media = re.sub(r"a=(rtpmap|fmtp|rtcp-fb|recvonly).*?\r\n", "", media)
        answer.text = media.replace("a=mid:0", "a=inactive\r\na=mid:0")
        return answer

    with WhipServer(refuse) as server:
        said = refused(server.url)

    assert "takes no video" in said


def test_somebody_else_who_sends_already_is_not_taken_for_a_missing_token_alone():
    with WhipServer(answering(403, "Endpoint ID already in use")) as server:
        said = refused(server.url)

    assert "refuses the stream (403: Endpoint ID already in use): check that nobody else is sending" in said
    assert "CLEANPLATE_WEB_WHIP_TOKEN" in said


def test_a_session_whose_end_was_not_heard_is_ended_before_the_next():
    async def end() -> None:
        if len(server.requests("DELETE")) == 1:
            raise web.HTTPBadGateway
        taken.clear()

    async def publish(request: web.Request) -> web.StreamResponse:
        if taken:
            raise web.HTTPForbidden
        taken.append(1)
        return await server.publish(request)

    taken: list[int] = []
    with WhipServer(publish, deleting=end) as server:
        opened(server).close()
        opened(server).close()
        opened(server).close()

    methods = " ".join(asked.method for asked in server.asked)
    assert methods == "POST DELETE DELETE POST DELETE POST DELETE"


def test_a_redirect_from_https_to_http_is_not_followed():
    async def ask() -> None:
        told = signalling.Signalling(parsed_endpoint("https://server.example/x", TOKEN))
        try:
            assert str(told._next(told._endpoint.url, "//other.example/y")) == "https://other.example/y"
            with pytest.raises(DeviceError, match=r"from https to http, to server\.example/x"):
                told._next(told._endpoint.url, "http://server.example/x")
        finally:
            await told.end()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://server.example/other", True),
        ("https://SERVER.example:443/live?x=1", True),
        ("http://server.example/live", False),
        ("http://server.example:443/live", False),
        ("https://server.example:8443/live", False),
        ("https://a.server.example/live", False),
    ],
)
def test_the_token_is_for_the_same_scheme_host_and_port_alone(url, sent):
    endpoint = parsed_endpoint("https://server.example/live", TOKEN)

    assert bool(endpoint.headers_for(URL(url))) == sent


def test_where_nothing_listens_this_is_said():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert f"nothing listens at 127.0.0.1:{port} (connection refused)" in refused(
        f"http://127.0.0.1:{port}/x"
    )


def test_a_name_that_is_not_known_is_said(monkeypatch):
    def fail(*arguments: Any, **more: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)

    assert "the name nowhere.invalid is not known" in refused("https://nowhere.invalid/x")


def test_a_server_without_tls_and_one_without_http_are_told_apart():
    def hang_up() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-nothing\r\n")
            connection.close()

    with WhipServer() as server:
        assert "does not speak TLS as it should" in refused(server.url.replace("http://", "https://"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up)
        thread.start()
        said = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert "does not speak HTTP as it should" in said


def test_a_certificate_that_nobody_vouches_for_is_said(tmp_path):
    made = RTCCertificate.generateCertificate()
    own = tmp_path / "own.pem"
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    key = made._key.private_bytes(pem, form, serialization.NoEncryption())
    own.write_bytes(key + made._cert.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)

    with WhipServer(tls=context) as server:
        said = refused(server.url)

    assert f"the certificate of 127.0.0.1:{server.port} is not trusted (self-signed certificate)" in said


def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(signalling, "ANSWER_TIMEOUT_S", 0.2)
    with WhipServer(hang) as server:
        assert "does not answer in 0.2 s" in refused(server.url)


def test_a_connection_that_does_not_come_about_is_given_up_and_its_session_ended(monkeypatch):
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        answer = await server.publish(request)
        assert isinstance(answer, web.Response)
        assert answer.text is not None
        lines = answer.text.split("\r\n")
        answer.text = "\r\n".join(line for line in lines if "candidate" not in line)
        await server.pcs[-1].close()
        return answer

    monkeypatch.setattr("live.web.whip.CONNECT_TIMEOUT_S", 0.5)
    with WhipServer(elsewhere) as server:
        said = refused(server.url)
        server.wait(lambda: server.requests("DELETE"))

    assert "no connection came about in 0.5 s: does a firewall block UDP" in said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("whip", "has no scheme"),
        ("whip:server.example/x", "has no scheme: write https:// or http://"),
        (f"whip:rtmp://ann:{PASSWORD}@server.example/{KEY}", "rtmp: is no scheme"),
        (f"whip:https://ann:{PASSWORD}@server.example:99999/?{KEY}", "is no address"),
        ("whip:https://[::1", "is no address"),
        ("whip:https:///path", "names no server"),
        ("whip:https://server example/", "names no server"),
        ("whip:https://server.example:0/", "names no server"),
        (
            f"wihp:https://ann:{PASSWORD}@server.example/?{KEY}",
            "unknown output 'wihp:…': did you mean 'whip'",
        ),
        (f"https://server.example/?{KEY}", "write whip: before it"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused_without_its_secrets(spec, words):
    for take in (parsed_output, lambda spec: open_sink(spec, SIZE, 25)):
        with pytest.raises(SettingsError) as caught:
            take(spec)
        assert words in str(caught.value)
        assert PASSWORD not in str(caught.value)
        assert KEY not in str(caught.value)

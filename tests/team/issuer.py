"""An issuer of signed tokens on loopback: what it signs with, and where its public keys are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer:
    """Serves its keys, until it is told to hang or to answer something else."""

    def __init__(self) -> None:
        self.key_ids: list[str] = ["1"]
        self.fetches = 0
        self.body: bytes | None = None
        self.may_answer = Event()
        self.may_answer.set()
        self.url = ""

    def make_body(self) -> bytes:
        if self.body is not None:
            return self.body
        keys = [{**PUBLIC, "kid": each, "use": "sig", "alg": "RS256"} for each in self.key_ids]
        return json.dumps({"keys": keys}).encode()


KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC: Final = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))


@contextmanager
def serve(issuer: Issuer) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches += 1
            issuer.may_answer.wait(10)
            body = issuer.make_body()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}/jwks"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield issuer
        issuer.may_answer.set()
        server.shutdown()
        thread.join()

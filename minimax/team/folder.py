"""A folder as the store, for a deployment on one machine.

A folder has no links of its own, so the replicas sign them with the deployment's secret, and serve
what they lead to.
"""

import asyncio
import hashlib
import hmac
import mimetypes
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

__all__ = ["MOST_UPLOAD_BYTES", "PATH", "Folder"]

PATH: Final = "/objects"
SIGNATURE_CHARACTERS: Final = 32
MOST_UPLOAD_BYTES: Final = 64 * 1024 * 1024
PRIVATE_FOLDER: Final = 0o700
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,12}")
SHOWN_AS_IT_IS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
    "Cache-Control": "private",
}
"""A file that somebody uploaded runs nothing in a browser."""


class Folder:
    """The files below a folder, and links to them, each for one method, one name and some time.

    Args:
        path: The folder.
        address: Where people reach a replica, like http://127.0.0.1:8000.
        secret: The same on all replicas.
    """

    def __init__(self, path: Path, *, address: str, secret: str) -> None:
        self.path = path.resolve()
        self._address = address
        self._secret = secret.encode()

    def sign(self, method: str, name: str, seconds: int) -> str:
        """A link that works for so long."""
        expires = int(time.time()) + seconds
        signature = self._make_signature(method, name, expires)
        return f"{self._address}{PATH}/{quote(name)}?expires={expires}&signature={signature}"

    async def answer(self, request: Request) -> Response:
        """What a link leads to, or a part of it; or an upload is taken by one."""
        name, method = request.path_params["name"], request.method.replace("HEAD", "GET")
        if not self._is_signed(request, method, name):
            return Response(status_code=403)
        file = (self.path / name).resolve()
        if not file.is_relative_to(self.path):
            return Response(status_code=403)
        if method == "PUT":
            return await self._take(request, file)
        if not file.is_file():
            return Response(status_code=404)
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=media_type, headers=SHOWN_AS_IT_IS)

    async def _take(self, request: Request, file: Path) -> Response:
        """Write an upload; what is there under its name is replaced once all has come."""
        file.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{secrets.token_hex(8)}.part")
        try:
            if not await _write(request.stream(), part):
                return Response(status_code=413)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return Response(status_code=200)

    def _is_signed(self, request: Request, method: str, name: str) -> bool:
        expires = request.query_params.get("expires", "")
        if not _UNIX_SECONDS.fullmatch(expires) or int(expires) < time.time():
            return False
        given = request.query_params.get("signature", "")
        signature = self._make_signature(method, name, int(expires))
        return hmac.compare_digest(signature.encode(), given.encode())

    def _make_signature(self, method: str, name: str, expires: int) -> str:
        text = f"object {method} {expires} {name}"
        signature = hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
        return signature[:SIGNATURE_CHARACTERS]


async def _write(chunks: AsyncIterator[bytes], file: Path) -> bool:
    """Write what comes; False where it is too much."""
    size = 0
    with file.open("xb") as target:
        async for chunk in chunks:
            size += len(chunk)
            if size > MOST_UPLOAD_BYTES:
                return False
            await asyncio.to_thread(target.write, chunk)
    return True

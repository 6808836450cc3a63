"""A Hugging Face hub on 127.0.0.1: as much of its protocol as downloads and commits of small files ask for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
from huggingface_hub import constants

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, dict[str, bytes]]] = {}  # repository (`datasets/...` for data sets) -> name -> content
    tokens: ClassVar[set[str | None]] = set()

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if not path.startswith("/api/"):
            self._file(body=True)
            return
        repository, _, kind = self._repository(path)
        files = self.files.get(repository)
        if files is None:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif kind.startswith("tree/"):
            self._json([{"type": "file", "path": n, "size": len(c), "oid": _sha1(c)} for n, c in sorted(files.items())])
        else:
            self._json({"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in sorted(files)]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path.partition("?")[0])
        self.tokens.add(self.headers.get("Authorization"))
        if path == "/api/repos/create":
            asked = json.loads(body)
            kind = "datasets/" if asked.get("type") == "dataset" else ""
            repository = f"{kind}{asked.get('organization') or 'me'}/{asked['name']}"
            self.files.setdefault(repository, {})
            self._json({"url": f"http://127.0.0.1/{repository}"})
            return
        if path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
            return
        repository, _, kind = self._repository(path)
        if kind.startswith("preupload"):
            regular = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": file["path"], **regular} for file in json.loads(body)["files"]]})
        elif kind.startswith("commit"):
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    self.files[repository][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": f"http://127.0.0.1/{repository}/commit/{COMMIT}"})
        else:
            self._json({})

    def _repository(self, path: str) -> tuple[str, str, str]:
        """/api/models/ORG/NAME/what -> (ORG/NAME, '/', what)."""
        _, _, kind, organisation, name, *rest = path.split("/")
        return f"{'datasets/' * (kind == 'datasets')}{organisation}/{name}", "/", "/".join(rest)

    def _file(self, body: bool) -> None:
        self.tokens.add(self.headers.get("Authorization"))
        repository, _, rest = unquote(self.path.partition("?")[0]).strip("/").partition("/resolve/")
        content = self.files.get(repository, {}).get(rest.partition("/")[2])
        if content is None:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound" if repository in self.files else "RepoNotFound"})
        else:
            tag = hashlib.sha256(content).hexdigest()
            self._answer(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{tag}"'}, body)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, code: int, content: bytes, headers: dict[str, str], body: bool = True) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        pass


def _sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(Hub, "files", {})
    monkeypatch.setattr(Hub, "tokens", set())
    yield Hub
    server.shutdown()
    server.server_close()

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tinygpt.data import cached_path, download
from tinygpt.data.web import SHAKESPEARE, SHAKESPEARE_SHA256

CONTENT = np.random.default_rng(0).bytes(300_000)
HASH = hashlib.sha256(CONTENT).hexdigest()


class Web(ThreadingHTTPServer):
    """Serves one file, and breaks the connection when told to."""

    daemon_threads = True
    content = CONTENT
    etag = '"one"'
    breaks = 0  # of so many answers, send only the first 100,000 bytes
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/folder/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        web = self.server
        web.requests.append(dict(self.headers))
        if web.status != 200:
            return self.send_error(web.status)
        content, start = web.content, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range", web.etag) == web.etag:
            start = int(asked[1])
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if web.etag:
            self.send_header("ETag", web.etag)
        self.end_headers()
        web.breaks -= 1
        self.wfile.write(content[start : start + 100_000] if web.breaks >= 0 else content[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(cache):
    server = Web()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_fetched_once(web, cache):
    path = download(web.url, HASH)
    assert path.read_bytes() == CONTENT and path.name == "file.bin" and cache in path.parents
    assert download(web.url, HASH) == path and len(web.requests) == 1
    assert sorted(p.name for p in path.parent.iterdir()) == ["file.bin", "file.bin.sha256"]


def test_resumed_within_one_call(web):
    web.breaks = 2
    assert download(web.url, HASH).read_bytes() == CONTENT
    assert [r.get("Range") for r in web.requests] == [None, "bytes=100000-", "bytes=200000-"]


def test_resumed_by_a_later_call(web):
    web.breaks = 3
    web.content = CONTENT + b"x" * 200_000
    with pytest.raises(OSError, match=r"broke after 300,000 of 500,000 bytes.*call again: what came so far"):
        download(web.url)
    assert download(web.url).read_bytes() == web.content
    assert web.requests[-1]["Range"] == "bytes=300000-"


def test_a_file_that_changed_meanwhile_is_not_glued_together(web):
    web.breaks = 3
    web.content = b"a" * 500_000
    with pytest.raises(OSError):
        download(web.url)
    web.content, web.etag = b"b" * 500_000, '"two"'
    assert download(web.url).read_bytes() == b"b" * 500_000


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_version_or_a_hash_nothing_is_resumed(web, etag):
    web.breaks, web.etag = 1, etag
    assert download(web.url).read_bytes() == CONTENT
    assert [r.get("Range") for r in web.requests] == [None, None]


def test_with_a_hash_it_is_resumed_even_without_a_version(web):
    web.breaks, web.etag = 1, ""
    assert download(web.url, HASH).read_bytes() == CONTENT
    assert web.requests[1]["Range"] == "bytes=100000-"


def test_a_partial_file_longer_than_the_file_is_dropped(web):
    partial = cached_path(web.url).with_name("file.bin.part")
    partial.write_bytes(b"x" * 400_000)
    assert download(web.url, HASH).read_bytes() == CONTENT


def test_a_wrong_file_is_refused_and_removed(web):
    with pytest.raises(ValueError, match=f"must have sha256 {'0' * 64}; got {HASH}"):
        download(web.url, "0" * 64)
    assert not cached_path(web.url).exists()
    assert download(web.url, HASH.upper()).exists()


def test_an_unknown_hash_is_recorded_and_expected_ever_after(web):
    path = download(web.url)
    assert path.with_name("file.bin.sha256").read_text() == f"{HASH}  file.bin\n"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=f"must have sha256 {HASH}"):
        download(web.url)
    assert download(web.url).read_bytes() == CONTENT
    path.unlink()
    web.content = CONTENT[::-1]
    with pytest.raises(ValueError, match=f"must have sha256 {HASH}"):
        download(web.url)


def test_offline_says_where_to_put_the_file_by_hand(web):
    web.shutdown()
    web.server_close()
    path = cached_path(web.url)
    with pytest.raises(OSError, match="fetch the file on another machine") as error:
        download(web.url, HASH)
    assert str(path) in str(error.value) and "refused" in str(error.value)
    path.write_bytes(CONTENT)
    assert download(web.url, HASH) == path


def test_a_missing_page_is_not_tried_again(web):
    web.status = 404
    with pytest.raises(OSError, match="the server answers 404"):
        download(web.url)
    assert len(web.requests) == 1


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "ftp://host/file", "https:///file"])
def test_only_the_web(url, cache):
    with pytest.raises(ValueError, match="must start with https"):
        download(url)


def test_addresses_do_not_share_a_file(cache):
    assert cached_path("https://a.org/x.txt") != cached_path("https://b.org/x.txt")
    assert cached_path("https://a.org").name == "index"


def test_shakespeare_is_pinned():
    assert re.search(r"/[0-9a-f]{40}/", SHAKESPEARE) and len(SHAKESPEARE_SHA256) == 64

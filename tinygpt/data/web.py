"""Files from the web: verified, kept, and resumed where a connection broke."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from tinygpt.data.cache import cache_folder, write_whole

SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt"
)
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
ATTEMPTS = 3
CHUNK = 1 << 16


def tiny_shakespeare() -> str:
    """A million characters of Shakespeare's plays, from the web at the first call.

    Raises:
        OSError: It is not in the cache and cannot be fetched.

    Source: Karpathy, char-rnn (2015), data/tinyshakespeare, at a fixed commit.
    """
    return download(SHAKESPEARE, SHAKESPEARE_SHA256).read_text(encoding="utf-8")


def download(url: str, sha256: str | None = None, progress: bool = True) -> Path:
    """A local copy of a file on the web, fetched once and verified every time.

    A broken connection is taken up where it stopped, also by a later call. Without a hash to expect, the hash
    of the first download is written beside the file and expected ever after.

    Args:
        url: An http or https address.
        sha256: The hash the file must have, 64 hexadecimal digits.
        progress: Whether to show a progress bar.

    Returns:
        Where the file is, in the cache folder (`TINYGPT_CACHE` names another).

    Raises:
        ValueError: The address is not one of the web, or the file does not have the hash.
        OSError: The file cannot be fetched; the message says what to do.
    """
    path = cached_path(url)
    expected = sha256 or _recorded(path)
    if path.exists():
        _verify(path, path, url, expected)
        return path
    partial = path.with_name(path.name + ".part")
    _fetch(url, path, partial, can_check=expected is not None, progress=progress)
    _verify(partial, path, url, expected)
    os.replace(partial, path)
    _tag(partial).unlink(missing_ok=True)
    return path


def cached_path(url: str) -> Path:
    """Where `download` keeps the file of this address, fetched or not.

    Raises:
        ValueError: The address is not one of the web.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must start with https:// or http://; got {url!r}. Open local files directly.")
    folder = cache_folder() / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / (Path(parts.path).name or "index")


def _recorded(path: Path) -> str | None:
    try:
        return _hash_file(path).read_text().split()[0]
    except OSError:
        return None


def _hash_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _tag(partial: Path) -> Path:
    """Holds the server's name for the version that a partial file is part of."""
    return partial.with_name(partial.name + ".tag")


def _verify(file: Path, path: Path, url: str, expected: str | None) -> None:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if expected is not None and found != expected.lower():
        size = file.stat().st_size
        file.unlink()
        raise ValueError(
            f"{url} must have sha256 {expected}; got {found} ({size:,} bytes), which was deleted. "
            "Call again; if it comes again, the file behind the address has changed: do not trust it."
        )
    if _recorded(path) is None:
        write_whole(_hash_file(path), f"{found}  {path.name}\n".encode())


def _fetch(url: str, path: Path, partial: Path, can_check: bool, progress: bool) -> None:
    reason: Exception | None = None
    for _ in range(ATTEMPTS):
        if not (can_check or _tag(partial).exists()):
            partial.unlink(missing_ok=True)  # nothing would tell if the file has changed since
        try:
            return _continue(url, partial, progress)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise OSError(
                    _trouble(url, path, f"the server answers {error.code} {error.reason}")
                ) from None
            partial.unlink()  # the server has no byte beyond these: they are of another version
        except (urllib.error.URLError, HTTPException, OSError) as error:
            reason = error
    raise OSError(_trouble(url, path, getattr(reason, "reason", reason))) from None


def _trouble(url: str, path: Path, reason: object) -> str:
    return (
        f"Could not download {url}: {reason}. With a connection, call again: what came so far is kept. "
        f"Without one, fetch the file on another machine and put it at {path}."
    )


def _continue(url: str, partial: Path, progress: bool) -> None:
    """Fetch what is missing of a partial file."""
    from tqdm.auto import tqdm

    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "tinygpt", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if _tag(partial).exists():
            request.add_header("If-Range", _tag(partial).read_text())
    with urllib.request.urlopen(request, timeout=30) as response:
        have = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _write_tag(response, partial)
        bar = tqdm(
            desc=partial.stem, total=total, initial=have, unit="B", unit_scale=True, disable=not progress
        )
        with bar, partial.open("ab" if have else "wb") as file:
            for block in _blocks(response):
                bar.update(file.write(block))
            have = file.tell()
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke after {have:,} of {total:,} bytes")


def _write_tag(response: HTTPResponse, partial: Path) -> None:
    etag = response.headers.get("ETag", "")
    # A weak tag promises the same meaning, not the same bytes.
    tag = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    if tag:
        _tag(partial).write_text(tag)
    else:
        _tag(partial).unlink(missing_ok=True)


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while block := response.read(CHUNK):
        yield block

"""Fetching, against servers on this machine that behave and that misbehave."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from npnet.data.fetch import fetch
from npnet.data.registry import Entry, Source, entry, locate, names
from npnet.errors import ArgumentError, DataMissingError, FetchError, OutputError

CONTENT = bytes(range(256)) * 1000
SOURCE = Source("table.csv", len(CONTENT), "sha256:" + hashlib.sha256(CONTENT).hexdigest())


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the first part of the path."""

    def do_GET(self):
        self.server.asked.append(self.path)
        getattr(self, self.path.split("/")[1])()

    def send(self, body, announced=None, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)

    def good(self):
        self.send(CONTENT)

    def wrong(self):
        self.send(CONTENT[:-1] + b"x")

    def short(self):
        self.send(CONTENT[:1000])

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(CONTENT)
        except OSError:  # the other side has enough
            pass

    def page(self):
        self.send(b"\n<!DOCTYPE html><html><body>Moved</body></html>")

    def cut(self):
        self.send(CONTENT[:70_000], announced=len(CONTENT))
        self.close_connection = True

    def absent(self):
        self.send(b"no such file", status=404)

    def stalling(self):
        self.send(CONTENT[:100_000], announced=len(CONTENT))
        self.server.released.wait(10)

    def mute(self):
        self.server.released.wait(10)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _straight(monkeypatch):
    """No proxy between this machine and itself."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def mirrors(server, monkeypatch):
    """Make a dataset of one file with these mirrors."""

    def make(*behaviours):
        server.asked.clear()
        base = f"http://127.0.0.1:{server.server_port}"
        made = Entry(
            "table", "", "", "", ("inside",), tuple(f"{base}/{b}/" for b in behaviours), "", {"t": SOURCE}
        )
        monkeypatch.setattr("npnet.data.fetch.entry", lambda name: made)
        return made

    return make


def nothing_left(folder):
    return list(folder.iterdir()) == []


def test_a_good_file_is_fetched_once(tmp_path, mirrors, server):
    made, seen = mirrors("good", "absent"), []
    paths = fetch("table", tmp_path, progress=lambda source, done: seen.append((source.name, done)))
    assert paths == {"t": tmp_path / "inside" / "table.csv"} == locate(made, tmp_path)
    assert paths["t"].read_bytes() == CONTENT
    assert seen[-1] == ("table.csv", len(CONTENT))
    assert len(seen) > 2
    assert fetch("table", tmp_path) == paths
    assert server.asked == ["/good/table.csv"]


def test_others_may_read_it(tmp_path, mirrors):
    mirrors("good")
    mode = fetch("table", tmp_path)["t"].stat().st_mode
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(mode) == 0o666 & ~mask


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("wrong", "another file of the same size, its checksum is not the published one"),
        ("short", "another file, of 1000 bytes where 256000 are published"),
        ("endless", "another file, of more than the published 256000 bytes"),
        ("page", "a web page in place of the file"),
        ("cut", r"the transfer was cut off after \d+ of 256000 bytes"),
        ("absent", "it answers 404 Not Found"),
        ("stalling", r"no answer for 0\.3 s, after \d+ of 256000 bytes"),
        ("mute", r"no answer for 0\.3 s, after 0 of 256000 bytes"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(tmp_path, mirrors, behaviour, message):
    mirrors(behaviour)
    began = time.monotonic()
    with pytest.raises(FetchError, match=rf"table\.csv could not be fetched \(127\.0\.0\.1:\d+: {message}\)"):
        fetch("table", tmp_path, timeout=0.3)
    assert time.monotonic() - began < 5
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("first", ["wrong", "page", "cut", "absent", "mute"])
def test_the_next_mirror_is_tried(tmp_path, mirrors, server, first):
    mirrors(first, "good")
    assert fetch("table", tmp_path, timeout=0.3)["t"].read_bytes() == CONTENT
    assert server.asked == [f"/{first}/table.csv", "/good/table.csv"]


def test_every_mirror_s_failure_is_said_in_one_line(tmp_path, mirrors):
    mirrors("absent", "page")
    with pytest.raises(
        FetchError, match=r"404 Not Found; 127.*a web page.*put the file into .*inside yourself"
    ) as told:
        fetch("table", tmp_path)
    assert "\n" not in str(told.value)


def test_no_network(tmp_path, monkeypatch):
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    sources = (f"http://127.0.0.1:{port}/", "http://name.invalid/")
    made = Entry("table", "", "", "", ("inside",), sources, "", {"t": SOURCE})
    monkeypatch.setattr("npnet.data.fetch.entry", lambda name: made)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(FetchError, match=r"no connection; name\.invalid: no connection"):
        fetch("table", tmp_path, timeout=2)
    assert nothing_left(tmp_path)


def test_a_file_of_ones_own_is_left_alone(tmp_path, mirrors, server):
    mirrors("good")
    mine = tmp_path / "inside" / "table.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"is not the published file \(4 bytes, published are 256000\)"):
        fetch("table", tmp_path)
    assert mine.read_text() == "mine"
    assert server.asked == []


KILLED = """
import os, signal, sys
from npnet.data import fetch, registry
address, size, checksum, folder = sys.argv[1:]
source = registry.Source("table.csv", int(size), checksum)
fetch.entry = lambda name: registry.Entry("table", "", "", "", ("inside",), (address,), "", {"t": source})
die = lambda source, done: done > 60_000 and os.kill(os.getpid(), signal.SIGKILL)
fetch.fetch("table", folder, progress=die)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is POSIX's")
def test_a_transfer_that_was_killed_is_never_read(tmp_path, mirrors):
    made = mirrors("good")
    arguments = (made.sources[0], str(SOURCE.size), SOURCE.checksum, str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert ended.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.stat().st_size > 60_000 for path in left] == [True]  # it did not clean up after itself
    with pytest.raises(DataMissingError):
        locate(made, tmp_path)
    assert fetch("table", tmp_path)["t"].read_bytes() == CONTENT
    assert locate(made, tmp_path)["t"].name == "table.csv"


def test_a_folder_that_cannot_be_made(tmp_path, mirrors):
    mirrors("good")
    (tmp_path / "inside").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot make the folder .*inside"):
        fetch("table", tmp_path)


def test_a_full_disk(tmp_path, mirrors, monkeypatch):
    mirrors("good")

    def full(self, chunk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("npnet.data.fetch._Counted.write", full)
    with pytest.raises(OutputError, match=r"cannot write to .*inside: No space left on device"):
        fetch("table", tmp_path)
    assert nothing_left(tmp_path)


def test_without_an_address_it_is_said_how_to_have_the_file(tmp_path):
    with pytest.raises(
        DataMissingError, match=r"no public address .* is known\. .* Put it into .*galaxy_zoo"
    ):
        fetch("galaxies-sdss", tmp_path)


def test_what_comes_with_a_library_needs_no_files(tmp_path):
    assert fetch("digits", tmp_path) == {}


def test_an_unknown_dataset(tmp_path):
    with pytest.raises(ArgumentError, match="did you mean 'mnist'"):
        fetch("mnst", tmp_path)


def test_files_go_where_they_are_looked_for_first(tmp_path, mirrors, monkeypatch):
    made = mirrors("good")
    monkeypatch.setenv("NPNET_DATA", str(tmp_path))
    assert fetch("table")["t"].parent == tmp_path / "inside"
    assert locate(made)["t"] == tmp_path / "inside" / "table.csv"


@pytest.mark.parametrize("name", names())
def test_every_dataset_says_where_it_comes_from(name):
    dataset = entry(name)
    assert dataset.title
    assert dataset.licence
    assert dataset.citation
    if dataset.files:
        assert dataset.folders
        assert bool(dataset.sources) != bool(dataset.obtain)
    for file in dataset.files.values():
        assert file.size > 0
        algorithm, _, digest = file.checksum.partition(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
        for address in dataset.addresses(file):
            assert address.startswith(("https://", "http://fashion-mnist."))
            assert address.rsplit("/", 1)[1]


def test_an_address_may_be_that_of_the_file_itself():
    whole = dataclasses.replace(entry("sunspots"), sources=("https://a/b/c.csv", "https://d/"))
    assert whole.addresses(SOURCE) == ("https://a/b/c.csv", "https://d/table.csv")

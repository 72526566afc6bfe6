import gzip
import io
import zipfile

import pytest

from riskstream.devices.archive import RecordingError, read_text


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "../")), text)
    return out.getvalue()


@pytest.fixture
def recording(tmp_path):
    def write(data: bytes):
        path = tmp_path / "in" / "recording.csv.zip"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("data", [b"a,b\n", b"\xef\xbb\xbfa,b\n", gzip.compress(b"a,b\n", mtime=0), zipped(x="a,b\n")])
def test_reads_plain_gzip_and_zip_by_how_they_begin(recording, data):
    assert read_text(recording(data)) == "a,b\n"


def test_a_path_with_dots_in_a_zip_writes_nothing(recording, tmp_path):
    path = recording(zipped(__evil="a,b\n"))
    assert read_text(path) == "a,b\n"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["in", "recording.csv.zip"]


def test_a_zip_in_a_gzip(recording):
    assert read_text(recording(gzip.compress(zipped(x="a\n"), mtime=0))) == "a\n"


def test_one_of_several_files_is_named(recording):
    path = recording(zipped(one="1\n", two="2\n"))
    assert read_text(path, member="two") == "2\n"
    with pytest.raises(RecordingError, match="several files; --member names one of: one, two"):
        read_text(path)
    with pytest.raises(RecordingError, match="no such file"):
        read_text(path, member="three")


@pytest.mark.parametrize("data", [gzip.compress(b"a" * 1000, mtime=0)[:-9], zipped(x="a" * 1000)[:60]])
def test_damaged_archives(recording, data):
    with pytest.raises(RecordingError, match="cannot be read"):
        read_text(recording(data))


@pytest.mark.parametrize("data", [gzip.compress(b"a" * 100_000, mtime=0), zipped(x="a" * 100_000), b"a" * 100_000])
def test_what_grows_beyond_the_limit_is_refused(recording, data):
    path = recording(data)
    if data[:1] == b"a":
        assert len(read_text(path, max_bytes=1000)) == 100_000  # plain text is as large as it is
    else:
        with pytest.raises(RecordingError, match="more than 1,000 bytes"):
            read_text(path, max_bytes=1000)


def test_another_encoding_names_the_line(recording):
    path = recording("a\nb\ntemp °C\n".encode("latin-1"))
    with pytest.raises(RecordingError, match=r":3: not utf-8; allowed: another --encoding"):
        read_text(path)
    assert read_text(path, "latin-1") == "a\nb\ntemp °C\n"
    with pytest.raises(RecordingError, match="unknown encoding"):
        read_text(path, "klingon")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        read_text(tmp_path / "x")

"""The process of the ClickHouse engine.

    python clickhouse_engine.py LIBRARY OPTION …

Calls the engine's command line in `libchdb.so` with the options and a query that opens both listeners
and then sleeps until it is killed (`KILL QUERY`), upon which the engine writes everything down and this
process exits 0.
"""

import ctypes
import signal
import sys

QUERY = (
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "
    # one row of one second each, for more than a century
    "SELECT sum(sleepEachRow(1)) FROM numbers(4000000000) "
    "SETTINGS function_sleep_max_microseconds_per_block = 2000000, max_block_size = 1"
)


class Result(ctypes.Structure):
    """`local_result_v2` of chdb.h."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("owner", ctypes.c_void_p),
        ("elapsed_s", ctypes.c_double),
        ("rows_read", ctypes.c_uint64),
        ("bytes_read", ctypes.c_uint64),
        ("error_message", ctypes.c_char_p),
    )


def main() -> None:
    """Run the engine until its query is killed; exit 0 then, 1 with the engine's message otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, who ends this by KILL QUERY
    library = ctypes.CDLL(sys.argv[1])
    arguments = [item.encode() for item in ["clickhouse", *sys.argv[2:], f"--query={QUERY}"]]
    library.query_stable_v2.restype = ctypes.POINTER(Result)
    library.query_stable_v2.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
    result = library.query_stable_v2(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
    error = (result.contents.error_message or b"").decode(errors="replace") if result else "no result"
    if error and "QUERY_WAS_CANCELLED" not in error:
        sys.exit(f"the ClickHouse engine ended: {error}")


if __name__ == "__main__":
    main()

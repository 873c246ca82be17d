"""What Zarr sees of a bucket: the objects below one name, and nothing above."""

import asyncio

import pytest

pytest.importorskip("obstore", reason="obstore is an extra: wsiseg[remote]")

from obstore.store import MemoryStore
from zarr.core.buffer import default_buffer_prototype

from wsiseg.remote.zarr_stores import BucketStore


def test_every_name_is_below_the_prefix():
    bucket = MemoryStore()
    outside, inside = (BucketStore(bucket, name, "s3://lab", "s3") for name in ("", "out/a"))
    prototype = default_buffer_prototype()

    def buffer(content):
        return prototype.buffer.from_bytes(content)

    async def use():
        await outside.set("c/0", buffer(b"above"))
        await inside.set_if_not_exists("c/0", buffer(b"first"))
        await inside.set_if_not_exists("c/0", buffer(b"second one"))
        await inside.set("c/1", buffer(b"other"))
        assert (await inside.get("c/0", prototype)).to_bytes() == b"first"
        assert (await outside.get("out/a/c/0", prototype)).to_bytes() == b"first"
        assert await inside.getsize("c/1") == 5
        assert await inside.getsize_prefix("c") == 10
        assert [name async for name in inside.list()] == ["c/0", "c/1"]
        await inside.delete_dir("c")
        assert [name async for name in outside.list()] == ["c/0"]

    asyncio.run(use())

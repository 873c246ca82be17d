"""Files behind addresses: ``s3://``, ``gs://``, ``az://``, ``https://``, and others of fsspec.

An address is carried by a :class:`~wsiseg.remote.remote_path.RemotePath`, which does with objects
what :class:`~pathlib.Path` does with files, so that whoever takes a path takes an address as well.
What object stores cannot do is not pretended: there is no renaming and no appending.
"""

"""Reads files that were made to bring a reader down, in a process with little memory."""

import gc
import json
import resource
import sys
from pathlib import Path

from wsiseg.annotations import read_annotations
from wsiseg.annotations.class_map import ClassMap
from wsiseg.errors import WsisegError
from wsiseg.training.options import TrainOptions

_READERS = {".yaml": lambda path: ClassMap.read(str(path)), ".config": TrainOptions.load}

resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
for name in sys.argv[1:]:
    path = Path(name)
    try:
        found = _READERS.get(path.suffix, read_annotations)(path)
        told = len(getattr(found, "annotations", ()))
    except WsisegError as error:
        told = f"{type(error).__name__}: {error}"
    found = None
    gc.collect()
    print(json.dumps([path.name, told]), flush=True)

"""A checkpoint is loaded once, and again when it or what is asked of it is another."""

import os
import sys
from types import SimpleNamespace

import torch

from tiny import tiny_checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.viewer import predictor_cache
from wsiseg.viewer.predictor_cache import PredictorCache

OPTIONS = SegmentOptions(runtime="torch", threads=1)


def test_a_checkpoint_is_kept_until_its_file_changes(tmp_path):
    path = tiny_checkpoint(seed=1).save(tmp_path / "tiny.safetensors")
    os.utime(path, ns=(1, 1))
    predictors, heard = PredictorCache(), []
    first = predictors.load(path, OPTIONS, heard.append)
    assert predictors.load(path, OPTIONS, heard.append) is first
    tiny_checkpoint(seed=2).save(path)
    second = predictors.load(path, OPTIONS, heard.append)
    assert second.checkpoint.sha256 != first.checkpoint.sha256
    assert predictors.load(None, OPTIONS, heard.append).checkpoint.card.architecture != "tiny"


def test_loading_pytorch_is_named(tmp_path, monkeypatch):
    """It takes a minute from a slow disk, and nothing else is to be seen meanwhile."""
    told = []
    path = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    monkeypatch.delitem(sys.modules, "torch")

    def load(name):
        # It is there already, and cannot be loaded twice.
        assert (name, told) == ("torch", ["loading PyTorch"])
        sys.modules[name] = torch

    monkeypatch.setattr(predictor_cache, "importlib", SimpleNamespace(import_module=load))
    PredictorCache().load(path, OPTIONS, told.append)
    assert told[:2] == ["loading PyTorch", "loading the checkpoint"]

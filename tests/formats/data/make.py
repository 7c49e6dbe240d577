"""Writes the PyTorch files of this folder. See README.md for the command and the version."""
import argparse
import collections
import os
import pickle
import sys
import zipfile

import torch


def state():
    base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    tensors = collections.OrderedDict()
    for name in ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64"):
        tensors[name] = base.to(getattr(torch, name))
    tensors["int16"][0, 0] = -5
    tensors["bool"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(7.5)
    tensors["empty"] = torch.zeros(0, 4)
    tensors["transposed"] = base.t()
    tensors["expanded"] = torch.tensor([[1.0], [2.0]]).expand(2, 4)
    tensors["column"] = base[:, 1]
    tensors["second_row"] = base[1]
    tensors["parameter"] = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    tensors["tied.a"] = torch.tensor([3.0, 4.0])
    tensors["tied.b"] = tensors["tied.a"]
    return tensors


class Command:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def main(folder):
    checkpoint = {
        "model": state(),
        "optimizer": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
        "args": argparse.Namespace(lr=0.1),
        "config": {"run": {"seed": 42, "name": "tiny"}},
        "epoch": 3,
        "best": 0.5,
        "big": 1 << 80,
        "done": False,
    }
    path = lambda name: os.path.join(folder, name)
    torch.save(checkpoint, path("zip.pth"))
    torch.save(checkpoint, path("legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(checkpoint, path("protocol4.pth"), pickle_protocol=4)
    torch.save({"module.a": torch.ones(1), "module.b": torch.zeros(1)}, path("ddp.pth"))
    torch.save({"u": torch.tensor([1, 65535]).to(torch.uint16), "c": torch.ones(1, dtype=torch.complex64)}, path("rare.pth"))
    torch.save(torch.nn.Linear(1, 1), path("module.pth"))
    hostile = {"a": torch.ones(1), "b": Command("touch /tmp/galago-was-here")}
    torch.save(hostile, path("hostile.pth"))
    torch.save(hostile, path("hostile_legacy.pth"), _use_new_zipfile_serialization=False)
    with open(path("bare.pkl"), "wb") as file:
        pickle.dump([1, 2], file, protocol=2)
    with zipfile.ZipFile(path("zip.pth")) as old, zipfile.ZipFile(path("compressed.pth"), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


main(sys.argv[1])

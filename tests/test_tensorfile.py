"""Files of tensors that are written piece by piece: whole or not at all, read by safetensors, each byte hashed."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import safetensors.torch
import torch

from frontdef.errors import StoreError
from frontdef.tensorfile import NAMES, TORCH_ALONE, Layout, TensorFile, TensorWriter, layout_of
from frontdef.whole import sweep, temporary, write_whole
from tests.forks import fork, wait


def layouts(tensors):
    return {name: layout_of(tensor) for name, tensor in tensors.items()}


def write(path, tensors, pieces=3, about=None):
    writer = TensorWriter(path, layouts(tensors), about or {"table": "records", "key": "k"})
    for name, tensor in tensors.items():
        for piece in tensor.split(pieces) if tensor.ndim else [tensor]:
            writer.append(name, piece)
    writer.commit()


def random(dtype, shape):
    drawn = np.random.default_rng(0).integers(0, 2, size=(*shape, dtype.itemsize), dtype=np.uint8)
    return torch.from_numpy(drawn).view(dtype).squeeze(-1)


EVERY_TYPE = {f"t{index}": random(dtype, (7, 3)) for index, dtype in enumerate(map(torch.__dict__.get, NAMES))}


class TestWhatIsWritten:
    def test_safetensors_reads_it(self, tmp_path):
        tensors = EVERY_TYPE | {"scalar": torch.tensor(3.0), "none": torch.zeros(0, 2)}
        write(tmp_path / "f.safetensors", tensors)
        read = safetensors.torch.load_file(tmp_path / "f.safetensors")
        assert read.keys() == tensors.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())

    @pytest.mark.parametrize("pieces", [1, 2, 7])
    def test_the_pieces_leave_no_trace(self, tmp_path, pieces):
        write(tmp_path / "a.safetensors", EVERY_TYPE, pieces)
        write(tmp_path / "b.safetensors", EVERY_TYPE, 5)
        assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()

    def test_each_tensor_is_aligned_to_its_type(self, tmp_path):
        write(tmp_path / "f.safetensors", EVERY_TYPE)
        file = TensorFile(tmp_path / "f.safetensors")
        assert all(file._starts[name] % layout.itemsize == 0 for name, layout in file.layouts.items())

    def test_rows_are_read_before_and_after_it_is_whole(self, tmp_path):
        values = torch.rand(9, 2, 3)
        writer = TensorWriter(tmp_path / "f.safetensors", layouts({"x": values, "y": values}), {})
        writer.append("x", values[:5])
        assert torch.equal(writer.rows("x", 1, 4), values[1:4])
        writer.append("x", values[5:])
        writer.append("y", values)
        writer.commit()
        file = TensorFile(tmp_path / "f.safetensors")
        assert torch.equal(file.rows("x", 4, 9), values[4:])
        assert torch.equal(file.tensor("y"), values)

    def test_arrays_hold_what_tensors_hold(self, tmp_path):
        write(tmp_path / "f.safetensors", EVERY_TYPE | {"none": torch.zeros(0, 2)})
        file = TensorFile(tmp_path / "f.safetensors")
        for name, layout in file.layouts.items():
            if layout.dtype in TORCH_ALONE:
                with pytest.raises(StoreError, match="which numpy lacks"):
                    file.array(name)
                continue
            tensor = file.tensor(name)
            for array, wanted in ((file.array(name), tensor), (file.array_rows(name, 2, 5), tensor[2:5])):
                assert (str(array.dtype), array.shape) == (layout.dtype, tuple(wanted.shape))
                assert array.tobytes() == wanted.numpy().tobytes()

    def test_every_changed_byte_is_noticed(self, tmp_path):
        path = tmp_path / "f.safetensors"
        write(path, {"x": torch.rand(4, 2), "n": torch.arange(3)})
        data = path.read_bytes()
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 7
            path.write_bytes(bytes(changed))
            try:
                file = TensorFile(path)
            except (StoreError, UnicodeDecodeError, RecursionError):
                continue
            assert (file.about, file.layouts) == ({"table": "records", "key": "k"}, layouts(
                {"n": torch.arange(3), "x": torch.rand(4, 2)}
            )), "white space alone may differ"  # fmt: skip


class TestWholeOrNotAtAll:
    def test_it_has_no_name_before_it_is_whole(self, tmp_path):
        path = tmp_path / "f.safetensors"
        writer = TensorWriter(path, layouts({"x": torch.zeros(4)}), {})
        writer.append("x", torch.zeros(3))
        with pytest.raises(ValueError, match="not all of x"):
            writer.commit()
        assert not path.exists()
        writer.discard()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("values", [torch.zeros(5), torch.zeros(2, dtype=torch.float64)])
    def test_what_was_not_announced_is_refused(self, tmp_path, values):
        writer = TensorWriter(tmp_path / "f.safetensors", layouts({"x": torch.zeros(4)}), {})
        with pytest.raises(ValueError, match="is no part of 'x'"):
            writer.append("x", values)
        writer.discard()

    def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(self, tmp_path):
        path = tmp_path / "run" / "records" / "k.safetensors"

        def killed():
            writer = TensorWriter(path, {"x": Layout("float32", (1000,))}, {})
            writer.append("x", torch.zeros(500))
            writer._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

        assert wait(fork(killed)) == -signal.SIGKILL
        (left,) = path.parent.iterdir()
        assert left.suffix == ".tmp"
        living = TensorWriter(path.with_name("other.safetensors"), layouts({"x": torch.zeros(4)}), {})
        (tmp_path / "run" / ".mine.tmp").touch()
        assert sweep(tmp_path / "run") == 1
        assert not left.exists()
        assert (tmp_path / "run" / ".mine.tmp").exists()
        living.append("x", torch.zeros(4))
        living.commit()
        assert TensorFile(path.with_name("other.safetensors")).tensor("x").tolist() == [0.0] * 4

    def test_another_machines_unfinished_file_is_left_alone(self, tmp_path):
        theirs = tmp_path / f".f.json.another-host.{os.getpid() + 10**6}.tmp"
        theirs.touch()
        assert sweep(tmp_path) == 0
        assert temporary(tmp_path / "f").name.endswith(f".{os.getpid()}.tmp")

    def test_a_file_is_replaced_as_a_whole(self, tmp_path):
        write_whole(tmp_path / "f", b"old")
        write_whole(tmp_path / "f", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
        assert (tmp_path / "f").read_bytes() == b"new"

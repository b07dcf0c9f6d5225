# SPDX-License-Identifier: MIT
"""python -m eplb convert: what Python's files hold becomes the .npy file that the tool reads."""

import os
import subprocess
import sys

import pytest
from conftest import PACKAGE

numpy = pytest.importorskip("numpy")

LOADS = numpy.arange(24, dtype="int64").reshape(2, 3, 4)


def convert(folder, *arguments):
    """A run as a user's; its exit status and what it said."""
    result = subprocess.run(
        [sys.executable, "-m", "eplb", "convert", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )
    return result.returncode, result.stdout


def check(folder, name, expected, *options):
    assert convert(folder, name, "out.npy", *options) == (0, "")
    array = numpy.load(folder / "out.npy")
    assert array.flags.c_contiguous and array.dtype == expected.dtype
    assert array.tolist() == expected.tolist()
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "out.npy"])


def test_npz(tmp_path):
    numpy.savez(tmp_path / "one.npz", LOADS)
    check(tmp_path, "one.npz", LOADS)
    (tmp_path / "one.npz").unlink()
    numpy.savez_compressed(tmp_path / "more.npz", other=LOADS + 1, logical_count=LOADS[0])
    check(tmp_path, "more.npz", LOADS[0])


def test_sglang_recorder(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"rank": 0, "logical_count": torch.tensor(LOADS, dtype=torch.int32)}, tmp_path / "recorded.pt")
    check(tmp_path, "recorded.pt", LOADS.astype("int32"))


def test_arrays_are_found_by_name_at_any_depth(tmp_path):
    torch = pytest.importorskip("torch")
    loads, placement = torch.tensor(LOADS), torch.tensor([[0, 1, 2, 3]])
    for contents in [
        {"last_physical_to_logical_map": placement, "stats": [{"logical_count": loads}]},
        {"stats": ({"pass": {"logical_count": loads, "physical_count": placement}},), "other": placement},
        {"records": [{"logical_count": one} for one in loads], "last_physical_to_logical_map": placement},
        {"a": loads, "b": 1, "physical_to_logical": [placement], "expert_map": placement},
        [loads],
    ]:
        torch.save(contents, tmp_path / "nested.pt")
        check(tmp_path, "nested.pt", LOADS)
        (tmp_path / "out.npy").unlink()


def test_a_placement_is_not_taken_for_loads(tmp_path):
    torch = pytest.importorskip("torch")
    counts, placement = torch.tensor(LOADS), torch.tensor([[0, 1, 2, 3]])
    for contents, why in [
        (
            {"records": [{"global_physical_count": one} for one in counts], "last_physical_to_logical_map": placement},
            "has no array 'logical_count', but records[].global_physical_count, counts of slots: convert with --array "
            "global_physical_count, and give the placement that was counted to eplb with --counts-of",
        ),
        (
            {"physical_to_logical_map": placement, "rank": 1},
            "has neither an array 'logical_count' nor a single one that could be loads; it has: "
            "physical_to_logical_map; --array names the one to take",
        ),
        (
            {"a": {"logical_count": counts}, "b": {"logical_count": counts}},
            "has several arrays of that name: a.logical_count, b.logical_count",
        ),
        (
            {"records": [{"logical_count": counts}, {"logical_count": counts[0]}]},
            "records[1].logical_count has the shape (3, 4), but the first (2, 3, 4)",
        ),
    ]:
        torch.save(contents, tmp_path / "nested.pt")
        assert convert(tmp_path, "nested.pt", "out.npy") == (1, f"eplb: nested.pt: {why}\n")


def test_the_array_that_is_named(tmp_path):
    torch = pytest.importorskip("torch")
    records = [{"global_physical_count": torch.tensor(one)} for one in LOADS]
    torch.save({"records": records, "last_physical_to_logical_map": torch.tensor([[0]])}, tmp_path / "passes.pt")
    check(tmp_path, "passes.pt", LOADS, "--array", "global_physical_count")
    status, said = convert(tmp_path, "passes.pt", "out.npy", "--array", "counts")
    assert (status, said) == (
        1,
        "eplb: passes.pt: has no array 'counts'; it has: last_physical_to_logical_map, "
        "records[].global_physical_count\n",
    )


def test_torch_tensors(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.tensor(LOADS, dtype=torch.bfloat16), tmp_path / "loads.pth")
    check(tmp_path, "loads.pth", LOADS.astype("float32"))


def test_tensors_that_numpy_does_not_know(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"logical_count": torch.tensor(LOADS[0]).to_sparse()}, tmp_path / "sparse.pt")
    check(tmp_path, "sparse.pt", LOADS[0])
    if hasattr(torch, "float8_e5m2"):
        torch.save(torch.ones(2, 4).to(torch.float8_e5m2), tmp_path / "small.pt")
        status, said = convert(tmp_path, "small.pt", "none.npy")
        assert status == 1 and said.startswith("eplb: small.pt: ") and "float8_e5m2" in said and said.count("\n") == 1


def test_torch_files_are_not_run(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"logical_count": subprocess.Popen}, tmp_path / "code.pt")
    status, said = convert(tmp_path, "code.pt", "out.npy")
    assert status == 1 and said.startswith("eplb: code.pt: cannot be read: ") and said.count("\n") == 1
    assert not (tmp_path / "out.npy").exists()


def test_safetensors(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy")
    numpy_files.save_file({"logical_count": LOADS, "other": LOADS}, tmp_path / "loads.safetensors")
    check(tmp_path, "loads.safetensors", LOADS)


def test_a_module_that_is_missing_is_named(tmp_path):
    try:
        import safetensors  # noqa: F401

        pytest.skip("safetensors is there")
    except ImportError:
        (tmp_path / "loads.safetensors").write_bytes(b"")
        status, said = convert(tmp_path, "loads.safetensors", "out.npy")
        assert status == 1 and said.startswith("eplb: loads.safetensors: Python's module safetensors is needed")


@pytest.mark.parametrize("axes", ["s,l,e", "s,e,l", "l,s,e", "l,e,s", "e,s,l", "e,l,s"])
def test_axes(tmp_path, axes):
    order = ["sle".index(letter) for letter in axes.split(",")]
    numpy.savez(tmp_path / "turned.npz", LOADS.transpose(order))
    check(tmp_path, "turned.npz", LOADS, "--axes", axes)


def test_axes_without_samples(tmp_path):
    numpy.savez(tmp_path / "turned.npz", LOADS[0].T)
    check(tmp_path, "turned.npz", LOADS[0], "--axes", "s,e,l")
    status, said = convert(tmp_path, "turned.npz", "out.npy", "--axes", "l,s,e")
    assert (status, said) == (1, "eplb: turned.npz: has 2 dimensions, so of the axes the first must be s, not l\n")


def test_bad_input_is_named(tmp_path):
    numpy.savez(tmp_path / "two.npz", a=LOADS, b=LOADS)
    numpy.savez(tmp_path / "flat.npz", LOADS[0, 0])
    numpy.savez(tmp_path / "complex.npz", LOADS * 1j)
    (tmp_path / "none.npz").write_bytes(b"PK")
    (tmp_path / "loads.txt").write_text("1 2")
    for name, words in {
        "two.npz": "has neither an array 'logical_count' nor a single one that could be loads; it has: a, b; --array names",
        "flat.npz": "has 1 dimension, not",
        "complex.npz": "complex128",
        "none.npz": "cannot be read",
        "loads.txt": "its name ends in none of .pt, .pth, .npz, .safetensors",
        "missing.npz": "No such file",
    }.items():
        status, said = convert(tmp_path, name, "out.npy")
        assert status == 1 and said.startswith(f"eplb: {name}: ") and words in said and said.count("\n") == 1, said
        assert not (tmp_path / "out.npy").exists()
    status, said = convert(tmp_path, "two.npz", "none/out.npy")
    assert status == 1


def test_bad_usage_is_named(tmp_path):
    for arguments, word in [
        (["in.npz"], "OUT.npy"),
        (["in.npz", "out.json"], "out.json"),
        (["in.npz", "out.npy", "--axes", "s,l"], "s,l"),
    ]:
        status, said = convert(tmp_path, *arguments)
        assert status == 2 and word in said


def test_what_is_replaced(tmp_path):
    numpy.savez(tmp_path / "in.npz", LOADS)
    (tmp_path / "target.npy").write_bytes(b"")
    (tmp_path / "link.npy").symlink_to("target.npy")
    assert convert(tmp_path, "in.npz", "link.npy") == (0, "")
    assert (tmp_path / "link.npy").is_symlink()
    assert numpy.load(tmp_path / "target.npy").shape == LOADS.shape
    for name, other in (("round.npy", "again.npy"), ("again.npy", "round.npy")):
        (tmp_path / name).symlink_to(other)
    assert convert(tmp_path, "in.npz", "round.npy") == (1, "eplb: round.npy: Too many levels of symbolic links\n")
    assert (tmp_path / "round.npy").is_symlink()
    # A name that leads to the input is not written to.
    (tmp_path / "in.npy").symlink_to("in.npz")
    status, said = convert(tmp_path, "in.npz", "in.npy")
    assert status == 1 and "in.npz" in said
    with numpy.load(tmp_path / "in.npz") as kept:
        assert kept["arr_0"].shape == LOADS.shape

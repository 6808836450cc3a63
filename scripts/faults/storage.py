"""Faults of storage."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
STORE = "storage/test_artifacts.py"

FAULTS = (
    Fault(
        "storage: checksums are not compared",
        "benchmark/storage/artifacts.py",
        'if checksum(path) != entry["sha256"]:',
        "if False:",
        f"{STORE}::test_a_damaged_artifact_is_named[flip]",
    ),
    Fault(
        "storage: artifacts are built where they are read",
        "benchmark/storage/artifacts.py",
        'out, work = base / "out", base / "work"',
        'out, work = self.folder(kind, key), base / "work"',
        f"{ACCOUNTS}::test_nothing_is_published_before_it_is_whole",
    ),
    Fault(
        "storage: a folder without a manifest is an artifact",
        "benchmark/storage/artifacts.py",
        "return (self.folder(kind, key) / MANIFEST).is_file()",
        "return self.folder(kind, key).is_dir()",
        f"{STORE}::test_a_folder_without_a_manifest_is_no_artifact",
    ),
    Fault(
        "storage: an interrupted attempt leaves files to the next",
        "benchmark/storage/artifacts.py",
        "        shutil.rmtree(out, ignore_errors=True)\n        out.mkdir(parents=True)",
        "        out.mkdir(parents=True, exist_ok=True)",
        f"{STORE}::test_work_survives_an_interruption_and_out_does_not",
    ),
)

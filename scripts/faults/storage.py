"""Faults of storage."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
STORE = "storage/test_artifacts.py"
DAMAGE = "storage/test_damage.py"

FAULTS = (
    Fault(
        "storage: the columns of cells slip past each other where one has no such metric",
        "benchmark/results/gather.py",
        "absent = (np.full(count, np.nan) for count in counts)",
        "absent = (np.full(0, np.nan) for count in counts)",
        "storage/test_records.py::test_columns_are_those_of_the_episodes",
    ),
    Fault(
        "storage: a line that is no episode becomes one",
        "benchmark/storage/records.py",
        "if not REQUIRED.issubset(names) or",
        "if",
        "storage/test_records.py::test_a_line_that_is_no_episode_is_told",
    ),
    Fault(
        "storage: checksums are not compared",
        "benchmark/storage/artifacts.py",
        'if checksum(path) != entry["sha256"]:',
        "if False:",
        f"{DAMAGE}::test_a_damaged_artifact_is_named[flip]",
    ),
    Fault(
        "storage: artifacts are built where they are read",
        "benchmark/storage/artifacts.py",
        "out, work = attempt / OUT, attempt / WORK",
        "out, work = self.folder(kind, key), attempt / WORK",
        f"{ACCOUNTS}::test_nothing_is_published_before_it_is_whole",
    ),
    Fault(
        "storage: a folder without a manifest is an artifact",
        "benchmark/storage/artifacts.py",
        "        except Corrupt:\n            return False\n        return True\n\n    def damage",
        "        except Corrupt:\n            return self.folder(kind, key).is_dir()\n        return True\n\n    def damage",
        f"{STORE}::test_a_folder_without_a_manifest_is_no_artifact",
    ),
    Fault(
        "storage: an export takes the place of another",
        "benchmark/results/export.py",
        "if lost := sorted(before - now):",
        "if lost := sorted(before & set()):",
        "cli/test_selection.py::test_an_export_loses_no_cells_of_another",
    ),
    Fault(
        "storage: a dry run is remembered",
        "benchmark/cli/run.py",
        "    if options.dry_run:\n",
        "    remember(store, wanted)\n    if options.dry_run:\n",
        "cli/test_selection.py::test_a_dry_run_is_not_the_last_run",
    ),
)

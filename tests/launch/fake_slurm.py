"""A cluster in a folder: `sbatch`, `squeue`, `sacct` and `scancel` for a PATH, and methods that move jobs on."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import cloudpickle

QUEUED = ("PENDING", "RUNNING", "REQUEUED", "COMPLETING")

COMMANDS = {
    # a job or each task of an array has a file with its state
    "sbatch": """
n=$(cat $F/next)
[ $n -ge $(cat $F/limit) ] && { echo "sbatch: error: QOSMaxSubmitJobPerUserLimit" >&2; exit 1; }
echo $((n + 1)) > $F/next; cp "$1" $F/$n.sh
tasks=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
if [ -z "$tasks" ]; then echo PENDING > $F/jobs/$n; else for i in $(seq 0 $tasks); do echo PENDING > $F/jobs/${n}_$i; done; fi
echo "Submitted batch job $n"
""",
    "squeue": """
[ -e $F/down ] && { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
for job in $F/jobs/*; do s=$(cat $job); case $s in PENDING|RUNNING|REQUEUED|COMPLETING) echo "$(basename $job)|$s";; esac; done
""",
    # accounting remembers what a queued job ended with before: `history`
    "sacct": """
for job in $F/jobs/*; do
  s=$(cat $job); [ -e $F/history/$(basename $job) ] && s=$(cat $F/history/$(basename $job)); echo "$(basename $job)|$s"
done
""",
    "scancel": """for job in "$@"; do echo "CANCELLED by 1000" > $F/jobs/$job; done""",
    "srun": "exit 1",
}


class FakeSlurm:
    def __init__(self, folder: Path, home: Path):
        self.folder, self.home, self.bin = folder, home, folder / "bin"
        for name in ("bin", "jobs", "history"):
            (folder / name).mkdir(parents=True)
        (folder / "next").write_text("101")
        (folder / "limit").write_text("999")
        for name, text in COMMANDS.items():
            path = self.bin / name
            path.write_text(f"#!/bin/bash\nF={folder}\n{text.strip()}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        os.environ["PATH"] = f"{self.bin}:{os.environ['PATH']}"

    def queue(self) -> dict[str, str]:
        states = {path.name: path.read_text().strip() for path in (self.folder / "jobs").iterdir()}
        return {job: state for job, state in states.items() if state in QUEUED}

    def script(self, job: str) -> str:
        return (self.folder / f"{job.partition('_')[0]}.sh").read_text()

    def task(self, job: str) -> object:
        """What the job would execute."""
        with (self.home / "slurm" / f"{job}_submitted.pkl").open("rb") as file:
            return cloudpickle.load(file).function

    def move(self, job: str, state: str) -> None:
        (self.folder / "jobs" / job).write_text(state)

    def ready(self) -> list[str]:
        """Jobs whose dependencies have ended, however they did."""
        queue = self.queue()
        alive = {job.partition("_")[0] for job in queue}
        waits = {job: re.findall(r"\d+", (re.search(r"afterany:([\d:]+)", self.script(job)) or [""])[0]) for job in queue}
        return sorted(job for job, before in waits.items() if alive.isdisjoint(before))

    def run(self, job: str) -> None:
        """As a node does: the job runs, and ends by itself."""
        self.move(job, "RUNNING")
        try:
            self.task(job)()  # type: ignore[operator]
        except Exception:
            self.move(job, "FAILED")
        else:
            self.move(job, "COMPLETED")

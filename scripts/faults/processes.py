"""Faults of pretrainings that several processes share."""

from faults.fault import Fault

DISTRIBUTED = "training/test_distributed.py"
CURVE = f"{DISTRIBUTED}::test_two_processes_have_the_curve_of_one"
STAGE = "stages/test_shared_pretraining.py"

FAULTS = (
    Fault(
        "processes: gradients are not averaged",
        "benchmark/training/accelerator.py",
        "        average_([p.grad for group in self.groups for p in group.params if p.grad is not None])\n",
        "",
        f"{CURVE}[simsiam]",
    ),
    Fault(
        "processes: a process that closes before it ends has not failed",
        "benchmark/training/distributed.py",
        "wait([other.sentinel for other in others], LAST_WORDS)",
        "[]",
        "training/test_distributed.py::test_a_process_that_fails_ends_the_training",
    ),
    Fault(
        "processes: negatives of other processes are not seen",
        "methods/moco_v3.py",
        "queries @ gather(keys).T",
        "queries @ torch.cat([keys, keys]).T",
        f"{CURVE}[moco_v3]",
    ),
    Fault(
        "processes: every process has a covariance of its own",
        "benchmark/models/losses.py",
        "x = gather(at_least_float32(x).flatten(0, -2))",
        "x = at_least_float32(x).flatten(0, -2)",
        f"{CURVE}[vicreg]",
    ),
    Fault(
        "processes: what others say of a part is lost on the way back",
        "benchmark/core/collective.py",
        "        distributed.all_reduce(total)\n        return total.chunk(",
        "        return total.chunk(",
        f"{CURVE}[vicreg]",
    ),
    Fault(
        "processes: a characteristic function is of one process",
        "benchmark/models/sigreg.py",
        "(average(angle.cos().mean(-3)) - gaussian)",
        "(angle.cos().mean(-3) - gaussian)",
        f"{CURVE}[lejepa]",
    ),
    Fault(
        "processes: the teacher's centre is of one process",
        "methods/dino.py",
        "average(torch.cat(teacher).mean(0))",
        "torch.cat(teacher).mean(0)",
        f"{CURVE}[dino]",
    ),
    Fault(
        "processes: masked tokens are counted by one process",
        "methods/rpt.py",
        "average(hidden[:, :, slot].sum().float()).clamp(min=1 / processes())",
        "hidden[:, :, slot].sum().clamp(min=1 / processes())",
        f"{CURVE}[rpt]",
    ),
    Fault(
        "processes: all draw the numbers of the first",
        "benchmark/core/collective.py",
        "first = (rank() * _piece.count + _piece.index) * n",
        "first = _piece.index * n",
        f"{CURVE}[mae]",
    ),
    Fault(
        "processes: batch norms see a part of the batch",
        "benchmark/models/batch_norm.py",
        "mean = average(x.mean(others, keepdim=True))",
        "mean = x.mean(others, keepdim=True)",
        f"{CURVE}[byol]",
    ),
    Fault(
        "processes: dropout is the same in all",
        "benchmark/training/loop.py",
        'seed_of("step", seed, step, rank()) if rank() else step_seed',
        "step_seed",
        f"{DISTRIBUTED}::test_dropout_of_each_process_is_its_own",
    ),
    Fault(
        "processes: the gradients of pieces add up to more than their mean",
        "benchmark/training/accelerator.py",
        "(loss / self.pieces).backward()",
        "loss.backward()",
        f"{DISTRIBUTED}::test_a_batch_in_pieces_has_the_curve_of_the_whole",
    ),
    Fault(
        "processes: pieces draw each other's numbers",
        "benchmark/training/accelerator.py",
        "if index > 0:\n                self.rng.manual_seed(self._seed)",
        "if index > 0:\n                pass",
        f"{DISTRIBUTED}::test_a_batch_in_pieces_has_the_curve_of_the_whole",
    ),
    Fault(
        "processes: windows are compared within a piece",
        "benchmark/core/collective.py",
        "    if _piece.count > 1:\n        raise",
        "    if _piece.count > 99:\n        raise",
        f"{DISTRIBUTED}::test_nor_where_only_the_loss_compares_them",
    ),
    Fault(
        "processes: a manifest does not say how many there were",
        "benchmark/stages/pretrain.py",
        'context.facts["arithmetic"] += f", {execution.processes} processes"',
        "pass",
        f"{STAGE}::test_two_processes_make_the_artifact_of_one",
    ),
    Fault(
        "processes: the others never hear of a divided step",
        "benchmark/training/accelerator.py",
        "            self.shards.spread()",
        "            pass",
        f"{DISTRIBUTED}::test_a_divided_optimiser_is_a_whole_one_to_the_bit",
    ),
    Fault(
        "processes: a checkpoint has the first part of a divided optimiser only",
        "benchmark/training/checkpoints.py",
        "            state = whole_state(state)",
        "            pass",
        f"{DISTRIBUTED}::test_a_divided_optimiser_is_a_whole_one_to_the_bit",
    ),
    Fault(
        "processes: parts of an optimiser go on with each other's moments",
        "benchmark/training/checkpoints.py",
        "(n := numbers[id(p)]) in restored",
        "(n := index) in restored",
        f"{DISTRIBUTED}::test_a_divided_optimiser_is_a_whole_one_to_the_bit",
    ),
    Fault(
        "processes: gradients of other parts pile up",
        "benchmark/training/accelerator.py",
        "                parameter.grad = None",
        "                pass",
        f"{DISTRIBUTED}::test_a_divided_optimiser_is_a_whole_one_to_the_bit",
    ),
    Fault(
        "processes: that another one ran out of memory is not told as that",
        "benchmark/training/distributed.py",
        "        sys.exit(NO_MEMORY)",
        "        sys.exit(1)",
        f"{DISTRIBUTED}::test_memory_that_was_too_small_in_any_process_is_told_as_that",
    ),
)

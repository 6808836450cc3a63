"""Faults of encoders by name, of exported ones and of the Python interface."""

from faults.fault import Fault

NAMED = "methods/test_named.py"
API = "test_api.py"

FAULTS = (
    Fault(
        "encoders: a method reads actions that it does not declare",
        "methods/inverse_dynamics.py",
        "BatchSpec(window=2, actions=True)",
        "BatchSpec(window=2)",
        "conformance/test_conformance.py::test_promise[inverse_dynamics-method_declares_what_it_reads]",
    ),
    Fault(
        "encoders: the control depends on whether the weights are here",
        "methods/named.py",
        '            self.sha256 = ""  # a network that reads no file is the same whether there is one\n',
        "            pass\n",
        f"{NAMED}::test_random_is_the_same_network_without_its_file",
    ),
    Fault(
        "encoders: a file that changed since the plan is read all the same",
        "methods/named.py",
        "            if digest(path) != config.sha256:",
        "            if False:",
        f"{NAMED}::test_a_file_that_changed_since_the_plan_is_refused",
    ),
    Fault(
        "encoders: timm is not asked for a strict load",
        "benchmark/models/timm_encoder.py",
        '"num_classes": classes, "custom_load"',
        '"num_classes": classes + 1, "custom_load"',
        f"{NAMED}::test_one_tensor_that_is_wrong_is_enough[missing]",
    ),
    Fault(
        "encoders: patch tokens begin with the class token",
        "benchmark/models/timm_encoder.py",
        "return last[:, self._prefix :]",
        "return last[:, : last.shape[1] - self._prefix]",
        f"{NAMED}::test_tokens_leave_out_the_class_token",
    ),
    Fault(
        "encoders: normalisation is ImageNet's whatever timm says",
        "methods/named.py",
        '"mean": list(published.get("mean") or IMAGENET_MEAN)',
        '"mean": list(IMAGENET_MEAN)',
        f"{NAMED}::test_what_timm_says_of_a_network_is_what_a_row_has",
    ),
    Fault(
        "encoders: a map with channels last is read as one with channels first",
        "benchmark/models/timm_encoder.py",
        "last.flatten(1, 2) if self._channels_last else",
        "last.flatten(1, 2) if False else",
        "models/test_timm_encoder.py::test_a_map_whose_channels_are_last_is_read_as_one",
    ),
    Fault(
        "encoders: hyphens of an address become underscores",
        "benchmark/core/names.py",
        'if not given and {"/", "."} & set(part):',
        "if False:",
        f"{NAMED}::test_names_of_rows_are_read_as_they_are_written",
    ),
    Fault(
        "encoders: the interface is on every key",
        "benchmark/planning/keys.py",
        '    "benchmark.api",\n',
        "",
        f"{API}::test_the_interface_is_on_no_key",
    ),
    Fault(
        "encoders: a fine-tuned row gives away the encoder it started from",
        "benchmark/results/encoders.py",
        "    if not _joint(plan, cell):\n        return load_encoder(pretrained, spec)\n",
        "    if True:\n        return load_encoder(pretrained, spec)\n",
        f"{API}::test_the_encoder_of_a_row_is_the_one_that_acts",
    ),
    Fault(
        "encoders: what was pulled is not compared with its card",
        "benchmark/cli/hub.py",
        "        read_card(options.folder)\n",
        "        pass\n",
        "cli/test_hub.py::test_what_arrives_is_compared_with_its_card",
    ),
    Fault(
        "encoders: a row does not say what it does to frames",
        "benchmark/stages/pretrain.py",
        ", encoder=encoder.description)",
        ")",
        f"{API}::test_results_are_the_tables_of_the_run",
    ),
    Fault(
        "encoders: rows of other networks are said to have one",
        "benchmark/results/quality.py",
        "of_network.setdefault(known, []).append(row)",
        "of_network.setdefault(next(iter(of_network), known), []).append(row)",
        "report/test_tables.py::test_a_table_says_in_which_network_its_rows_differ",
    ),
    Fault(
        "encoders: the hub's transport fails with pages",
        "benchmark/cli/hub.py",
        "    except Exception as error:  # the",
        "    except OSError as error:  # the",
        "cli/test_hub.py::test_whatever_the_transport_raises_is_a_line",
    ),
    Fault(
        "encoders: an earlier cell wins",
        "benchmark/notebook.py",
        "definitions[defined] = [*([] if anew else definitions.get(defined, [])), statement]",
        "definitions.setdefault(defined, [statement])",
        f"{API}::test_a_class_of_a_notebook_is_a_row_whose_text_is_on_the_key",
    ),
    Fault(
        "encoders: a ResNet may be so narrow that its convolutions break the heap",
        "benchmark/contracts/method.py",
        "self.width >= 8",
        "self.width >= 1",
        "models/test_timm_encoder.py::test_a_resnet_so_narrow_that_its_convolutions_break_is_refused",
    ),
    Fault(
        "encoders: loops of a notebook run again",
        "benchmark/notebook.py",
        "    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):\n        return []\n"
        "    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]\n",
        "    targets = getattr(statement, 'targets', None) or [t for t in [getattr(statement, 'target', None)] if t]\n",
        f"{API}::test_a_file_of_cells_holds_what_they_define_and_runs_none_of_them",
    ),
    Fault(
        "encoders: what a push wrote is of the export",
        "benchmark/results/encoders.py",
        'for kind in ("pretrain", "fit") for path in (folder / kind).rglob("*"))',
        'for path in folder.rglob("*") if path.name != CARD)',
        f"{API}::test_an_exported_policy_acts_as_it_did",
    ),
    Fault(
        "encoders: only rows of the last run are exported",
        "benchmark/cli/results.py",
        "        options.methods = [options.row]\n",
        "",
        f"{API}::test_a_row_of_an_earlier_run_is_exported_by_its_name",
    ),
)

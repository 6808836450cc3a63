"""Faults of keys."""

from faults.fault import Fault

KEYS = "planning/test_code_on_keys.py"
GRAPH = "planning/test_graph.py"
ACTING = "planning/test_acting.py"
ACCOUNTS = "stages/test_accounts.py"
SOURCES = "planning/test_sources.py"

FAULTS = (
    Fault(
        "keys: code is hashed by its name",
        "benchmark/planning/keys.py",
        "{name}:{digest}\\n",
        "{name}\\n",
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[method]",
    ),
    Fault(
        "keys: imports are not followed",
        "benchmark/planning/keys.py",
        "        todo += source.imports\n",
        "",
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[loss]",
    ),
    Fault(
        "keys: comments count",
        "benchmark/planning/sources.py",
        "hashlib.sha256(_canonical(tree).encode())",
        "hashlib.sha256(data)",
        f"{KEYS}::test_a_comment_changes_nothing",
    ),
    Fault(
        "keys: pretraining without the method's code",
        "benchmark/planning/recipes.py",
        'params, {"demos": shown.ref}, *components)',
        'params, {"demos": shown.ref})',
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[method]",
    ),
    Fault(
        "keys: demonstrations without the environment's code",
        "benchmark/planning/demonstrations.py",
        "params, {}, registry.envs().get(env))",
        "params, {})",
        f"{KEYS}::test_code_of_an_environment_changes_everything",
    ),
    Fault(
        "keys: fits without the policy's code",
        "benchmark/planning/recipes.py",
        'self._make("fit", label, params, inputs, fitting.policy)',
        'self._make("fit", label, params, inputs)',
        f"{KEYS}::test_code_of_a_policy_changes_its_fits_and_rollouts",
    ),
    Fault(
        "keys: tokenizers without the policy's code",
        "benchmark/planning/recipes.py",
        'label, params, {"demos": shown.ref}, policy)',
        'label, params, {"demos": shown.ref})',
        f"{KEYS}::test_code_of_a_tokenizer_changes_it_and_the_fits_of_all_encoders[tokenizer]",
    ),
    Fault(
        "keys: tokenizers answer to all settings of their policy",
        "benchmark/planning/recipes.py",
        "tokenizer and to_json(tokenizer.settings(config))",
        "tokenizer and to_json(config)",
        f"{GRAPH}::test_a_tokenizer_answers_to_actions_and_its_own_settings[policy.vqbet.lr=0.01-True]",
    ),
    Fault(
        "keys: fits answer to settings of acting",
        "benchmark/contracts/policy.py",
        "if k not in marked}",
        "}",
        f"{ACTING}::test_a_setting_of_acting_changes_what_acts_and_no_fit[vqbet-temperature]",
    ),
    Fault(
        "keys: rollouts do not answer to how a policy acts",
        "benchmark/planning/recipes.py",
        "checkpoint=settings.checkpoint,\n            acting=self._settings(cell.policy).acting,",
        "checkpoint=settings.checkpoint,\n            acting={},",
        f"{ACTING}::test_a_setting_of_acting_changes_what_acts_and_no_fit[vqbet-temperature]",
    ),
    Fault(
        "keys: what is collected does not answer to how a policy acts",
        "benchmark/planning/recipes.py",
        "most=dagger.most,\n            acting=self._settings(cell.policy).acting,",
        "most=dagger.most,",
        f"{ACTING}::test_what_a_policy_collects_answers_to_how_it_acts",
    ),
    Fault(
        "keys: a policy acts by the defaults",
        "benchmark/stages/load/agent.py",
        "config={**fitted.config, **acting}",
        "config=fitted.config",
        "stages/test_acting.py::test_another_way_of_acting_trains_nothing_again",
    ),
    Fault(
        "keys: what training reads is taken for a setting of acting",
        "policies/vqbet.py",
        "offset_weight: float = 100.0",
        "offset_weight: float = acting(100.0)",
        "conformance/test_conformance.py::test_promise[vqbet-policy_acting_settings]",
    ),
    Fault(
        "keys: inputs are ignored",
        "benchmark/planning/keys.py",
        '"inputs": dict(inputs),',
        '"inputs": {},',
        f"{GRAPH}::test_every_key_answers_to_what_it_depends_on",
    ),
    Fault(
        "keys: settings are ignored",
        "benchmark/planning/keys.py",
        '"params": params,',
        '"params": {},',
        f"{GRAPH}::test_every_key_answers_to_what_it_depends_on",
    ),
    Fault(
        "keys: a variant has the settings of the full method",
        "benchmark/planning/recipes.py",
        "with_variant(method, self.config.method[name], variant, self._named)",
        'with_variant(method, self.config.method[name], "", self._named)',
        f"{ACCOUNTS}::test_a_variant_trains_with_its_own_settings",
    ),
    Fault(
        "plan: all of a label cost what its first stage does, whatever is stored",
        "benchmark/planning/estimates.py",
        'name = SEED.sub("", stage.label), size',
        'name = SEED.sub("", stage.label), Size(0, 0)',
        "planning/test_numbers.py::test_a_stage_costs_what_it_would_without_the_others_of_its_plan",
    ),
    Fault(
        "plan: environments share an estimate",
        "benchmark/planning/estimates.py",
        'name = SEED.sub("", stage.label), size',
        "name = stage.kind, size",
        "planning/test_numbers.py::test_a_stage_costs_what_it_would_without_the_others_of_its_plan",
    ),
    Fault(
        "keys: what was found in one text is believed of another",
        "benchmark/planning/sources.py",
        ".encode() + data, partial(",
        ".encode(), partial(",
        f"{SOURCES}::test_another_text_package_or_reader_is_read_by_itself",
    ),
    Fault(
        "keys: relative imports of one package are believed of another",
        "benchmark/planning/sources.py",
        'f"{READER} {package} ".encode()',
        'f"{READER} ".encode()',
        f"{SOURCES}::test_another_text_package_or_reader_is_read_by_itself",
    ),
    Fault(
        "keys: a newer reader believes an older one",
        "benchmark/planning/sources.py",
        'f"{READER} {package} ".encode()',
        'f"{package} ".encode()',
        f"{SOURCES}::test_another_text_package_or_reader_is_read_by_itself",
    ),
    Fault(
        "keys: a damaged note of what a module says stops the run",
        "benchmark/planning/sources.py",
        "with suppress(FileNotFoundError, ValueError, BenchmarkError):",
        "with suppress(FileNotFoundError):",
        f"{SOURCES}::test_whatever_is_wrong_with_the_notes_the_text_is_read",
    ),
    Fault(
        "keys: a note without its seal is believed",
        "benchmark/planning/sources.py",
        "if seal == seal_of(note):",
        "if seal:",
        f"{SOURCES}::test_a_letter_that_changed_is_no_other_digest",
    ),
    Fault(
        "keys: what has been installed since is not seen",
        "benchmark/planning/keys.py",
        '_stamp(path or ".")) for path in sys.path',
        "None) for path in sys.path",
        "planning/test_keys.py::test_what_is_installed_is_looked_up_once_and_again_after_a_change",
    ),
    Fault(
        "keys: a fit's holds how policies act",
        "benchmark/stages/goals.py",
        "if TYPE_CHECKING:  # what acts is on no fit's key",
        "if True:",
        f"{KEYS}::test_code_of_acting_changes_no_fit",
    ),
)

"""The resource requests of a study, called as Snakemake calls them: with wildcards and the number of the attempt."""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study, read_study_file
from elasticity.core.errors import UserError
from elasticity.pipeline.requests.resource_requests import ResourceRequest, ResourceRequests
from tests.conftest import ROOT

H100 = {"device": "cuda", "gpus_per_node": 8, "gpu": "H100", "gpu_memory_gb": 80, "cores_per_gpu": 4}
SEVENTY_TWO = {
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "intermediate_size": 29_568,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 152_064,
    "tie_word_embeddings": False,
}
"""Qwen 2.5 with 72 billion parameters, which takes four nodes of eight GPUs with 80 GB."""

THIRTEEN = SEVENTY_TWO | {
    "num_hidden_layers": 40,
    "hidden_size": 5120,
    "intermediate_size": 13_824,
    "num_attention_heads": 40,
    "num_key_value_heads": 40,
    "vocab_size": 32_000,
}
"""Llama 2 with 13 billion parameters, which takes one node of eight such GPUs."""

TRAINING = ("pretraining", "alignment", "inverse", "slices", "tuning")
RUN = {"task", "base", "side", "alignment_recipe", "seed", "alignment_size", "inverse_recipe", "run_sizes"}
REALIGNED = RUN | {"inverse_size", "realignment_recipe"}
RESISTANCE = {"task", "experiment", "base", "seed"}
WILDCARDS = {
    "pretraining": {"model"},
    "alignment": {"task", "base", "side", "alignment_recipe", "seed", "run_sizes"},
    "inverse": RUN,
    "stored_inverse": RUN,
    "realignment": REALIGNED,
    "stored_realignment": REALIGNED,
    "base": {"task", "base"},
    "slices": RESISTANCE,
    "slice_generation": RESISTANCE,
    "tuning": RESISTANCE | {"k", "l"},
    "cross_entropy": RESISTANCE | {"k", "l"},
    "choosing": RESISTANCE,
    "joint": RUN,
    "stored_joint": RUN,
    "base_compression": {"task", "base", "side", "inverse_recipe"},
    "arithmetic_coding": {"task", "base", "side", "inverse_recipe"},
    "base_lean": {"task", "base"},
    "bits_per_byte": {"task"},
}
"""The wildcards of the rule that makes each request: Snakemake gives these and no others."""

PRETRAINED_ONLY = ("pretraining", "joint", "stored_joint")
"""The requests of models that are pre-trained in the workflow."""


def asked(request: ResourceRequest, wildcards: SimpleNamespace, attempt: int = 1) -> dict[str, Any]:
    """The values of a request. Its functions take wildcards and, if they name it, the number of the attempt."""

    def value(given: Any) -> Any:
        if not callable(given):
            return given
        more = list(inspect.signature(given).parameters)[1:]
        assert set(more) <= {"attempt"}
        return given(wildcards, **dict.fromkeys(more, attempt))

    return {"threads": value(request.threads)} | {name: value(given) for name, given in request.resources.items()}


def requests_of_jobs(
    requests: ResourceRequests,
    task: str,
    base: str,
    model: str | None = None,
    attempt: int = 1,
    run_sizes: str = "0-4-8",
) -> dict[str, dict[str, Any]]:
    """The requests of a job of each rule, by the names of the rules."""
    known = {"task": task, "base": base, "experiment": "slices", "seed": "1", "side": "positive", "alignment_size": "8"}
    known |= {"inverse_size": "8", "realignment_recipe": "alignment"}
    known |= {
        "alignment_recipe": "alignment",
        "inverse_recipe": "inverse",
        "run_sizes": run_sizes,
        "k": "1",
        "l": "2",
        "model": model or base,
    }
    jobs = WILDCARDS if model else {name: names for name, names in WILDCARDS.items() if name not in PRETRAINED_ONLY}
    return {
        name: asked(getattr(requests, name), SimpleNamespace(**{key: known[key] for key in names}), attempt)
        for name, names in jobs.items()
    }


@pytest.fixture
def with_model(tmp_path: Path, values: dict[str, Any]) -> Callable[..., ResourceRequests]:
    """Make the requests of a study of a model folder that contains only a description, on the given hardware."""

    def make(config: dict[str, Any], hardware: dict[str, Any] | None = None) -> ResourceRequests:
        (tmp_path / "config.json").write_text(json.dumps(config))
        values["models"]["given"]["path"] = str(tmp_path)
        values["rebound"]["existence"]["bases"] = ["given"]
        return ResourceRequests(read_study(values | {"hardware": H100 if hardware is None else hardware}))

    return make


# Without GPUs


@pytest.fixture(scope="module")
def default() -> ResourceRequests:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return ResourceRequests(read_study_file(Path("config.yaml")))


def test_jobs_of_the_default_study_are_one_process_without_gpus(default: ResourceRequests) -> None:
    default.check()
    for name, asks in requests_of_jobs(default, "reviews", "small", "small").items():
        assert (asks["threads"], asks["processes"], asks["nodes"], asks["device"]) == (1, 1, 1, "cpu"), name
        assert asks["node_gpus"] == 0
        for resource in ("gpu", "gres", "mpi", "tasks", "tasks_per_gpu", "slurm_extra"):
            assert asks.get(resource) is None, (name, resource)
        assert 1500 < asks["mem_mb"] <= 2200
        longest = 300 if "joint" in name else 70  # joint training is not asked for here
        assert 15 <= asks["runtime"] <= longest, name


def test_training_jobs_of_the_default_study_are_plain(default: ResourceRequests) -> None:
    for name in TRAINING:
        asks = requests_of_jobs(default, "reviews", "small", "small")[name]
        assert (asks["zero_stage"], asks["micro_batch"], asks["offload"]) == (-1, 8, "none")
        assert asks["gradient_checkpointing"] == 0


def test_a_warm_up_requests_what_the_model_that_it_starts_from_needs(values: dict[str, Any]) -> None:
    tuned = {"kind": "tuned", "base": "nano-step3", "task": "reviews", "side": "positive", "examples": 40}
    values["models"]["warm"] = tuned | {"tuning": values["alignment"]}
    values["rebound"]["existence"]["bases"] = ["warm"]
    requests = ResourceRequests(read_study(values))
    warm_up = asked(requests.warm_up, SimpleNamespace(model="warm"))
    assert warm_up == asked(requests.pretraining, SimpleNamespace(model="nano")) | {"micro_batch": 4}
    where = {"task": "reviews", "side": "positive", "alignment_recipe": "alignment", "seed": "1", "run_sizes": "8-16"}
    warm, cold = (asked(requests.alignment, SimpleNamespace(base=base, **where)) for base in ("warm", "nano"))
    assert warm == cold


def test_each_attempt_requests_more(default: ResourceRequests) -> None:
    first, second, third = (requests_of_jobs(default, "reviews", "small", "small", attempt) for attempt in (1, 2, 3))
    for name in WILDCARDS:
        assert first[name]["mem_mb"] < second[name]["mem_mb"] < third[name]["mem_mb"]
        assert first[name]["runtime"] < second[name]["runtime"] < third[name]["runtime"]
        assert first[name]["processes"] == third[name]["processes"]


def test_ppo_requests_memory_for_the_reference_model_and_the_score_model(
    values: dict[str, Any], tmp_path: Path
) -> None:
    """Without GPUs both are in the memory of the node. Drawing responses takes time."""
    score_model = {"kind": "text-classifier", "path": str(tmp_path), "parameters": 10**9}
    values["tasks"]["reviews"]["score_model"] = score_model
    values["recipes"] = {"ppo": values["inverse"] | {"algorithm": {"kind": "ppo", "new_tokens": 4}}}
    requests = ResourceRequests(read_study(values))
    where = {"task": "reviews", "base": "nano", "run_sizes": "4000"}
    plain, ppo = (asked(requests.inverse, SimpleNamespace(inverse_recipe=name, **where)) for name in ("inverse", "ppo"))
    assert 4000 <= ppo["mem_mb"] - plain["mem_mb"] <= 4100
    assert ppo["runtime"] > plain["runtime"]


def test_longer_runs_request_more_time(with_model: Callable[..., ResourceRequests]) -> None:
    requests = with_model(THIRTEEN)
    short, long = (
        requests_of_jobs(requests, "reviews", "given", run_sizes=run_sizes) for run_sizes in ("0-4", "0-4-200000")
    )
    for name in ("alignment", "inverse", "stored_inverse"):
        assert short[name]["runtime"] < long[name]["runtime"]
        assert short[name]["mem_mb"] == long[name]["mem_mb"]


def test_responses_of_a_base_model_are_requested_without_a_run(default: ResourceRequests) -> None:
    asks = asked(default.base, SimpleNamespace(task="reviews", base="small"))
    assert (asks["threads"], asks["processes"]) == (1, 1)


def test_a_checkpoint_requests_what_its_model_requests() -> None:
    """Experiments may ask for other measurements of inverse stages on it."""
    laptop = ResourceRequests(read_study_file(ROOT / "studies/laptop.yaml"))
    checkpoint, model = (requests_of_jobs(laptop, "reviews", base, "small") for base in ("small-step80", "small"))
    for name in (*TRAINING, "slice_generation", "base_compression", "arithmetic_coding", "bits_per_byte"):
        if name != "inverse":
            assert checkpoint[name] == model[name]


# With GPUs


def test_a_job_on_one_node_requests_its_gpus_and_their_cores(with_model: Callable[..., ResourceRequests]) -> None:
    asks = requests_of_jobs(with_model(THIRTEEN), "reviews", "given")
    for name in ("alignment", "inverse", "slices", "tuning", "slice_generation", "base"):
        assert (asks[name]["gpu"], asks[name]["processes"], asks[name]["threads"]) == (8, 8, 32), name
        assert (asks[name]["gres"], asks[name].get("mpi"), asks[name].get("tasks")) == (None, None, None)
        assert (asks[name]["nodes"], asks[name]["device"], asks[name]["node_gpus"]) == (1, "cuda", 8)
    assert asks["inverse"]["zero_stage"] == 3
    for name, gpus in {"bits_per_byte": 1, "choosing": 1}.items():
        assert (asks[name]["gpu"], asks[name]["gres"], asks[name]["threads"]) == (gpus, None, 4 * gpus), name


def test_a_job_on_several_nodes_calls_srun_and_requests_the_gpus_of_each_node(
    with_model: Callable[..., ResourceRequests],
) -> None:
    asks = requests_of_jobs(with_model(SEVENTY_TWO), "reviews", "given")
    for name in ("alignment", "inverse", "slices", "tuning"):
        job = asks[name]
        assert (job["nodes"], job["processes"], job["threads"]) == (4, 8, 32), name
        assert (job["gres"], job["gpu"]) == ("gpu:8", None)
        assert (job["mpi"], job["tasks"], job["slurm_extra"]) == ("srun", 4, "--ntasks-per-node=1")
        assert job["tasks_per_gpu"] == 0  # or the executor leaves tasks out


def test_responses_run_on_one_node_although_training_runs_on_several(
    with_model: Callable[..., ResourceRequests],
) -> None:
    asks = requests_of_jobs(with_model(SEVENTY_TWO), "reviews", "given")
    for name in ("slice_generation", "stored_inverse", "stored_realignment", "cross_entropy", "base"):
        assert (asks[name]["nodes"], asks[name]["processes"], asks[name]["threads"]) == (1, 1, 32), name
        assert (asks[name]["gres"], asks[name]["gpu"], asks[name].get("mpi")) == ("gpu:8", None, None)
        assert asks[name]["gpus_per_process"] == 8  # 291 GB would fit into 5, but the submission has 8
    for name, gpus in {"bits_per_byte": 5, "choosing": 5}.items():
        asked = (asks[name]["processes"], asks[name]["gpus_per_process"], asks[name]["threads"])
        assert asked == (1, gpus, 4 * gpus), name
        assert (asks[name]["gpu"], asks[name]["gres"]) == (gpus, None)


def test_only_models_that_do_not_fit_into_one_gpu_are_spread_over_several(
    with_model: Callable[..., ResourceRequests],
) -> None:
    """Two models of 13 billion parameters take 104 GB, so the process that compares them gets all GPUs."""
    asks = requests_of_jobs(with_model(THIRTEEN), "reviews", "given")
    spread = {name: job["gpus_per_process"] for name, job in asks.items() if job["gpus_per_process"] > 1}
    assert spread == {"stored_inverse": 8, "cross_entropy": 8}
    job = asks["stored_inverse"]
    assert (job["processes"], job["gpu"], job["threads"]) == (1, 8, 32)
    larger = requests_of_jobs(with_model(THIRTEEN, H100 | {"gpu_memory_gb": 141}), "reviews", "given")
    assert all(job["gpus_per_process"] == 1 for job in larger.values())


def test_models_are_measured_in_place_where_each_process_has_room_for_them(
    with_model: Callable[..., ResourceRequests], values: dict[str, Any]
) -> None:
    def stored(hardware: dict[str, Any]) -> list[str]:
        return with_model(THIRTEEN, hardware).stored

    assert stored(H100) == ["given"]  # ZeRO stage 3 divides it among eight GPUs
    assert stored(H100 | {"gpu_memory_gb": 192}) == []  # more GPUs than training needs leave room for both models
    assert stored(H100 | {"gpu_memory_gb": 400}) == []
    assert stored({}) == []
    values["engine"] = "vllm"
    assert sorted(stored({})) == ["given", "nano", "nano-step3"]


def test_measuring_in_place_takes_time_and_memory(
    with_model: Callable[..., ResourceRequests], values: dict[str, Any]
) -> None:
    small = THIRTEEN | {"num_hidden_layers": 2}
    values["tasks"]["reviews"]["splits"]["prompts"] = 100_000
    measured = requests_of_jobs(with_model(small), "reviews", "given")["inverse"]
    values["engine"] = "vllm"
    stored = requests_of_jobs(with_model(small), "reviews", "given")["inverse"]
    assert measured["runtime"] > 2 * stored["runtime"]
    values["engine"] = "transformers"
    values["sampling"]["batch_size"] = 1000
    values["rebound"]["existence"]["divergence"] = True
    beside = requests_of_jobs(with_model(small, {}), "reviews", "given")["inverse"]
    values["rebound"]["existence"]["divergence"] = False
    assert beside["mem_mb"] > requests_of_jobs(with_model(small, {}), "reviews", "given")["inverse"]["mem_mb"] + 2000


def test_processes_in_place_of_gpus_do_not_spread_models(with_model: Callable[..., ResourceRequests]) -> None:
    asks = requests_of_jobs(with_model(SEVENTY_TWO, H100 | {"device": "cpu"}), "reviews", "given")
    assert all(job["gpus_per_process"] == 1 for job in asks.values())


def test_vllm_does_not_spread_models(with_model: Callable[..., ResourceRequests], values: dict[str, Any]) -> None:
    values["engine"] = "vllm"
    requests = with_model(SEVENTY_TWO)
    asks = requests_of_jobs(requests, "reviews", "given")
    job = asks["stored_realignment"]
    assert (job["processes"], job["gpus_per_process"]) == (8, 1)
    with pytest.raises(UserError, match=r"model given: .* 291 GB, and engine: vllm keeps a model on one GPU"):
        requests.check()


def test_models_that_are_only_measured_must_fit_beside_their_base_model(
    with_model: Callable[..., ResourceRequests], unscored: dict[str, Any]
) -> None:
    del unscored["rebound"]["pretraining"]
    with pytest.raises(UserError, match=r"comparing two models .* needs 582 GB .* do not measure its divergence"):
        with_model(SEVENTY_TWO).check()
    with_model(SEVENTY_TWO, H100 | {"gpu_memory_gb": 141}).check()


@pytest.mark.parametrize("config", [THIRTEEN, SEVENTY_TWO], ids=["13B", "72B"])
@pytest.mark.parametrize("more", [{}, {"offload": "weights"}, {"gpus": 32, "zero_stage": 3}, {"gpus_per_node": 16}])
def test_no_submission_has_both_gpu_and_gres(
    with_model: Callable[..., ResourceRequests], config: dict[str, Any], more: dict[str, Any]
) -> None:
    """An inverse stage and its responses are one submission, and the executor rejects one with both options."""
    requests = with_model(config, H100 | more)
    options = {}
    for name, asks in requests_of_jobs(requests, "reviews", "given").items():
        assert (asks["gpu"] is None) != (asks["gres"] is None), name
        options[name] = "gpu" if asks["gres"] is None else "gres"
    assert options["inverse"] == options["stored_inverse"]


def test_processes_take_the_place_of_gpus_on_a_cpu(with_model: Callable[..., ResourceRequests]) -> None:
    hardware = {"device": "cpu", "gpus_per_node": 2, "gpus": 2}
    asks = requests_of_jobs(
        with_model(THIRTEEN | {"num_hidden_layers": 1, "hidden_size": 160}, hardware), "reviews", "given"
    )
    job = asks["inverse"]
    assert (job["device"], job["processes"], job["gpu"], job["threads"], job["zero_stage"]) == ("cpu", 2, 2, 2, 0)


def test_models_that_generate_no_responses_need_no_kv_cache(
    with_model: Callable[..., ResourceRequests], unscored: dict[str, Any]
) -> None:
    unscored["sampling"] |= {"batch_size": 100_000, "new_tokens": 10_000}
    with_model(THIRTEEN).check()


def test_questions_of_another_task_add_to_the_time_of_generation(
    with_model: Callable[..., ResourceRequests], values: dict[str, Any]
) -> None:
    own = requests_of_jobs(with_model(THIRTEEN), "reviews", "given")["slice_generation"]
    splits = values["tasks"]["reviews"]["splits"]
    values["tasks"]["general"] = values["tasks"]["reviews"] | {"splits": splits | {"prompts": 5_000_000}}
    values["resistance"]["slices"]["questions"] = "general"
    others = requests_of_jobs(with_model(THIRTEEN), "reviews", "given")["slice_generation"]
    assert others["runtime"] > 2 * own["runtime"]


def test_wider_windows_take_longer(with_model: Callable[..., ResourceRequests], values: dict[str, Any]) -> None:
    """With windows four times as wide and the same stride, four times as many tokens are read."""
    values["tasks"]["reviews"]["splits"]["held_out"] = 2000
    limits = []
    for window in (512, 2048):
        values["compression"] = {"window": window, "stride": 256, "characters": 8192}
        limits.append(requests_of_jobs(with_model(THIRTEEN), "reviews", "given")["base_compression"]["runtime"])
    assert limits[1] > 3 * limits[0]


def test_measuring_all_base_models_requests_memory_for_the_largest(with_model: Callable[..., ResourceRequests]) -> None:
    requests = with_model(THIRTEEN)
    assert requests_of_jobs(requests, "reviews", "nano", "nano")["bits_per_byte"]["mem_mb"] > 4 * 13e9 / 1e6


# Errors and rules


@pytest.mark.parametrize("more", [{"gpus": 1}, {"gpu_memory_gb": 1}])
def test_a_model_that_does_not_fit_is_an_error(
    with_model: Callable[..., ResourceRequests], more: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"model given .* does not fit"):
        with_model(SEVENTY_TWO, H100 | more).check()
    with_model(SEVENTY_TWO, H100 | {"gpu_memory_gb": 141}).check()


def test_a_model_that_can_be_trained_but_cannot_generate_is_an_error(
    with_model: Callable[..., ResourceRequests], values: dict[str, Any]
) -> None:
    few = H100 | {"gpus_per_node": 2, "gpus": 64}
    with pytest.raises(UserError, match=r"given \(72.7e9 .*: generation needs 29\d GB .* 144 GB .* lower sampling"):
        with_model(SEVENTY_TWO, few).check()
    values["rebound"]["existence"]["divergence"] = True
    with pytest.raises(UserError, match=r"comparing two models .* needs 582 GB .* do not measure its divergence"):
        with_model(SEVENTY_TWO).check()
    with_model(SEVENTY_TWO, H100 | {"gpu_memory_gb": 141}).check()


@pytest.mark.parametrize("part", ["slices", "tuning"])
def test_a_resistance_job_that_does_not_fit_is_an_error(values: dict[str, Any], part: str) -> None:
    del values["models"]["given"]
    values["resistance"]["slices"]["bases"] = ["nano"]
    hardware = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.1}
    ResourceRequests(read_study(values | {"hardware": hardware})).check()
    values["resistance"]["slices"][part]["max_length"] = 100_000
    with pytest.raises(UserError, match=r"model nano .* does not fit"):
        ResourceRequests(read_study(values | {"hardware": hardware})).check()


def test_a_pre_trained_model_that_does_not_fit_is_an_error(values: dict[str, Any]) -> None:
    del values["models"]["given"]
    values["resistance"]["slices"]["bases"] = ["nano"]
    for side in ("alignment", "inverse"):
        values[side]["max_length"] = 2
    values["models"]["nano"] |= {"context": 100_000}
    study = read_study(values | {"hardware": {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.1}})
    with pytest.raises(UserError, match=r"model nano .* does not fit"):
        ResourceRequests(study).check()


def test_joint_training_that_does_not_fit_is_an_error(values: dict[str, Any]) -> None:
    """The examples of both sides fit under bf16 autocast, which pre-training and joint training do not use here."""
    del values["models"]["given"]
    values["rebound"] = {"existence": values["rebound"]["existence"] | {"compression": True}}
    values["resistance"]["slices"]["bases"] = ["nano"]
    values["compression"] = {"window": 16, "stride": 8}
    values["models"]["nano"]["optimization"]["precision"] = "fp32"
    for side in ("alignment", "inverse"):
        values[side]["max_length"] = 20_000
    hardware = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.14}
    ResourceRequests(read_study(values | {"hardware": hardware})).check()
    values["rebound"]["existence"]["joint"] = True
    with pytest.raises(UserError, match=r"model nano .* does not fit"):
        ResourceRequests(read_study(values | {"hardware": hardware})).check()


def test_rules_take_threads_and_resources_from_the_same_request() -> None:
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    threads = re.findall(r"threads: pipeline\.requests\.(\w+)\.threads\n", rules)
    assert threads == re.findall(r"resources:\n +\*\*pipeline\.requests\.(\w+)\.resources,\n", rules)
    assert set(threads) == {*WILDCARDS, "warm_up", "scoring", "validate_score_model"}

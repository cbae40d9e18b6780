"""A fork server whose jobs are the processes of torchrun, and jobs of different environments."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[2] / "workflow/scripts/elasticity/runtime"))

import fork_server

OF_TORCHRUN = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "ROLE_NAME", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCH_NCCL_ASYNC_ERROR_HANDLING"),
    *(f"TORCHELASTIC_{name}" for name in ("RESTART_COUNT", "MAX_RESTARTS", "RUN_ID", "USE_AGENT_STORE", "ERROR_FILE")),
    *("TORCHELASTIC_SIGNALS_TO_HANDLE", "NCCL_ASYNC_ERROR_HANDLING"),
)
"""Variables that differ between the processes of torchrun. They are read when the processes meet."""

OF_JOBS = ("ELASTICITY_LAUNCH", "PYTHON_EXEC", "ELASTICITY_SAVE_EVERY_S", "CUBLAS_WORKSPACE_CONFIG", "DS_ACCELERATOR")
"""Variables that differ between jobs here. DeepSpeed, which reads the last, is imported for the CPU."""

fork_server.NOT_READ |= {name.encode() for name in (*OF_TORCHRUN, *OF_JOBS)}
del sys.path[1]
fork_server.main()

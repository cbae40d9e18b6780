"""Configuration files of a SLURM cluster whose nodes are all this machine."""

import os
import pwd
import random
import socket
from pathlib import Path

NODES = ("node1", "node2")
HOST = socket.gethostname().split(".")[0]
USER = pwd.getpwuid(os.getuid()).pw_name
GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
"""Fake GPUs: character devices that every user can open."""


def free_ports(count: int) -> list[int]:
    """Return ports on the loopback that no process listens on.

    They are below the range that the kernel uses for outgoing connections, which could take them before a daemon does.
    """
    ports: list[int] = []
    for port in random.Random().sample(range(10000, 20000), 200):
        with socket.socket() as probe:
            if len(ports) < count and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports


def configuration(folder: Path, accounting: bool) -> dict[str, str]:
    """Return the text of every file that the daemons read, by its name in the folder."""
    files = {"gres.conf": _gres(), "cgroup.conf": "ConstrainCores=no\nConstrainDevices=no\nConstrainRAMSpace=no\n"}
    controller, first, second, database = free_ports(4)
    files["slurm.conf"] = _slurm(folder, controller, dict(zip(NODES, (first, second), strict=True)))
    if accounting:
        files["slurm.conf"] += _accounting(folder, database)
        files["slurmdbd.conf"] = _database(folder, database)
    else:
        files["slurm.conf"] += "AccountingStorageType=accounting_storage/none\n"
    return files


def _slurm(folder: Path, port: int, nodes: dict[str, int]) -> str:
    gpus = f"Gres=gpu:fake:{len(GPUS)}"
    names = [
        f"NodeName={name} NodeHostname={HOST} NodeAddr=127.0.0.1 Port={number} CPUs=16 RealMemory=20000 {gpus}"
        for name, number in nodes.items()
    ]
    return f"""\
ClusterName=throwaway
SlurmctldHost={HOST}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={USER}
SlurmdUser={USER}
AuthType=auth/munge
# cred_expire is how long a job that was requeued has to wait (default: 120 s)
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
# a node that is set down stays down until it is resumed
ReturnToService=1
SlurmdParameters=config_overrides
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
EnforcePartLimits=ALL
# long enough for a test to ask for a job that ended many tests ago (default: 300 s)
MinJobAge=7200
KillWait=10
{chr(10).join(names)}
PartitionName=gpu Nodes=ALL Default=YES
PartitionName=cpu Nodes=ALL
"""


def _gres() -> str:
    lines = [f"NodeName={','.join(NODES)} Name=gpu Type=fake File={device}" for device in GPUS]
    return "\n".join(["AutoDetect=off", *lines]) + "\n"


def _accounting(folder: Path, port: int) -> str:
    return f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
"""


def _database(folder: Path, port: int) -> str:
    return f"""\
DbdHost={HOST}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={USER}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={USER}
"""

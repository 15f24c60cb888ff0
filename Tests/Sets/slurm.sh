#!/usr/bin/env bash
# Runs a command in a Slurm cluster of this machine alone, which is started for it and stopped afterwards:
# munged, slurmctld and slurmd of the caller's, with their files in a new folder and ports of their own.
#
#   Tests/Sets/slurm.sh CPUS COMMAND...
#
# Debian: munge slurm-client slurmctld slurmd, and libpmix2 for srun --mpi=pmix.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
cpus=$1
shift
folder=$(mktemp -d)
host=$(hostname -s)
read -r port other < <(python3 - <<'P'
import socket
found = [socket.socket() for _ in range(2)]
for one in found: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in found])
P
)
stop() {
  local name pid
  for name in slurmd slurmctld munged; do
    pid=$(cat "$folder/$name.pid" 2> /dev/null) || continue
    kill "$pid" 2> /dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2> /dev/null || true
  done
  rm -rf "$folder"
}
trap stop EXIT
# Not below /tmp/…/private: clients of any user find the socket.
chmod 755 "$folder"
mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
(umask 077; head -c 1024 /dev/urandom > "$folder/key")
munged --force --key-file="$folder/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/seed" 2> "$folder/words" ||
  { cat "$folder/words" >&2; exit 1; }
cat > "$folder/slurm.conf" << C
ClusterName=check
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$port
SlurmdPort=$other
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=check Nodes=$host Default=YES MaxTime=INFINITE State=UP
C
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd
for try in $(seq 100); do
  sinfo -h -o %T 2> /dev/null | grep -q idle && break
  [ "$try" -lt 100 ] || { tail -n 5 "$folder"/*.log >&2; echo "slurm does not start" >&2; exit 1; }
  sleep 0.2
done
"$@"

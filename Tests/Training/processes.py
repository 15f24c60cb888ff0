#!/usr/bin/env python3
"""Training by several processes over MPI: N processes of b clips are one process of N·b clips.

    Tests/Training/processes.py VTFILTER REPOSITORY [--long] [--hosts] [--mpi openmpi|mpich]

With mpirun.openmpi and mpirun.mpich, those that are there and that `make mpi` has a plug-in for.
Gradients agree to float32 rounding, terms and weights over ten batches within the bounds of the golden
curves; runs repeat bitwise; what is stopped or killed goes on with another number of processes; a
process that fails or dies ends all, by name. --long: 4 processes, and every golden configuration.
--hosts: the processes are on two hosts, which are network namespaces with names of their own.
"""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy

vtfilter, root = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
long = "--long" in sys.argv[3:]
only = sys.argv[sys.argv.index("--mpi") + 1] if "--mpi" in sys.argv else None
media, goldens = root / "Tests/Fixtures/media", root / "Tests/Fixtures/goldens/training"
plugins = root / ".build-library/stage/lib"
environment = {
    **os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMPI_MCA_mpi_yield_when_idle": "1",
}
CLOCK = {"train/clips_per_second", "train/wait_for_data", "train/peak_memory"}


class Unpickler(pickle.Unpickler):
    """Arrays and plain values of a torch file, without torch."""

    def __init__(self, archive):
        self.archive = archive
        super().__init__(archive.open("archive/data.pkl"))

    def find_class(self, module, name):
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *rest: storage.reshape(size)
        if name == "OrderedDict":
            return dict
        return name

    def persistent_load(self, key):
        types = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}
        return numpy.frombuffer(self.archive.read(f"archive/data/{key[2]}"), types[key[1]])


class Run:
    """What a run left in its folder."""

    def __init__(self, logs):
        [self.folder] = Path(logs).iterdir()
        lines = [json.loads(line) for line in open(self.folder / "metrics.jsonl")]
        self.batches = [line for line in lines if "epoch" in line]
        self.validations = [line for line in lines if "epoch" not in line]
        self.last = self.folder / "checkpoints/last.ckpt"
        with zipfile.ZipFile(self.last) as archive:
            self.checkpoint = Unpickler(archive).load()

    @property
    def shown(self):
        """Best and worst videos of the validation on the page (some are alike), and their scores."""
        page = (self.folder / "report.html").read_text()
        return re.findall(r"\d-(\w+\.mp4)", page) + re.findall(r"[\d.]+ dB", page)

    @property
    def gradients(self):
        """With a first beta of 0, the average of gradients is the last one."""
        state = self.checkpoint["optimizer_states"]
        return [{i: s["exp_avg"] for i, s in one["state"].items()} for one in state]

    @property
    def weights(self):
        return {
            name: values for name, values in self.checkpoint["state_dict"].items()
            if not name.endswith(("pos_embed", "pos_embed_temporal", "num_batches_tracked"))
        }


def is_free(name):
    """Biases of keys, whose gradient is rounding alone."""
    return name.endswith(("attention.key.bias", "qkv.bias"))


def difference(found, expected, start=None):
    """Relative L2 of all together, and of the worst tensor."""
    def moved(values, name):
        return values[name].astype(float) - (0 if start is None else start[name].astype(float))
    names = [name for name in expected if not (isinstance(name, str) and is_free(name))]
    squares = {n: float((moved(expected, n) ** 2).sum()) for n in names}
    errors = {n: float(((found[n].astype(float) - expected[n]) ** 2).sum()) for n in names}
    whole = sum(squares.values()) ** 0.5
    worst = max(errors[n] ** 0.5 / (squares[n] ** 0.5 + 1e-4 * whole) for n in names)
    return sum(errors.values()) ** 0.5 / whole, worst


def terms(lines):
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def check(is_true, text):
    if not is_true:
        sys.exit(f"processes: {text}")


class Lab:
    def __init__(self, mpi, folder):
        self.mpi, self.folder = mpi, folder
        self.videos = folder / "videos"
        if not self.videos.exists():
            self.videos.mkdir()
            for i in range(5):  # an epoch is not a whole number of batches
                for clip in media.glob("*.mp4"):
                    shutil.copy(clip, self.videos / f"{i}-{clip.name}")
        self.number = 0

    def command(self, case, logs, processes, clips, *more, steps=10):
        golden = goldens / case
        words = [
            vtfilter, "train", "-b", golden / "config.yaml", "--data-dir", self.videos,
            "--logdir", logs, "--steps", steps, "--no-tensorboard",
            f"model.params.ckpt_path={golden}/initial.safetensors",
            "model.params.loss_config.params.perceptual_weight=0",
            "lightning.trainer.log_every_n_steps=1", f"data.params.batch_size={clips}", *more,
        ]
        words = [str(word) for word in words]
        return words if processes == 1 else self.mpirun(processes) + words + ["--threads", "1"]

    def mpirun(self, processes):
        return [f"mpirun.{self.mpi}", "-n", str(processes)]

    def logs(self):
        self.number += 1
        return self.folder / f"logs-{self.mpi}-{self.number}"

    def run(self, case, processes, clips, *more, **options):
        logs = self.logs()
        done = subprocess.run(
            self.command(case, logs, processes, clips, *more, **options), env=environment,
            capture_output=True, text=True, timeout=300)
        check(done.returncode == 0, f"{case}, {processes} processes: {done.returncode}\n{done.stderr}")
        return Run(logs)

    def failing(self, words, status):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
        check(done.returncode == status,
              f"{' '.join(words)}: ended with {done.returncode}, not {status}\n{done.stderr}")
        return done.stderr

    # What is promised

    def equality(self, case, counts, accumulate=1):
        """Gradients of the first batches, ten batches, a validation, and the same bits again."""
        options = [
            "lightning.trainer.sync_batchnorm=true", "model.params.ema_decay=0.9",
            "model.params.loss_config.params.disc_start=2",
            f"lightning.trainer.accumulate_grad_batches={accumulate}",
            "lightning.trainer.val_check_interval=5", "--val-data-dir", self.videos,
        ]
        free = "model.params.optimizer_config.params.betas=[0, 0.9]"
        one = self.run(case, 1, 4, *options)
        first = self.run(case, 1, 4, *options, free, steps=2)
        start = self.run(case, 1, 4, *options, free, "model.params.lr_scheduler_config_g.params.lr_max=0",
                         "model.params.lr_scheduler_config_g.params.lr_start=0", steps=1).weights
        for count in counts:
            other = self.run(case, count, 4 // count, *options, free, steps=2)
            said = []
            for which, bounds in enumerate([(1e-6, 2e-5), (4e-6, 2e-5)]):
                found = difference(other.gradients[which], first.gradients[which])
                said.append(f"{found[0]:.1e}")
                check(found[0] <= bounds[0] and found[1] <= bounds[1],
                      f"{case}: gradients of optimizer {which} with {count} processes: {found}")
            many = self.run(case, count, 4 // count, *options)
            for a, b in zip(terms(many.batches + many.validations),
                            terms(one.batches + one.validations), strict=True):
                check(a.keys() == b.keys(), f"{case}: {a.keys() ^ b.keys()}")
                for name in b:
                    error = abs(a[name] - b[name]) / (abs(b[name]) + 1e-3)
                    check(error <= 1e-4, f"{case}: {name} {a[name]}, with one process {b[name]}: {b}")
            all_, worst = difference(many.weights, one.weights, start)
            check(all_ <= 5e-4, f"{case}: weights with {count} processes: {all_}, {worst}")
            check(many.shown == one.shown, f"{case}: the page shows {many.shown}, not {one.shown}")
            print(f"{self.mpi}: {case}: {count} processes: gradients within {' and '.join(said)}, "
                  f"ten batches {all_:.1e} of the way")
        again = self.run(case, counts[-1], 4 // counts[-1], *options)
        check(terms(again.batches) == terms(many.batches), f"{case}: another run, other terms")
        for name, values in many.weights.items():
            check(numpy.array_equal(values, again.weights[name]), f"{case}: another run, another {name}")
        print(f"{self.mpi}: {case}: {counts[-1]} processes again: the same bits")

    def stopped(self, sign, processes, clips, *more, after=2, **options):
        """A run whose process `rank` gets a signal after some batches; its folder and words."""
        logs = self.logs()
        words = self.command("causal", logs, processes, clips, "-v", *more, **options)
        running = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        numbers, said = {}, []
        for line in running.stderr:
            said.append(line)
            if found := re.search(r"rank (\d+): process (\d+) on", line):
                numbers[int(found[1])] = int(found[2])
            if re.search(rf"batch {after} of", line):
                os.kill(numbers[1], sign)
                break
        started = time.monotonic()
        said.append(running.communicate(timeout=60)[1])
        return running.returncode, Run(logs), "".join(said), time.monotonic() - started

    def resume(self, run, processes, clips, *more):
        words = [vtfilter, "train", "--resume", run.folder, "--no-tensorboard",
                 f"data.params.batch_size={clips}", *more]
        words = [str(word) for word in words]
        if processes > 1:
            words = self.mpirun(processes) + words + ["--threads", "1"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
        check(done.returncode == 0, f"resume with {processes}: {done.returncode}\n{done.stderr}")
        return Run(run.folder.parent), done.stderr

    def signals(self):
        """A signal to one process stops all behind the same batch; other numbers of processes go on."""
        steps = 60
        whole = self.run("causal", 2, 2, steps=steps)
        for processes, clips in [(2, 2), (1, 4)] + ([(4, 1)] if long else []):
            status, run, said, _ = self.stopped(signal.SIGTERM, 2, 2, steps=steps)
            check(status == 143, f"stopped with {status}: {said}")
            done = run.checkpoint["vidtwin"]["batch"]
            check(0 < done < steps, f"stopped after {done}")
            run, said = self.resume(run, processes, clips)
            check([line["batch"] for line in run.batches] == list(range(steps)), "a batch is missing")
            check("clips and has" not in said, said)
            if processes == 2:
                check(terms(run.batches) == terms(whole.batches), "resumed: other terms")
                for name, values in whole.weights.items():
                    check(numpy.array_equal(values, run.weights[name]), f"resumed: another {name}")
            else:
                # Before the discriminator, whose norms are each process's own, nothing is far off.
                for a, b in zip(run.batches[:done + 3], whole.batches):
                    error = abs(a["train/rec_loss"] - b["train/rec_loss"]) / b["train/rec_loss"]
                    check(error <= 1e-2, f"batch {b['batch']}: {a}, {b}")
            print(f"{self.mpi}: stopped after {done} of {steps}, went on with {processes} "
                  f"process{'es'[:2 * (processes > 1)]}")
        logs = run.folder.parent
        done = self.failing(
            self.command("causal", logs, 2, 4, "--resume", str(run.folder), steps=steps + 2), 0)
        check("a batch had 4 clips and has 8 now" in done, done)

    def death(self):
        """A process that is killed ends all; the last checkpoint goes on."""
        status, run, said, seconds = self.stopped(
            signal.SIGKILL, 2, 2, "lightning.modelcheckpoint.params.every_n_train_steps=4", after=4,
            steps=1000)
        check(status not in (0, 143), f"killed: {status}")
        check(seconds < 30, f"killed: the others lived on for {seconds} s")
        if self.mpi == "openmpi":
            check(re.search(r"process rank 1 .* exited on signal 9", said), said)
        before = run.checkpoint["vidtwin"]["batch"]
        check(before >= 2, f"the last checkpoint is of batch {before}")
        run, _ = self.resume(run, 1, 4, "--steps", str(before + 3))
        check(run.checkpoint["vidtwin"]["batch"] == before + 3, "it did not go on")
        print(f"{self.mpi}: rank 1 killed: all ended after {seconds:.1f} s, batch {before} went on")

    def errors(self):
        """What one process finds wrong ends all, with its name and its status, said once."""
        two = self.mpirun(1)
        good = self.command("causal", self.logs(), 1, 2)
        def split(other):
            return two + good + [":", "-n", "1"] + other
        said = self.failing(split(good + ["--seed", "5"]), 1)
        check(said.count("rank 1 of 2: expected the configuration and the seed of rank 0") == 1, said)
        other = list(good)
        other[other.index("--data-dir") + 1] = "nowhere"
        said = self.failing(split(other), 4)
        check(len(re.findall(r"error: rank 1: .*nowhere", said)) == 1, said)
        both = self.command("causal", self.logs(), 2, 2)
        both[both.index("--data-dir") + 1] = "nowhere"
        said = self.failing(both, 4)
        check(said.count("vtfilter: error:") == 1 and "rank" not in said.split("error:")[1].split("\n")[0],
              said)
        # A video that only the process whose turn it is meets.
        videos, self.videos = self.videos, self.folder / f"broken-{self.mpi}"
        self.videos.mkdir()
        for clip in videos.iterdir():
            shutil.copy(clip, self.videos)
        (self.videos / "broken.mp4").write_bytes(b"no video")
        logs = self.logs()
        said = self.failing(
            self.command("causal", logs, 2, 2, "data.params.train.params.skip_missing_files=false"), 4)
        check(said.count("broken.mp4") >= 1 and "error:" in said, said)
        done = self.failing(self.command("causal", self.logs(), 2, 2), 0)
        check(done.count("broken.mp4") == 1, done)
        self.videos = videos
        print(f"{self.mpi}: errors of one process and of all")


class Hosts(Lab):
    """Two network namespaces, joined by a cable, with a host's name each."""

    names = ["vtfilter-a", "vtfilter-b"]
    addresses = ["10.213.77.1", "10.213.77.2"]

    def __init__(self, mpi, folder):
        super().__init__(mpi, folder)
        self.agent = folder / "agent"
        self.agent.write_text(
            "#!/bin/sh\n# agent [OPTIONS] ADDRESS COMMAND: what ssh does for hosts that have one\n"
            "while [ \"${1#-}\" != \"$1\" ]; do shift; done\n"
            f"case $1 in {self.addresses[0]}) name={self.names[0]} ;; *) name={self.names[1]} ;; esac\n"
            "shift\nexec ip netns exec $name unshare --uts sh -c \"hostname $name; $*\"\n")
        self.agent.chmod(0o755)

    def __enter__(self):
        def ip(*words):
            subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
        try:
            self.__exit__()
            for name in self.names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("link", "add", "vtf0", "netns", self.names[0], "type", "veth",
               "peer", "name", "vtf1", "netns", self.names[1])
            for i, name in enumerate(self.names):
                ip("-n", name, "addr", "add", f"{self.addresses[i]}/24", "dev", f"vtf{i}")
                ip("-n", name, "link", "set", f"vtf{i}", "up")
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            self.__exit__()
            print(f"network namespaces are not allowed here: several hosts were NOT TESTED: "
                  f"{getattr(error, 'stderr', error)}")
            return None
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def mpirun(self, processes):
        here = ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c",
                f'hostname {self.names[0]}; exec "$@"', "sh", f"mpirun.{self.mpi}"]
        if self.mpi == "openmpi":
            hosts = ",".join(f"{address}:{(processes + 1) // 2}" for address in self.addresses)
            return here + [
                "--mca", "plm_rsh_agent", str(self.agent), "--mca", "btl", "tcp,self",
                "--mca", "btl_tcp_if_include", "10.213.77.0/24", "--mca", "oob_tcp_if_include",
                "10.213.77.0/24", "--host", hosts, "-n", str(processes)]
        return here + ["-launcher", "rsh", "-launcher-exec", str(self.agent), "-hosts",
                       ",".join(self.addresses), "-n", str(processes)]

    def names_said(self):
        done = self.failing(self.command("causal", self.logs(), 2, 2, steps=1), 0)
        for rank, name in enumerate(self.names):
            check(re.search(rf"rank {rank}: process \d+ on {name}", done), done)
        print(f"{self.mpi}: a process on each of two hosts")


def main():
    found = [
        mpi for mpi in ([only] if only else ["openmpi", "mpich"])
        if shutil.which(f"mpirun.{mpi}") and (plugins / f"libvidtwin-mpi.{mpi}.so").exists()
    ]
    check(found, f"no MPI that there is a plug-in for in {plugins} (make mpi)")
    for mpi in found:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            if "--hosts" in sys.argv:
                with Hosts(mpi, Path(folder)) as lab:
                    if lab:
                        lab.names_said()
                        lab.equality("causal", [2])
                        lab.death()
                continue
            lab = Lab(mpi, Path(folder))
            lab.equality("causal", [2, 4] if long else [2])
            if long:
                lab.equality("noncausal", [2, 4], accumulate=2)
                lab.equality("flat", [2, 4])
            lab.signals()
            lab.death()
            lab.errors()


main()

"""What PyTorch and Lightning make of our checkpoints, and we of theirs.

    python pytorch.py VTFILTER REPOSITORY

Trains six batches of a golden configuration, loads the checkpoint with `weights_only=True`, its optimizer states
into torch.optim, and all of it strictly into a run of Lightning's that goes on for two batches; its checkpoint
then goes on with us.
"""
import copy, json, pathlib, subprocess, sys, tempfile, warnings

import torch

warnings.filterwarnings("ignore")
vtfilter, repository = sys.argv[1], pathlib.Path(sys.argv[2])
folder = pathlib.Path(tempfile.mkdtemp(prefix="vidtwin-train-"))
golden = repository / "Tests/Fixtures/goldens/training/causal"
torch.manual_seed(0)


def run(*arguments):
    return subprocess.run(arguments, cwd=folder, check=True, capture_output=True, text=True)


def train(*arguments):
    return run(vtfilter, "train", *arguments)


# ---- a run of ours
(folder / "videos").mkdir()
for n in range(8):
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s=32x32:r=8:d=0.5,hue=h={45 * n}", "-c:v", "ffv1",
        f"videos/{n}.mkv")
vgg, widths = {}, [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
for i, place in enumerate((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)):
    vgg[f"features.{place}.weight"] = torch.randn(widths[i + 1], widths[i], 3, 3) * (2 / (9 * widths[i])) ** 0.5
    vgg[f"features.{place}.bias"] = torch.zeros(widths[i + 1])
for k, c in enumerate((64, 128, 256, 512, 512)):
    vgg[f"lin{k}.model.1.weight"] = torch.rand(1, c, 1, 1)
torch.save(vgg, folder / "vgg.pth")
common = ["-b", str(golden / "config.yaml"), "--data-dir", "videos", "--lpips", "vgg.pth", "data.params.batch_size=2",
          "lightning.trainer.log_every_n_steps=1"]
train(*common, "--steps", "6")
(home,) = (folder / "logs").iterdir()
checkpoint = torch.load(home / "checkpoints/last.ckpt", weights_only=True)

# ---- what it holds
assert list(checkpoint) == ["epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "callbacks",
                            "optimizer_states", "lr_schedulers", "vidtwin"], list(checkpoint)
assert checkpoint["global_step"] == 12 and checkpoint["epoch"] == 1, checkpoint["epoch"]
state = checkpoint["state_dict"]
reference = torch.load(golden / "last.ckpt", weights_only=True)
perceptual = {n for n in state if n.startswith("loss.perceptual_loss.")}
assert set(state) == set(reference["state_dict"]) | perceptual and len(perceptual) == 2 + 26 + 5
for name, value in reference["state_dict"].items():
    assert state[name].shape == value.shape and state[name].dtype == value.dtype, name
assert checkpoint["loops"].keys() == reference["loops"].keys()
assert checkpoint["loops"]["fit_loop"].keys() == reference["loops"]["fit_loop"].keys()
for ours, theirs in zip(checkpoint["optimizer_states"], reference["optimizer_states"]):
    assert ours["param_groups"][0].keys() == theirs["param_groups"][0].keys()
    assert ours["param_groups"][0]["params"] == theirs["param_groups"][0]["params"]
assert checkpoint["optimizer_states"][0]["state"].keys() == reference["optimizer_states"][0]["state"].keys()
for ours, theirs in zip(checkpoint["lr_schedulers"], reference["lr_schedulers"]):
    assert ours.keys() == theirs.keys() and all(type(ours[k]) is type(theirs[k]) for k in ours)
assert checkpoint["vidtwin"]["ema"]["conv_in.weight"].shape == state["conv_in.weight"].shape

# ---- the optimizers, in torch.optim
generator = [n for n in state if not n.startswith("loss.") and "pos_embed" not in n] + ["loss.logvar"]
buffers = ("running_mean", "running_var", "num_batches_tracked")
critic = [n for n in state if n.startswith("loss.discriminator.") and not n.endswith(buffers)]


def adam(names, params):
    return torch.optim.AdamW([params[n] for n in names], lr=1.0, betas=(0.0, 0.9), weight_decay=1e-4)


for names, saved in zip((generator, critic), checkpoint["optimizer_states"]):
    params = {n: torch.nn.Parameter(state[n].clone()) for n in names}
    optimizer = adam(names, params)
    optimizer.load_state_dict(copy.deepcopy(saved))
    for p in params.values():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for i, n in enumerate(names):
        if i in saved["state"]:
            assert saved["state"][i]["exp_avg"].shape == params[n].shape, n
            assert optimizer.state[params[n]]["step"] == saved["state"][i]["step"] + 1
print("torch.load(weights_only=True) and torch.optim take it:", len(state), "tensors")

# ---- a strict resume of Lightning's
import lightning


class Schedule(torch.optim.lr_scheduler.LRScheduler):
    def get_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]


class Tree(torch.nn.Module):
    def put(self, name, value, is_parameter):
        head, _, rest = name.partition(".")
        if not rest:
            if is_parameter:
                self.register_parameter(head, torch.nn.Parameter(value.clone()))
            else:
                self.register_buffer(head, value.clone())
            return
        if head not in self._modules:
            self.add_module(head, Tree())
        self._modules[head].put(rest, value, is_parameter)


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        for name, value in state.items():
            own = torch.full_like(value, 3)
            head, _, rest = name.partition(".")
            if head not in self._modules:
                self.add_module(head, Tree())
            self._modules[head].put(rest, own, name in generator or name in critic) if rest else None
        self.starts = []

    def configure_optimizers(self):
        named = dict(self.named_parameters())
        both = [adam(generator, named), adam(critic, named)]
        return both, [Schedule(o) for o in both]

    def training_step(self, batch, index):
        if not self.starts:
            self.starts.append((self.trainer.global_step, {n: v.clone() for n, v in self.state_dict().items()}))
        for optimizer, names in zip(self.optimizers(), (generator, critic)):
            loss = sum(p.pow(2).sum() for n, p in self.named_parameters() if n in names)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        for scheduler in self.lr_schedulers():
            scheduler.step()


module = Module()
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder)
data = torch.utils.data.DataLoader(torch.zeros(4, 1), batch_size=1)  # an epoch has four batches, as ours
trainer.fit(module, data, ckpt_path=home / "checkpoints/last.ckpt")
step, loaded = module.starts[0]
assert step == 12, step
for name, value in state.items():
    assert torch.equal(loaded[name], value), name
assert trainer.global_step == 16 and trainer.current_epoch == 2, (trainer.global_step, trainer.current_epoch)
print("Lightning", lightning.__version__, "resumes from it strictly, at step 12, and ends the epoch at 16")

# ---- and back
trainer.save_checkpoint(folder / "theirs.ckpt")
train(*common, "--steps", "10", "--logdir", "more", "--resume", str(folder / "theirs.ckpt"))
(more,) = (folder / "more").iterdir()
batches = [json.loads(line)["batch"] for line in open(more / "metrics.jsonl")]
assert batches == [8, 9], batches
print("a checkpoint of Lightning's goes on with vtfilter: batches", batches)

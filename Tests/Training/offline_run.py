"""What W&B's own program makes of a run's log.

    python offline_run.py VTFILTER REPOSITORY

Trains 16 batches of a golden configuration with --wandb, lets `wandb sync` read the log and upload it to a server on
this machine that notes what comes, and compares rows with metrics.jsonl, pictures with the event file's, settings with
the configuration. No network beyond this machine, and a key of zeros.
"""
import gzip, hashlib, http.server, json, os, pathlib, re, struct, subprocess, sys, tempfile, threading, zlib

import yaml
from wandb.proto import wandb_internal_pb2 as protocol

vtfilter, repository = sys.argv[1], pathlib.Path(sys.argv[2])
folder = pathlib.Path(tempfile.mkdtemp(prefix="vidtwin-wandb-"))
golden = repository / "Tests/Fixtures/goldens/training/causal"


def run(*arguments, status=0, **more):
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, **more)
    assert done.returncode == status, (arguments, done.returncode, done.stderr[-2000:])
    return done


# ---- a run
(folder / "videos").mkdir()
for n in range(8):
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s=32x32:r=8:d=0.5,hue=h={45 * n},format=bgr0",
        "-c:v", "ffv1", f"videos/{n}.mkv")
common = [vtfilter, "train", "-b", str(golden / "config.yaml"), "--data-dir", "videos", "--val-data-dir", "videos",
          "--steps", "16", "data.params.batch_size=2", "lightning.trainer.log_every_n_steps=1",
          "lightning.trainer.val_check_interval=5", "model.params.loss_config.params.perceptual_weight=0",
          "lightning.callbacks.image_logger.params.batch_frequency=4"]
words = run(*common, "--logdir", "logs", "--wandb", "--wandb-project", "films", "--wandb-entity", "us").stderr
(home,) = (folder / "logs").iterdir()
(offline,) = (home / "wandb").iterdir()
command = words.strip().splitlines()[-1]
assert command == f"wandb sync logs/{home.name}/wandb/{offline.name}", command
(identity,) = re.fullmatch(r"offline-run-\d{8}_\d{6}-([0-9a-z]{8})", offline.name).groups()
log = (offline / f"run-{identity}.wandb").read_bytes()


# ---- every record, by the protocol's own code
def records(log):
    assert log[:7] == b":W&B\xe1\xbe\x00"
    at, whole = 7, b""
    while at < len(log):
        room = 32768 - at % 32768
        if room < 7:
            assert not any(log[at:at + room])
            at += room
            continue
        checksum, length, kind = struct.unpack("<IHB", log[at:at + 7])
        data = log[at + 7:at + 7 + length]
        assert 7 + length <= room and checksum == zlib.crc32(bytes([kind]) + data)
        assert (kind in (1, 2)) == (whole == b"") and kind in (1, 2, 3, 4)
        whole += data
        at += 7 + length
        if kind in (1, 4):
            yield protocol.Record.FromString(whole)
            whole = b""
    assert whole == b""


found = list(records(log))
kinds = [record.WhichOneof("record_type") for record in found]
assert kinds[:2] == ["header", "run"] and kinds[-1] == "exit" and len(log) > 32768, (kinds, len(log))
assert [record.num for record in found] == list(range(1, len(found) + 1))
for record in found:
    text = str(record)
    assert not re.search(r"^\s*\d+[:{]", text, re.M), text  # a field that the protocol does not know
    assert record._info.stream_id == identity
assert found[0].header.version_info.min_consumer == "0.70.0"
about = found[1].run
assert (about.run_id, about.project, about.entity, about.run_group, about.display_name) == (
    identity, "films", "us", home.name, home.name)
settings = {item.key: json.loads(item.value_json) for item in about.config.update}
merged = yaml.safe_load((home / "config.yaml").read_text())
assert settings.pop("seed") == 23 and settings.pop("batches") == 16


def plain(value):  # YAML's reader for Python takes 1e-05 for a text
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    try:
        return value if isinstance(value, (bool, type(None))) else float(value)
    except ValueError:
        return value


assert plain(settings) == plain(merged), (settings, merged)
assert found[-1].exit.exit_code == 0
print(len(found), "records, all known to the protocol; the settings are those of config.yaml")

# ---- `wandb sync`, and what it sends
seen = {"rows": {}, "summary": {}, "files": {}, "runs": []}


class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def body(self):
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        return gzip.decompress(data) if "gzip" in (self.headers.get("content-encoding") or "") else data

    def answer(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer({})

    def do_PUT(self):
        seen["files"][self.path.removeprefix("/put/")] = self.body()
        self.answer({})

    def do_POST(self):
        request = json.loads(self.body())
        if self.path.endswith("/file_stream"):
            files = request.get("files", {})
            for name in ("history", "summary"):
                part = files.get(f"wandb-{name}.json" + ("l" if name == "history" else ""))
                for place, line in enumerate(part["content"] if part else []):
                    if name == "history":
                        seen["rows"][part["offset"] + place] = json.loads(line)
                    else:
                        seen["summary"] |= json.loads(line)
            if request.get("complete"):
                seen["exit"] = request.get("exitcode")
            return self.answer({"exitcode": None, "limits": {}})
        query, variables = request["query"], request.get("variables") or {}
        if "upsertBucket" in query:
            seen["runs"].append(variables)
            owner = {"id": "e", "name": "us"}
            bucket = {"id": "r", "name": identity, "displayName": home.name, "description": "", "config": "{}",
                      "sweepName": None, "historyLineCount": 0,
                      "project": {"id": "p", "name": "films", "entity": owner}}
            return self.answer({"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}})
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{base}/put/{name}"} for name in variables["files"]]
            return self.answer({"data": {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}})
        viewer = {"id": "u", "entity": "us", "username": "us", "flags": "{}", "email": "", "admin": False,
                  "teams": {"edges": []}, "apiKeys": {"edges": []}}
        self.answer({"data": {"viewer": viewer, "serverInfo": {"features": [], "cliVersionInfo": {}}}})


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
base = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
environment = os.environ | {"WANDB_BASE_URL": base, "WANDB_API_KEY": "0" * 40, "WANDB_ERROR_REPORTING": "false",
                            "WANDB_CONFIG_DIR": f"{folder}/settings", "WANDB_CACHE_DIR": f"{folder}/cache",
                            "HOME": str(folder)}
program = pathlib.Path(sys.executable).parent / "wandb"
done = run(str(program), *command.split()[1:], env=environment, timeout=120)
assert "Finished syncing" in done.stderr + done.stdout, done.stderr + done.stdout
created = seen["runs"][0]
assert (created["project"], created["groupName"], created["displayName"]) == ("films", home.name, home.name), created
sent = json.loads(seen["runs"][-1]["config"])
assert plain(sent["model"]["value"]) == plain(merged["model"]), sent["model"]

# ---- rows: one a step, as metrics.jsonl has them
ours = {"grad_norm_g", "grad_norm_d", "clips_per_second", "wait_for_data", "peak_memory"}
expected = {}
for line in map(json.loads, open(home / "metrics.jsonl")):
    row = expected.setdefault(line.pop("batch") + 1, {})
    for name, value in line.items():
        if name.endswith(("/psnr", "/ssim")):
            name += "_epoch"
        elif name.startswith("train/") and name.split("/")[1] not in ours:
            name += "_step"
        row[name] = value
rows = {row["_step"]: row for row in seen["rows"].values()}
assert sorted(rows) == list(range(1, 17)) and len(seen["rows"]) == 16, sorted(rows)
for step, row in expected.items():
    for name, value in row.items():
        assert abs(rows[step][name] - value) <= 1e-8 * abs(value), (step, name, rows[step].get(name), value)
    extra = {name for name in set(rows[step]) - set(row) - {"_step", "_timestamp", "_runtime"}}
    means = {name for name in extra if name.endswith("_epoch")}
    pictures = {name for name in extra if name in {f"train/{n}" for n in (
        "inputs", "reconstructions", "structure", "dynamics", "crossed")}}
    assert extra == means | pictures, extra
    assert bool(means) == (step % 4 == 0) and len(pictures) == (5 if step % 4 == 0 else 0), (step, extra)
    for name in pictures:
        picture = rows[step][name]
        data = seen["files"][picture["path"]]
        assert picture["_type"] == "image-file" and picture["sha256"] == hashlib.sha256(data).hexdigest()
        width, height = struct.unpack(">II", data[16:24])
        assert (picture["width"], picture["height"], picture["size"]) == (width, height, len(data))
        (stored,) = (home / "images/train").glob(f"{name.split('/')[1]}_gs-*_b-{step:06d}.png")
        assert stored.read_bytes() == data
times = [rows[step]["_timestamp"] for step in sorted(rows)]
assert times == sorted(times)
assert abs(seen["summary"]["train/total_loss_step"] - rows[16]["train/total_loss_step"]) < 1e-9
assert seen["exit"] == 0, seen.get("exit")
print("wandb sync: 16 rows as in metrics.jsonl, means of epochs, twenty pictures, the end")

# ---- a log with one wrong byte, and a run that goes on
wrong = bytearray(log)
wrong[len(wrong) // 2] ^= 1
try:
    list(records(wrong))
    raise SystemExit("checksums are not looked at")
except AssertionError:
    pass
run(*common, "--logdir", "two", "--wandb", "--no-tensorboard", "lightning.trainer.max_steps=12")
(second,) = (folder / "two").iterdir()
assert not (second / "tensorboard").exists() and not (second / "images").exists()
run(vtfilter, "train", "--resume", str(second), "--wandb", "lightning.trainer.max_steps=-1")
logs = [list(records(path.read_bytes())) for path in second.glob("wandb/*/run-*.wandb")]
steps = sorted([r.history.step.num for r in log if r.WhichOneof("record_type") == "history"] for log in logs)
assert steps == [list(range(1, 7)), list(range(7, 17))], steps
assert {log[1].run.run_group for log in logs} == {second.name} and len({log[1].run.run_id for log in logs}) == 2
failed = run(*common[:-1], "--wandb-project", "films", status=2)
assert "--wandb-project goes with --wandb" in failed.stderr
print("a run that goes on: a log of its own, of the same group")

import FoundationEssentials
import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

/// Training from the command line.
struct TrainTests {
    /// A golden configuration of training, its clips as videos in the order in which a run takes them.
    struct GoldenRun {
        let name: String
        let folder: String
        let seed: Int
        let accumulate: Int

        static let batches = 10

        init(_ name: String, seed: Int, accumulate: Int, in folder: String) throws {
            (self.name, self.folder, self.seed) = (name, folder, seed)
            self.accumulate = accumulate
            let c = try Configuration(path: configuration)
            let count = GoldenRun.batches * accumulate * 2
            let order = EpochOrder(
                count: count, batchClips: accumulate * 2, seed: 23
            ).order(epoch: 0)
            var rows = [String](repeating: "", count: count)
            var script = ""
            for (place, row) in order.enumerated() {
                let (batch, micro, clip) = (
                    place / (2 * accumulate), place / 2 % accumulate, place % 2
                )
                let number = seed + 100 * batch + 10 * micro + clip
                let bytes = Golden.pattern(c.frames, c.height, c.width, number)
                Fixtures.write(bytes, to: "\(folder)/\(place).raw")
                rows[row] = "\(place).mkv"
                script +=
                    "ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s \(c.width)x\(c.height) -r 8 "
                    + "-i \(place).raw -c:v ffv1 -pix_fmt bgr0 \(place).mkv && rm \(place).raw\n"
            }
            Fixtures.write(
                Array(("videos\n" + rows.joined(separator: "\n") + "\n").utf8),
                to: "\(folder)/meta.csv")
            #expect(Shell.run(script, in: folder).status == 0)
            try MadeUpVGG().write(to: "\(folder)/lpips.safetensors", .all, .reference)
        }

        private var goldens: String { "\(Fixtures.folder)/goldens/training/\(name)" }
        var configuration: String { "\(goldens)/config.yaml" }

        /// The command, but for what follows it.
        var command: String {
            "vtfilter train -b \(configuration) --data-dir . --meta meta.csv --lpips lpips.safetensors "
                + "model.params.ckpt_path=\(goldens)/initial.safetensors "
                + "lightning.trainer.log_every_n_steps=1 data.params.batch_size=2 "
        }

        struct Curve: Decodable { let steps: [[String: Double]] }

        func curve() throws -> [[String: Double]] {
            let data = Data(Fixtures.bytes("\(goldens)/curve.json"))
            return try JSONDecoder().decode(Curve.self, from: data).steps
        }
    }

    /// The lines of a run's `metrics.jsonl`.
    static func metrics(_ folder: String) throws -> [[String: Double]] {
        let path = Shell.run("ls -d logs/*/metrics.jsonl | tail -1", in: folder).text
        let lines = Fixtures.bytes("\(folder)/\(path)").split(separator: 10)
        return try lines.map { line in
            try JSONDecoder().decode([String: Double?].self, from: Data(line))
                .compactMapValues { $0 }
        }
    }

    /// What is equal for any threads, stop and resume.
    static func steady(_ lines: [[String: Double]]) -> [[String: Double]] {
        let clocks: Set = ["train/clips_per_second", "train/wait_for_data", "train/peak_memory"]
        return lines.map { $0.filter { !clocks.contains($0.key) } }
    }

    @Test(arguments: [("causal", 1, 1), ("noncausal", 2, 2), ("flat", 3, 1)])
    func `ten batches from the command line follow the golden curve`(
        _ name: String, _ seed: Int, _ accumulate: Int
    ) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun(name, seed: seed, accumulate: accumulate, in: folder)
        let result = Shell.run(run.command + "--steps 10", in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let (lines, golden) = (try TrainTests.metrics(folder), try run.curve())
        #expect(lines.count == 10)
        for (b, (found, expected)) in zip(lines, golden).enumerated() {
            #expect(found["batch"] == Double(b) && found["epoch"] == 0)
            for (term, value) in expected {
                let key: String
                switch term {
                case "lr_g": key = "lr_generator"
                case "lr_d": key = "lr_discriminator"
                case "nll_grad_norm", "g_grad_norm": continue
                default: key = "train/\(term)"
                }
                guard let other = found[key] else {
                    Issue.record("batch \(b): no \(key)")
                    continue
                }
                let isLoss = ["nll_loss", "rec_loss", "p_loss", "total_loss", "logvar"]
                    .contains(term)
                let bound = isLoss ? 2e-5 : 2e-3
                #expect(
                    abs(other - value) / (abs(value) + 1e-3) <= bound,
                    "batch \(b): \(key): \(other), expected \(value)")
            }
        }
        // The folder is a model at once.
        let use = Shell.run(
            "vtfilter info --model logs/*/ && ls logs/*/checkpoints", in: folder)
        #expect(use.status == 0, "\(use.errors)")
        #expect(use.text.contains("last.ckpt") && use.text.contains("last.safetensors"))
    }

    @Test func `a run that goes on needs no option twice, and says what is another now`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        // Names are bytes, and one need not be UTF-8.
        let names = Shell.run(
            "mkdir v && for i in *.mkv; do mv $i v/$i; done && mv v/0.mkv $'v/a\\xff\\xe9.mkv'",
            in: folder)
        #expect(names.status == 0, "\(names.errors)")
        let command =
            run.command.replacing("--data-dir . --meta meta.csv", with: "--data-dir v")
            + "--augment flip --precision bf16 --min-frames 2 --max-bad 0.3 --no-test "
        let whole = Shell.run(command + "--steps 4 --logdir whole", in: folder)
        #expect(whole.status == 0, "\(whole.errors)")
        let stopped = Shell.run(
            command + "--steps 4 --logdir logs lightning.trainer.max_steps=4", in: folder)
        #expect(stopped.status == 0, "\(stopped.errors)")
        let again = Shell.run(
            "cd / && vtfilter train --resume $OLDPWD/logs/* lightning.trainer.max_steps=-1 "
                + "data.params.train.params.data_dir=$OLDPWD/v "
                + "model.params.ckpt_path=$OLDPWD/none", in: folder)
        #expect(again.status == 0, "\(again.errors)")
        for words in [
            "--steps 4, as when", "--precision bf16, as when", "--augment flip, as when",
            "--min-frames 2, as when", "--max-bad 0.3, as when", "--lpips",
        ] { #expect(again.errors.contains(words), "\(words): \(again.errors)") }
        let last = try ["whole", "logs"].map { logs in
            let name = Shell.run("ls -d \(logs)/*", in: folder).text
            return try Checkpoint(path: "\(folder)/\(name)/checkpoints/last.safetensors")
        }
        #expect(last[0].tensors.count > 50 && last[0].tensors.count == last[1].tensors.count)
        for name in last[0].tensors.keys {
            #expect(try last[0].values(name) == last[1].values(name), "\(name)")
        }
        #expect(try TrainTests.metrics(folder).count == 4)

        let other = Shell.run(
            "vtfilter train --resume logs/* --steps 6 data.params.train.params.data_dir=v; "
                + "vtfilter train --resume logs/* --steps 3 data.params.train.params.data_dir=v",
            in: folder)
        #expect(other.errors.contains("--steps: 4 when the run was started, now 6"))
        #expect(other.errors.contains("expected no fewer than the 6 that are done"))
        #expect(other.status == 4, "\(other.errors)")
    }

    @Test func `steps are measured without a run, and what is printed goes over its configuration`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        let measured = Shell.run(
            run.command
                + "model.params.loss_config.params.perceptual_weight=0 -q --measure-steps 1 "
                + "> steps.yaml && ls", in: folder)
        #expect(measured.status == 0, "\(measured.errors)")
        #expect(!measured.text.contains("logs"), "a run was made: \(measured.text)")
        let lines = try String(contentsOfFile: "\(folder)/steps.yaml", encoding: .utf8)
            .split(separator: "\n").map(String.init)
        let head = "model:,  params:,    optimizer_config:,      params:,        lr_scale:"
        #expect(
            lines.dropFirst(3).prefix(5).map { $0 } == head.split(separator: ",").map(String.init))
        let factors = lines.dropFirst(8).compactMap { line -> Double? in
            let parts = line.split(separator: " ")
            return parts.count == 4 && parts[2] == "#" ? Double(parts[1]) : nil
        }
        // Weights of encoder, decoder, Q-Former and heads; none above 1, and not all alike.
        #expect(factors.count > 50 && factors.allSatisfy { (0...1).contains($0) }, "\(lines)")
        #expect(Set(factors).count > 2, "\(factors)")
        let trained = Shell.run(
            run.command.replacing(run.configuration, with: "\(run.configuration) steps.yaml")
                + "--steps 1 --no-tensorboard model.params.loss_config.params.perceptual_weight=0",
            in: folder)
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(!trained.errors.contains("matches no weight"), "\(trained.errors)")
        for (options, words) in [
            ("--measure-steps 0", "expected 1 or more"),
            ("--measure-steps 1 --resume logs", "not with --resume"),
        ] {
            let refused = Shell.run(run.command + options, in: folder)
            #expect(refused.status == 2 && refused.errors.contains(words), "\(refused.errors)")
        }
    }

    @Test func `a run is called after its first file, whatever that is called`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        let command = run.command.replacing(run.configuration, with: "'my own + run.yaml'")
        let result = Shell.run(
            "cp \(run.configuration) 'my own + run.yaml' && \(command) -q --steps 1 --no-tensorboard "
                + "model.params.loss_config.params.perceptual_weight=0 > words && ls logs",
            in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.hasSuffix("_my own + run"), "\(result.text)")
    }

    /// OpenMP's threads spin when they have nothing to do, and take a core from decoding.
    @Test func `no threads but ours compute`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        let result = Shell.run(
            "OMP_NUM_THREADS=3 OMP_DISPLAY_AFFINITY=true OMP_AFFINITY_FORMAT='team of %N' "
                + run.command + "--steps 3 --threads 1 --no-tensorboard "
                + "model.params.loss_config.params.disc_start=2", in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(!(result.text + result.errors).contains("team of 3"), "\(result.errors)")
    }

    @Test func `a run ends where validations do not improve any more`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let run = try GoldenRun("flat", seed: 3, accumulate: 1, in: folder)
        let schedules = ["g", "d"].flatMap { which in
            ["lr_max", "lr_min", "lr_start"].map {
                "model.params.lr_scheduler_config_\(which).params.\($0)=0"
            }
        }
        let stopping = "lightning.callbacks.early_stopping.params"
        let command =
            run.command + "--val-data-dir . --val-meta meta.csv --steps 10 --no-tensorboard "
            + "model.params.loss_config.params.perceptual_weight=0 "
            + "lightning.trainer.val_check_interval=1 lightning.trainer.limit_val_batches=1 "
            + "\(stopping).patience=2 " + schedules.joined(separator: " ")
        // The weights stay what they are: the first validation is the best.
        let first = Shell.run(command, in: folder)
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.errors.contains("ends after batch 3: val/rec_loss went below"))
        #expect(try TrainTests.metrics(folder).filter { $0["epoch"] != nil }.count == 3)
        #expect(Shell.run("ls -d logs/*/tensorboard", in: folder).status != 0)
        // It is at its end; one more validation in vain and no more, where that is allowed.
        let again = Shell.run("vtfilter train --resume logs/*", in: folder)
        #expect(again.status == 0 && again.errors.contains("ends after batch 3"))
        let longer = Shell.run(
            "vtfilter train --resume logs/* \(stopping).patience=3", in: folder)
        #expect(longer.status == 0 && longer.errors.contains("ends after batch 4"))
        #expect(try TrainTests.metrics(folder).filter { $0["epoch"] != nil }.count == 4)
        let another = Shell.run(command + " && ls logs | wc -l", in: folder)
        #expect(another.text == "2", "\(another.errors)")

        let wrong = Shell.run(command + " \(stopping).monitor=val/psnr", in: folder)
        #expect(wrong.status == 4, "\(wrong.errors)")
        #expect(wrong.errors.contains("early_stopping.params.monitor: expected val/rec_loss"))
    }
}

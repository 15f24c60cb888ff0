import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

struct RunCheckpointTests {
    private static let golden = "\(TrainingGoldens.folder)/causal/last.ckpt"

    /// The reference's order of the generator's parameters, from the order of a state dict.
    private func generatorOrder(_ names: [String]) -> [String] {
        func key(_ name: String) -> [Int] {
            let parts = name.split(separator: ".")
            let top = parts[0] == "encoder" ? 0 : 1
            let inner = ["scale_shift_table": 0, "attn": 1, "mlp": 2, "attn_temp": 3]
            switch parts[1] {
            case "x_embedder": return [top, 0, 0, 0]
            case "blocks": return [top, 1, Int(parts[2]) ?? 0, inner[String(parts[3])] ?? 9]
            default: return [top, 2, 0, name.hasSuffix("table") ? 0 : 1]
            }
        }
        let transformer = names.enumerated()
            .filter { $1.hasPrefix("encoder.") || $1.hasPrefix("decoder.") }
            .sorted {
                (key($0.element) + [$0.offset]).lexicographicallyPrecedes(
                    key($1.element) + [$1.offset])
            }.map(\.element)
        let heads = [
            "temporal_qformer", "cont_emb", "conv_in", "content_downsample_blocks", "bottle_down",
            "bottle_up", "conv_out", "content_upsample_blocks", "motion_emb", "motion_head",
            "downsample_motion_module", "up_motion",
        ].flatMap { head in names.filter { $0.hasPrefix("\(head).") } }
        return transformer + heads
    }

    /// A checkpoint of a computation with the golden file's names and, where asked, its values.
    private func checkpoint(_ file: TorchFile, filled: Bool = true) throws -> RunCheckpoint {
        let device = Device(threads: 2)
        let entries = file.root["state_dict"]?.named ?? []
        let nodes = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.value) })
        func parameter(_ name: String) throws -> Parameter {
            let shape = try nodes[name]?.shape() ?? []
            let values = try nodes[name]?.floats() ?? []
            return try trainable(
                name, shape, filled ? values : Array(repeating: 0, count: values.count))
        }
        let model = entries.map(\.name).filter {
            !$0.hasPrefix("loss.") && !$0.contains("pos_embed")
        }
        let isBuffer: (String) -> Bool = { $0.contains("running_") || $0.contains("num_batches") }
        let loss = entries.map(\.name).filter { $0.hasPrefix("loss.discriminator.") }
        let computation = FakeComputation(
            generator: try (generatorOrder(model) + ["loss.logvar"]).map(parameter),
            discriminator: try loss.filter { !isBuffer($0) }.map(parameter),
            buffers: try loss.filter(isBuffer).map { name in
                let shape = try nodes[name]?.shape() ?? []
                return StateBuffer(
                    name, shape, isCount: shape.isEmpty,
                    Array(repeating: 0, count: shape.reduce(1, *)))
            })
        let options = AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4)
        let tables = try entries.filter { $0.name.contains("pos_embed") }.map {
            ($0.name, try $0.value.shape() ?? [], try $0.value.floats().map(Double.init))
        }
        return RunCheckpoint(
            computation: computation,
            generator: Optimizer(computation.generatorParameters, options, on: device),
            discriminator: Optimizer(computation.discriminatorParameters, options, on: device),
            generatorSchedule: .cosine(
                start: 1e-4, maximum: 1e-3, minimum: 1e-5, warmUp: 3, total: 10),
            discriminatorSchedule: .cosine(
                start: 2e-4, maximum: 2e-3, minimum: 0, warmUp: 4, total: 10),
            average: nil, tables: tables)
    }

    @Test func `the reference's last checkpoint gives its optimizers and counters`() throws {
        let file = try TorchFile(path: RunCheckpointTests.golden)
        let run = try checkpoint(file)
        let state = try RunCheckpoint.state(of: file)
        #expect(state.batch == 10 && state.globalStep == 20 && state.seed == 23)
        try run.restore(from: file, state)
        // Unused parameters have a place and no state.
        for (parameter, entry) in zip(run.generator.parameters, run.generator.states) {
            let isUnused = ["encoder.final_layer.", "decoder.x_embedder."].contains {
                parameter.name.hasPrefix($0)
            }
            #expect((entry == nil) == isUnused, "\(parameter.name)")
            if let entry { #expect(entry.step == 10) }
        }
        #expect(run.discriminator.states.allSatisfy { ($0?.step ?? 0) > 0 })
        #expect(run.discriminator.states[0]?.step == 6)  // from batch 4 on: disc_start 8
        let square = run.generator.states[0].map { $0.square.pointer[0] }
        let node = file.root["optimizer_states"]?.items?[0]["state"]?.numbered?[0].value
        #expect(try node?["exp_avg_sq"]?.floats()[0] == square)
        let count = run.computation.discriminatorBuffers.first { $0.isCount }
        #expect(count?.values[0] ?? 0 > 0)
    }

    @Test func `what we write holds what the reference's file holds`() throws {
        let file = try TorchFile(path: RunCheckpointTests.golden)
        let run = try checkpoint(file)
        let state = try RunCheckpoint.state(of: file)
        try run.restore(from: file, state)
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/last.ckpt"
        try run.write(to: path, state)
        let ours = try TorchFile(path: path)
        for key in [
            "epoch", "global_step", "pytorch-lightning_version", "state_dict", "loops", "callbacks",
            "optimizer_states", "lr_schedulers",
        ] {
            guard let a = file.root[key], let b = ours.root[key] else {
                Issue.record("no \(key)")
                continue
            }
            try expectEqual(a, b)
        }
        try expectEqual(
            file.root["vidtwin"]?["batch"] ?? file.root, ours.root["vidtwin"]?["batch"] ?? ours.root
        )
        // And once more through an empty computation: the same bytes.
        let again = try checkpoint(ours)
        let read = try RunCheckpoint.state(of: ours)
        #expect(read == state)
        try again.restore(from: ours, read)
        try again.write(to: "\(folder)/again.ckpt", read)
        #expect(Fixtures.bytes(path) == Fixtures.bytes("\(folder)/again.ckpt"))
    }

    private func expectEqual(_ a: TorchFile.Node, _ b: TorchFile.Node) throws {
        if let shape = try a.shape() {
            #expect(try b.shape() == shape, "\(a.place)")
            let (x, y) = (try a.floats(), try b.floats())
            #expect(x == y, "\(a.place)")
        } else if let pairs = a.named, !pairs.isEmpty {
            let others = b.named ?? []
            #expect(Set(pairs.map(\.name)) == Set(others.map(\.name)), "\(a.place)")
            for (name, value) in pairs {
                if let other = b[name] { try expectEqual(value, other) }
            }
        } else if let pairs = a.numbered, !pairs.isEmpty {
            let others = b.numbered ?? []
            #expect(pairs.map(\.number) == others.map(\.number), "\(a.place)")
            for (x, y) in zip(pairs, others) { try expectEqual(x.value, y.value) }
        } else if let items = a.items {
            #expect(items.count == b.items?.count, "\(a.place)")
            for (x, y) in zip(items, b.items ?? []) { try expectEqual(x, y) }
        } else if let number = a.number {
            let found = b.number ?? .nan
            #expect(abs(found - number) <= 1e-15 * abs(number), "\(a.place): \(found) \(number)")
            #expect((a.integer == nil) == (b.integer == nil), "\(a.place)")
        } else {
            #expect(a.text == b.text && a.bool == b.bool, "\(a.place)")
        }
    }

    @Test func `a checkpoint with averages and fixed log-variance comes back`() throws {
        let device = Device(threads: 1)
        func build() throws -> RunCheckpoint {
            let generator = [try trainable("a", [2, 3], [1, 2, 3, 4, 5, 6])]
            let discriminator = [try trainable("loss.discriminator.main.0.weight", [2], [7, 8])]
            let computation = FakeComputation(
                generator: generator, discriminator: discriminator,
                buffers: [StateBuffer("loss.discriminator.main.3.running_mean", [2], [0, 0])],
                fixedLogVariance: 0.3)
            let options = AdamOptions(kind: .adam, betas: (0.9, 0.99), weightDecay: 1e-2)
            return RunCheckpoint(
                computation: computation,
                generator: Optimizer(generator, options, on: device),
                discriminator: Optimizer(discriminator, options, on: device),
                generatorSchedule: .constant(base: 1e-3, warmUp: 0),
                discriminatorSchedule: .constant(base: 1e-3, warmUp: 0),
                average: try AveragedWeights(generator, decay: 0.9, on: device), tables: [])
        }
        let run = try build()
        setGradient(run.generator.parameters[0], [1, -1, 2, -2, 3, -3])
        try run.generator.step(rate: 0.1)
        run.average?.update()
        run.computation.lecam = (0.125, -1.0 / 3)
        run.computation.discriminatorBuffers[0].values = [0.5, -2]
        var state = RunState(epochBatches: 4, total: 12, seed: .max - 3, configuration: "a: é\n")
        state.batch = 9
        (state.lecam, state.averageUpdates) = (run.computation.lecam, 1)
        state.kept = [.init(name: "x.ckpt", value: 0.25), .init(name: "y.ckpt", value: nil)]
        state.best = (0.25, 8)
        state.validated = 7
        (state.patience, state.isOver) = ((0.5, 3), true)
        state.epochSums = ["nll_loss": .init(sum: 0.1, batches: 2)]
        state.options.steps = 12
        state.options.precision = .bfloat16
        state.options.lpips = ["/a/é", "b"]
        state.options.maximumBad = 0.25
        state.options.augmentations = [.crop]
        state.options.writesLossWeights = false
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        try run.write(to: "\(folder)/a.ckpt", state)
        let file = try TorchFile(path: "\(folder)/a.ckpt")
        #expect(try RunCheckpoint.state(of: file) == state)
        #expect(file.root["epoch"]?.integer == 2)
        let checkpoint = try Checkpoint(path: "\(folder)/a.ckpt")
        #expect(checkpoint.tensors["loss.logvar"]?.shape == [])
        #expect(try checkpoint.values("a") == values(run.generator.parameters[0]))

        let other = try build()
        try other.restore(from: file, state)
        #expect(other.computation.discriminatorBuffers[0].values == [0.5, -2])
        #expect(other.computation.lecam == run.computation.lecam)
        #expect(other.average?.updates == 1)
        #expect(
            (0..<6).allSatisfy {
                other.average?.values[0].pointer[$0] == run.average?.values[0].pointer[$0]
            })
        #expect(other.generator.states[0]?.step == 1)

        try run.writeModel(to: "\(folder)/a.safetensors", state)
        let model = try Checkpoint(path: "\(folder)/a.safetensors")
        #expect(model.metadata["vidtwin.weights"] == "averaged (ema)")
        #expect(try model.values("a")[0] == run.average?.values[0].pointer[0])
    }

    @Test func `what a killed run left half written goes, and nothing else`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let made = Shell.run(
            """
            mkdir -p logs/run/checkpoints logs/run/configs logs/run/images/train logs/.old_a.7.tmp/checkpoints \
              logs/.new_a.8.tmp logs/.old_b.9.tmp
            for f in .vidtwin-a1.tmp config.yaml checkpoints/.last.ckpt.77.tmp checkpoints/last.ckpt \
              checkpoints/last.ckpt.77.tmp configs/.x.tmp configs/p.yaml images/train/.x.tmp; do echo > logs/run/$f; done
            echo > logs/.old_a.7.tmp/checkpoints/last.ckpt
            """, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        // Another process is making this one.
        let held = open("\(folder)/logs/.new_a.8.tmp", O_RDONLY | O_DIRECTORY)
        #expect(flock(held, LOCK_EX | LOCK_NB) == 0)
        defer { close(held) }
        RunFolder("\(folder)/logs/run").removeTemporaries()
        _ = try RunFolder.make(in: "\(folder)/logs", name: "a", configuration: "a: 1\n") { _ in }
        let left = Shell.run(
            "find logs -not -path '*_a*' -type f | sort; ls -d logs/.*_*", in: folder
        ).text
        #expect(
            left.split(separator: "\n").map(String.init) == [
                "logs/run/checkpoints/last.ckpt", "logs/run/config.yaml",
                "logs/run/configs/p.yaml", "logs/.new_a.8.tmp", "logs/.old_b.9.tmp",
            ])
    }

    @Test func `folders whose names are not UTF-8 are made, cleared and linked in`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let logs = "\(folder)/\(String(pathBytes: [0x6c, 0xff, 0x73]))"
        let run = try RunFolder.make(in: logs, name: "a", configuration: "a: 1\n") { run in
            let left = "\(run.checkpoints)/\(String(pathBytes: [0xfe]))"
            for path in [left, left + ".tmp"] { try NewFile.write("words", to: path) }
        }
        run.removeTemporaries()
        try run.link("\(run.checkpoints)/\(String(pathBytes: [0xfe]))", as: run.last)
        _ = try MetricsLog(run.metrics, before: 0)
        let found = Shell.run(
            "cd $'l\\xffs'/*_a && find . -type f | LC_ALL=C sort && cat */last.ckpt", in: folder)
        #expect(
            found.text.hasPrefix("./checkpoints/last.ckpt\n./checkpoints/\u{fffd}\n./config.yaml"),
            "\(found.text) \(found.errors)")
        #expect(found.text.contains("./metrics.jsonl") && found.text.hasSuffix("words"))
    }

    @Test func `a file that cannot be written leaves the old one as it was`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/last.ckpt"
        Fixtures.write([1, 2, 3], to: path)
        #expect(throws: CheckpointError.self) {
            try NewFile.write(path) { output in
                try output.write([9])
                throw StreamError.failure(place: path, problem: "No space left on device")
            }
        }
        #expect(Fixtures.bytes(path) == [1, 2, 3])
        #expect(Shell.run("ls", in: folder).text == "last.ckpt")
        #expect(throws: CheckpointError.self) {
            try NewFile.write("nothing", to: "\(folder)/none/last.ckpt")
        }
    }

    @Test func `a state of another shape is an error that names it`() throws {
        let file = try TorchFile(path: RunCheckpointTests.golden)
        let run = try checkpoint(file)
        let options = AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4)
        var parameters = run.generator.parameters
        parameters[1] = try trainable("encoder.other", [7], Array(repeating: 0, count: 7))
        let other = RunCheckpoint(
            computation: run.computation,
            generator: Optimizer(parameters, options, on: Device(threads: 1)),
            discriminator: run.discriminator, generatorSchedule: run.generatorSchedule,
            discriminatorSchedule: run.discriminatorSchedule, average: nil, tables: [])
        let error = #expect(throws: CheckpointError.self) {
            try other.restore(from: file, RunCheckpoint.state(of: file))
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("optimizer_states[0].state[1]"))
    }
}

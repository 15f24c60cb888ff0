import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

/// Weights of a block, of a size that keeps its branches as large as its input.
private struct BlockWeights: WeightSource {
    let path = "made up"
    let shapes: [String: [Int]]

    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        var random = SplitMix64(seed: name.utf8.reduce(11) { $0 &* 31 &+ UInt64($1) })
        let inputs = Float(max((shapes[name] ?? []).dropFirst().reduce(1, *), 1))
        for i in destination.indices {
            destination[i] = random.floats(1)[0] * 1.7 / inputs.squareRoot()
        }
    }
}

@Suite struct `Branches against the same made of small ops` {
    /// Frames, positions, channels, heads: short and long contexts, uneven shares, one token.
    static let sizes = [
        (3, 5, 24, 3), (16, 70, 32, 2), (5, 130, 48, 4), (1, 1, 16, 1), (20, 9, 16, 2),
    ]

    /// A block with weights in one precision, its positions in time, and a random input.
    private func setUp(
        _ size: (T: Int, S: Int, C: Int, heads: Int), _ device: Device, _ precision: Precision
    ) throws -> (x: Tensor, block: STBlock, positions: Parameter) {
        let (T, S, C, heads) = size
        let plan = WeightPlan()
        let weights = Weights(plan).quantisable
        let block = STBlock(
            weights / "block",
            TransformerConfiguration(
                frames: T, pixelHeight: 1, pixelWidth: S,
                patch: PatchSize(time: 1, height: 1, width: 1), width: C, depth: 1, heads: heads,
                hidden: 4 * C, causal: true))
        let positions = weights("positions", [1, T, C])
        let source = BlockWeights(
            shapes: Dictionary(uniqueKeysWithValues: plan.parameters.map { ($0.name, $0.shape) }))
        try plan.load(from: source, on: device, precision: precision) { _ in false }
        var random = SplitMix64(seed: 5)
        let x = Tensor([2, T, S, C], random.floats(2 * T * S * C), on: device)
        return (x, block, positions)
    }

    @Test(arguments: sizes, [1, 2, 7])
    func `float32`(_ size: (Int, Int, Int, Int), _ threads: Int) throws {
        let (x, block, positions) = try setUp(size, Device(threads: threads), .float32)
        for positions in [nil, positions] {
            for step in block.steps(positions) {
                let (fast, plain) = (step.fast(x), step.formula(x))
                let difference = Difference(fast.values, plain.values)
                #expect(difference.relative <= 1e-6, "\(step.name), \(size): \(difference)")
                let branch = zip(plain.values, x.values).map { $0 - $1 }
                #expect(branch.contains { abs($0) > 1e-3 }, "\(step.name) does nothing")
            }
        }
    }

    @Test(arguments: sizes, [Precision.bfloat16, .int8])
    func `narrow precisions`(_ size: (Int, Int, Int, Int), _ precision: Precision) throws {
        let device = Device(threads: 2)
        let (x, narrow, _) = try setUp(size, device, precision)
        let (_, wide, _) = try setUp(size, device, .float32)
        for (narrow, wide) in zip(narrow.steps(nil), wide.steps(nil)) {
            func branch(_ y: Tensor) -> [Float] { zip(y.values, x.values).map { $0 - $1 } }
            let difference = Difference(branch(narrow.fast(x)), branch(wide.fast(x)))
            #expect(difference.relative <= 3e-2, "\(narrow.name), \(size): \(difference)")
        }
    }

    @Test(arguments: Precision.allCases)
    func `NaN and infinity come out of every precision as an error`(_ precision: Precision) throws {
        let device = Device(threads: 2)
        let model = try Golden("tiny").model(on: device, precision: precision)
        let shape = model.clipShape()
        for poison in [Float.nan, .infinity] {
            var values = [Float](repeating: 0.1, count: shape.reduce(1, *))
            values[values.count / 2] = poison
            #expect(throws: ModelError.self) {
                try model.moments(Tensor(shape, values, on: device))
            }
        }
        let latents = try model.moments(
            Tensor(shape, [Float](repeating: 0.1, count: shape.reduce(1, *)), on: device)
        ).mean
        var values = latents.structure.values
        values[0] = .nan
        #expect(throws: ModelError.self) {
            try model.decode(
                Latents(
                    structure: Tensor(latents.structure.shape, values, on: device),
                    dynamicsX: latents.dynamicsX, dynamicsY: latents.dynamicsY))
        }
    }
}

@Suite struct `Converted weights` {
    @Test(arguments: Precision.allCases)
    func `give the bits that conversion while loading gives`(_ precision: Precision) throws {
        let golden = Golden("tiny")
        let folder = Fixtures.temporaryFolder()
        let path = "\(folder)/small.safetensors"
        let files = ModelFiles(
            configuration: golden.configurationPath, checkpoint: golden.checkpointPath("ckpt"))
        try Conversion(files, precision: precision).write(to: path)
        let device = Device(threads: 2)
        let direct = try golden.model(on: device, precision: precision)
        let found = try #require(try OpenedModel(checkpoint: path))
        #expect(found.files.configuration == path)
        #expect(
            try found.checkpointSHA256 == OpenedModel(files).checkpointSHA256
                && found.checkpointSHA256 == FileDigest.sha256(path: files.checkpoint))
        let configuration = try Configuration(path: path)
        #expect(configuration.fingerprint == direct.configuration.fingerprint)
        let converted = try VidTwinModel(
            configuration: configuration, checkpoint: try Checkpoint(path: path), device: device,
            precision: precision)
        let (bytes, T, H, W) = try golden.frames()
        let clip = Tensor([1, T, H, W, 3], bytes.map { Float($0) / 127.5 - 1 }, on: device)
        func values(_ model: VidTwinModel) throws -> [Float] {
            try model.decode(try model.moments(clip).mean).values
        }
        let (a, b) = (try values(direct), try values(converted))
        #expect(a == b)
        // A second conversion changes nothing either.
        let again = "\(folder)/again.safetensors"
        try Conversion(found, precision: precision).write(to: again)
        #expect(try Checkpoint(path: again).metadata == Checkpoint(path: path).metadata)
        let checkpoint = try Checkpoint(path: path)
        let sizes: [Precision: ElementType] = [
            .float32: .float32, .bfloat16: .bfloat16, .int8: .int8,
        ]
        let matrix = try #require(checkpoint.tensors["encoder.blocks.0.mlp.fc1.weight"])
        #expect(matrix.type == sizes[precision])
        #expect(checkpoint.tensors["encoder.blocks.0.mlp.fc1.bias"]?.type == .float32)
    }

    @Test func `scales of the wrong shape are refused`() throws {
        let path = "\(Fixtures.temporaryFolder())/bad.safetensors"
        let header =
            #"{"w":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},"#
            + #""w.scale":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}"#
        var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        bytes += Array(header.utf8) + [UInt8](repeating: 0, count: 16)
        Fixtures.write(bytes, to: path)
        let error = #expect(throws: CheckpointError.self) { try Checkpoint(path: path) }
        #expect("\(String(describing: error))".contains("w.scale"))
    }

    @Test func `a destination that cannot be written leaves nothing behind`() throws {
        let folder = Fixtures.temporaryFolder()
        let golden = Golden("tiny")
        let files = ModelFiles(
            configuration: golden.configurationPath, checkpoint: golden.checkpointPath())
        #expect(throws: CheckpointError.self) {
            try Conversion(files, precision: .int8).write(
                to: "\(folder)/no/such/folder.safetensors")
        }
    }
}

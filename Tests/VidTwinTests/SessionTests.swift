import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

@Suite struct `Sessions` {
    private func frames(_ count: Int, seed: Int = 1) -> [Picture] {
        let bytes = Golden.pattern(count, 64, 64, seed)
        return (0..<count).map {
            Picture(width: 64, height: 64, bytes: Array(bytes[$0 * 12288..<($0 + 1) * 12288]))
        }
    }

    private func run(_ session: Session, _ pictures: [Picture]) throws -> [Picture] {
        try pictures.flatMap { try session.push($0) } + session.finish()
    }

    @Test(arguments: [0, 1, 15, 16, 17, 33])
    func `as many frames come out as went in`(_ count: Int) throws {
        let model = try Golden("tiny").model(on: Device())
        let out = try run(Session(model: model), frames(count))
        #expect(out.count == count)
        #expect(out.allSatisfy { $0.bytes.count == 12288 })
    }

    @Test
    func `Reference: pixels are rounded, not truncated: the golden clip gives the golden ones`()
        throws
    {
        let golden = Golden("tiny")
        let out = try run(Session(model: try golden.model(on: Device())), frames(16))
        let expected = try golden.expected().values("reconstruction_rgb24")
        let differences = zip(out.flatMap(\.bytes), expected).map { abs(Float($0) - $1) }
        #expect(differences.max() ?? 9 <= 1)
        #expect(differences.count { $0 == 0 } * 1000 >= differences.count * 999)
    }

    @Test(arguments: [1, 5, 15], [1, 15, 16, 17, 33, 40])
    func `Reference: clips may overlap, and every frame comes once`(_ overlap: Int, _ count: Int)
        throws
    {
        let model = try Golden("tiny").model(on: Device())
        var options = Session.Options()
        options.overlap = overlap
        let out = try run(Session(model: model, options: options), frames(count))
        #expect(out.count == count)
    }

    @Test func `frames that clips share fade from one into the other`() throws {
        let model = try Golden("tiny").model(on: Device())
        let pictures = frames(28)
        var options = Session.Options()
        options.overlap = 4
        let out = try run(Session(model: model, options: options), pictures)
        let first = try run(Session(model: model), Array(pictures[0..<16]))
        let second = try run(Session(model: model), Array(pictures[12..<28]))
        #expect(out[0..<12].map(\.bytes) == first[0..<12].map(\.bytes))
        #expect(out[16..<28].map(\.bytes) == second[4..<16].map(\.bytes))
        for t in 0..<4 {
            let weight = Float(t + 1) / 5
            for i in stride(from: 0, to: 12288, by: 41) {
                let (a, b) = (Float(first[12 + t].bytes[i]), Float(second[t].bytes[i]))
                // Fading before limiting and rounding: pixels at the limits may differ more.
                if min(a, b) == 0 || max(a, b) == 255 { continue }
                #expect(abs(Float(out[12 + t].bytes[i]) - (a + weight * (b - a))) <= 1.5)
            }
        }
    }

    @Test func `tiles of a picture made of model-sized parts are the parts' own pictures`() throws {
        let model = try Golden("tiny").model(on: Device())
        let parts = (1...4).map { frames(16, seed: $0) }
        // Two by two parts of 64x64.
        let whole = (0..<16).map { t -> Picture in
            var bytes: [UInt8] = []
            for row in 0..<128 {
                for column in 0..<2 {
                    let part = parts[row / 64 * 2 + column][t].bytes
                    bytes += part[row % 64 * 192..<(row % 64 + 1) * 192]
                }
            }
            return Picture(width: 128, height: 128, bytes: bytes)
        }
        var options = Session.Options()
        options.tiling = Tiling(
            width: 128, height: 128, tileWidth: 64, tileHeight: 64, overlap: 0)
        let tiled = try run(Session(model: model, options: options), whole)
        for (index, part) in parts.enumerated() {
            let alone = try run(Session(model: model), part)
            for t in 0..<16 {
                for row in 0..<64 {
                    let at = ((index / 2 * 64 + row) * 128 + index % 2 * 64) * 3
                    #expect(
                        Array(tiled[t].bytes[at..<at + 192])
                            == Array(alone[t].bytes[row * 192..<(row + 1) * 192]))
                }
            }
        }
    }

    @Test(arguments: [(1, 1), (64, 64), (65, 65), (63, 200), (129, 1), (200, 150)])
    func `tiles cover any size`(_ width: Int, _ height: Int) throws {
        let model = try Golden("tiny").model(on: Device())
        let bytes = Golden.pattern(3, height, width, 2)
        let frame = width * height * 3
        let pictures = (0..<3).map {
            Picture(
                width: width, height: height, bytes: Array(bytes[$0 * frame..<($0 + 1) * frame]))
        }
        var options = Session.Options()
        options.tiling = Tiling(
            width: width, height: height, tileWidth: 64, tileHeight: 64, overlap: 16)
        let out = try run(Session(model: model, options: options), pictures)
        #expect(out.count == 3)
        #expect(
            out.allSatisfy { $0.width == width && $0.height == height && $0.bytes.count == frame })
    }

    @Test func `no seam: at the tiles' edges the gradient is not above its surroundings`() throws {
        let model = try Golden("tiny").model(on: Device())
        // A smooth picture, so that whatever is steep comes from the model or from a seam.
        let (width, height) = (160, 160)
        let pictures = (0..<16).map { t in
            Picture(
                width: width, height: height,
                bytes: (0..<width * height * 3).map { i in
                    UInt8(60 + i / 3 % width / 2 + i / 3 / width / 3 + t)
                })
        }
        var options = Session.Options()
        options.tiling = Tiling(
            width: width, height: height, tileWidth: 64, tileHeight: 64, overlap: 32)
        let out = try run(Session(model: model, options: options), pictures)[8]
        func gradient(_ column: Int) -> Double {
            (0..<height).reduce(0.0) { sum, y in
                let at = (y * width + column) * 3
                return sum + abs(Double(out.bytes[at]) - Double(out.bytes[at - 3]))
            } / Double(height)
        }
        // Tiles begin at 0, 32, 64, 96 and end at 64, 96, 128: the model's own patches are 16 wide
        // and have edges at the same places in every tile, so these are the surroundings.
        let edges = [32, 64, 96, 128].map(gradient)
        let patches = [16, 48, 80, 112, 144].map(gradient)
        let (worst, usual) = (edges.max() ?? 9, patches.max() ?? 0)
        #expect(worst <= usual * 1.1 + 0.5, "at seams \(edges), elsewhere \(patches)")
    }

    @Test func `Reference: the last clip is filled with its last frame`() throws {
        let model = try Golden("tiny").model(on: Device())
        let few = frames(5)
        let filled = few + Array(repeating: few[4], count: 11)
        let (a, b) = (
            try run(Session(model: model), few), try run(Session(model: model), filled)
        )
        #expect(a.map(\.bytes) == b.prefix(5).map(\.bytes))
    }

    @Test func `Reference: latents are means; sampled ones are seeded`()
        throws
    {
        let model = try Golden("tiny").model(on: Device())
        func sampled(_ seed: UInt64?) throws -> [[UInt8]] {
            var options = Session.Options()
            options.samplingSeed = seed
            return try run(Session(model: model, options: options), frames(20)).map(\.bytes)
        }
        let (first, again, other) = (try sampled(3), try sampled(3), try sampled(4))
        #expect(first == again)
        #expect(first != other)
        let mean = try sampled(nil)
        #expect(try mean == sampled(nil) && mean != first)
    }

    @Test func `Reference: structure and dynamics can be decoded alone`() throws {
        let golden = Golden("tiny")
        let model = try golden.model(on: Device())
        for (part, name) in [(Part.structure, "structure_only"), (.dynamics, "dynamics_only")] {
            var options = Session.Options()
            options.part = part
            let out = try run(Session(model: model, options: options), frames(16))
            // [3, kept, 64, 64], the last one kept is frame 15
            let expected = try golden.expected().values(name)
            var largest: Float = 0
            for c in 0..<3 {
                for pixel in 0..<4096 {
                    let value = min(max(expected[(c * 3 + 2) * 4096 + pixel], -1), 1)
                    let wanted = ((value + 1) * 127.5).rounded()
                    largest = max(largest, abs(Float(out[15].bytes[pixel * 3 + c]) - wanted))
                }
            }
            #expect(largest <= 1, "\(name)")
        }
    }

    @Test func `16-bit frames are not rounded to 8 bits on their way`() throws {
        let model = try Golden("tiny").model(on: Device())
        let wide = frames(16).map { picture in
            Picture(
                width: 64, height: 64, depth: .sixteen, bytes: picture.bytes.flatMap { [$0, $0] })
        }
        let out = try run(Session(model: model), wide)
        let narrow = try run(Session(model: model), frames(16))
        var distinct: Set<UInt8> = []
        for (a, b) in zip(out, narrow) {
            for i in b.bytes.indices {
                let value = Int(a.bytes[2 * i]) | Int(a.bytes[2 * i + 1]) << 8
                #expect(abs(value - Int(b.bytes[i]) * 257) <= 129)
                distinct.insert(a.bytes[2 * i])
            }
        }
        #expect(distinct.count > 200)
    }

    @Test func `frames of another size are refused with both sizes`() throws {
        let session = Session(model: try Golden("tiny").model(on: Device()))
        for picture in [
            Picture(width: 32, height: 64, bytes: [UInt8](repeating: 0, count: 32 * 64 * 3)),
            Picture(width: 64, height: 64, bytes: [1, 2, 3]),
        ] {
            let error = #expect(throws: ModelError.self) { try session.push(picture) }
            #expect("\(error.map { "\($0)" } ?? "")".contains("[64, 64, 12288]"))
        }
    }

    @Test func `Reference: a result that is NaN is an error, not a picture`() throws {
        let golden = Golden("tiny")
        let huge = Huge(checkpoint: try Checkpoint(path: golden.checkpointPath()))
        let model = try VidTwinModel(
            Configuration(path: golden.configurationPath), weights: huge, device: Device())
        let session = Session(model: model)
        let error = #expect(throws: ModelError.self) { try run(session, frames(16)) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("NaN"))
    }

    @Test(arguments: ["structure": "bottle_down.weight", "dynamics": "motion_head.weight"])
    func `what a head makes is looked at, before limits hide it`(
        _ latent: String, _ matrix: String
    ) throws {
        let golden = Golden("tiny")
        let huge = Huge(
            checkpoint: try Checkpoint(path: golden.checkpointPath()), matrix: matrix)
        let model = try VidTwinModel(
            Configuration(path: golden.configurationPath), weights: huge, device: Device())
        let error = #expect(throws: ModelError.self) {
            try model.moments(model.clip(frames(16)))
        }
        guard case .nonFinite(let what, let count, _) = error else {
            Issue.record("\(error.map { "\($0)" } ?? "nothing")")
            return
        }
        #expect(what.hasPrefix(latent) && count > 0)
    }

    @Test func `two sessions in two threads share a model`() async throws {
        let model = try Golden("tiny").model(on: Device(threads: 2))
        let (first, second) = (frames(40), frames(40, seed: 9))
        let alone = try (
            run(Session(model: model), first).map(\.bytes),
            run(Session(model: model), second).map(\.bytes)
        )
        async let a = Task.detached { try run(Session(model: model), first).map(\.bytes) }.value
        async let b = Task.detached { try run(Session(model: model), second).map(\.bytes) }.value
        let together = try await (a, b)
        #expect(together == alone)
    }
}

/// A checkpoint some of whose weights are so large that what they make overflows.
private struct Huge: WeightSource {
    let checkpoint: Checkpoint
    var matrix = "decoder.final_layer.linear.weight"
    var path: String { checkpoint.path }
    var shapes: [String: [Int]] { checkpoint.tensors.mapValues(\.shape) }

    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        try checkpoint.read(name, into: destination)
        if name == matrix {
            for i in destination.indices { destination[i] = 1e38 * (i % 2 == 0 ? 1 : -1) }
        }
        if matrix.hasPrefix("decoder"), name == "decoder.final_layer.scale_shift_table" {
            for i in destination.indices { destination[i] = 1e30 }
        }
    }
}

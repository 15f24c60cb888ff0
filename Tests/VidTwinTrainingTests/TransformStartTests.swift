import Glibc
import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

/// A constructed start: a model that is a transform code before its first step.
@Suite struct `Transform start` {
    private static func yaml(_ changes: [String: String] = [:]) -> String {
        let transformer = """
                    input_size: [16, 64, 64]
                    patch_size: [1, 16, 16]
                    in_channels: 3
                    hidden_size: 256
                    depth: 1
                    num_heads: 8
                    temporal_casual: false
            """
        var text = """
            model:
              params:
                expect_ch: 8
                cont_num_blocks: 0
                downsample_motion: false
                motion_num_blocks: 1
                d_dim: 8
                init_ch: 64
                temporal_qformer_config:
                  params:
                    num_query_tokens: 16
                    query_hidden_size: 256
                    encoder_hidden_size: 256
                    num_hidden_layers: 1
                    intermediate_size: 512
                    num_attention_heads: 8
                encoder_config:
                  params:
            \(transformer)
                decoder_config:
                  params:
            \(transformer)

            """
        for (old, new) in changes {
            guard let range = text.ranges(of: old).first else { continue }
            text.replaceSubrange(range, with: new)
        }
        return text
    }

    /// Clips of waves that move at their own speeds: some of what is in the one is in the other.
    private static func clips(_ seeds: Range<Int>, on device: Device) -> [Tensor] {
        seeds.map { seed in
            var random = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1
            func next() -> Double {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                return Double(random >> 11) * 0x1p-53
            }
            let waves = (0..<6).map { index in
                (
                    x: (next() - 0.5) * 0.5, y: (next() - 0.5) * 0.5, t: (next() - 0.5) * 0.3,
                    phase: next() * 6.28, size: 0.3 / Double(index + 1),
                    colour: (0..<3).map { _ in next() }
                )
            }
            var pixels: [Float] = []
            pixels.reserveCapacity(16 * 64 * 64 * 3)
            for t in 0..<16 {
                for y in 0..<64 {
                    for x in 0..<64 {
                        let values = waves.map {
                            $0.size
                                * sin(
                                    $0.x * Double(x) + $0.y * Double(y) + $0.t * Double(t)
                                        + $0.phase)
                        }
                        for channel in 0..<3 {
                            pixels.append(
                                Float(
                                    zip(waves, values).reduce(0) {
                                        $0 + $1.1 * (0.5 + $1.0.colour[channel])
                                    }))
                        }
                    }
                }
            }
            return Tensor([1, 16, 64, 64, 3], pixels, on: device)
        }
    }

    private static func psnr(_ model: VidTwinModel, _ clips: [Tensor], part: Part = .all) throws
        -> Double
    {
        var total = 0.0
        for clip in clips {
            let found = try model.decode(try model.encode(clip), part: part).values
            let error = zip(found, clip.values).reduce(0.0) {
                $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
            }
            total += 10 * log10(4 * Double(found.count) / error)
        }
        return total / Double(clips.count)
    }

    private static func base(_ c: Configuration) -> InitialWeights {
        let loss = LossConfiguration(adversarialStart: 0)
        return InitialWeights(
            Objective.shapes(c, loss), configuration: c, seed: 5, logVariance: 0)
    }

    @Test func `pictures that it never saw come back, at every precision`() throws {
        let device = Device(threads: 2)
        let text = Self.yaml()
        let c = try Configuration(text: Array(text.utf8), path: "start.yaml")
        let base = Self.base(c)
        let weights = try TransformStart.weights(
            c, place: "start.yaml", base: base, clips: Self.clips(0..<96, on: device)
        ) { _ in }
        let held = Self.clips(100..<103, on: device)
        let random = try Self.psnr(VidTwinModel(c, weights: base, device: device), held)
        let model = try VidTwinModel(c, weights: weights, device: device)
        let start = try Self.psnr(model, held)
        #expect(random < 16)
        #expect(start > 26, "\(start) dB")
        // The mean picture is the structure's: better than gray, and worse than with what moves.
        let structure = try Self.psnr(model, held, part: .structure)
        #expect(structure > random && structure < start - 1, "without dynamics \(structure) dB")
        // These waves come back far better than films do, so that narrow forms set the limit.
        for precision in [Precision.bfloat16, .int8] {
            let narrow = try Self.psnr(
                VidTwinModel(c, weights: weights, device: device, precision: precision), held)
            #expect(narrow > 23, "\(precision): \(narrow) dB of \(start)")
        }
    }

    @Test func `dynamics carry what moves, and only that`() throws {
        let device = Device(threads: 2)
        let c = try Configuration(text: Array(Self.yaml().utf8), path: "start.yaml")
        let weights = try TransformStart.weights(
            c, place: "start.yaml", base: Self.base(c), clips: Self.clips(0..<96, on: device)
        ) { _ in }
        let model = try VidTwinModel(c, weights: weights, device: device)
        let (one, other) = (
            Self.clips(100..<101, on: device)[0], Self.clips(101..<102, on: device)[0]
        )
        let (a, b) = (try model.encode(one), try model.encode(other))
        let crossed = try model.reenact(structure: a, dynamics: b).values
        // One's mean picture, and the other's ways from its own.
        let expected = zip(Self.still(one), zip(other.values, Self.still(other))).map {
            $0 + ($1.0 - $1.1)
        }
        let ways = zip(other.values, Self.still(other)).map { $0 - $1 }
        let left = zip(crossed, expected).reduce(0.0) { $0 + Double(pow($1.0 - $1.1, 2)) }
        let all = ways.reduce(0.0) { $0 + Double($1 * $1) }
        #expect(left < 0.7 * all, "\(left / all) of what moves is missing")
        let alone = try model.decode(a, part: .structure).values
        let still = zip(alone, Self.still(one)).reduce(0.0) { $0 + Double(pow($1.0 - $1.1, 2)) }
        let mean = Self.still(one).reduce(0.0) { $0 + Double($1 * $1) }
        #expect(still < 0.1 * mean, "\(still / mean) of the mean picture is missing")
    }

    @Test func `a second block closes the steps between patches`() throws {
        let device = Device(threads: 2)
        let held = Self.clips(100..<106, on: device)
        // How much more pixels differ across borders of patches than they do in the clip, as a part of
        // that; and the error along the picture's own border.
        func start(_ depth: Int) throws -> (steps: Double, outside: Double, psnr: Double) {
            var text = Self.yaml()
            if let decoder = text.ranges(of: "depth: 1").last {
                text.replaceSubrange(decoder, with: "depth: \(depth)")
            }
            let c = try Configuration(text: Array(text.utf8), path: "start.yaml")
            let weights = try TransformStart.weights(
                c, place: "start.yaml", base: Self.base(c), clips: Self.clips(0..<96, on: device)
            ) { _ in }
            let model = try VidTwinModel(c, weights: weights, device: device)
            var (error, own, outside) = (0.0, 0.0, 0.0)
            for clip in held {
                let (x, y) = (
                    clip.values, try model.decode(try model.encode(clip), part: .all).values
                )
                for row in 0..<16 * 64 {
                    for column in stride(from: 16, to: 64, by: 16) {
                        for channel in 0..<3 {
                            let at = (row * 64 + column) * 3 + channel
                            let (a, b) = (Double(x[at] - x[at - 3]), Double(y[at] - y[at - 3]))
                            error += (a - b) * (a - b)
                            own += a * a
                        }
                    }
                    for column in [0, 63] {
                        for channel in 0..<3 {
                            let at = (row * 64 + column) * 3 + channel
                            outside += pow(Double(x[at] - y[at]), 2)
                        }
                    }
                }
            }
            return (error / own, outside, try Self.psnr(model, held))
        }
        let (one, two) = (try start(1), try start(2))
        #expect(two.steps < 0.85 * one.steps, "\(one) \(two)")
        #expect(two.outside < 1.1 * one.outside, "\(one) \(two)")
        #expect(two.psnr > one.psnr - 0.1, "\(one) \(two)")
    }

    /// A clip's mean picture in every frame.
    private static func still(_ clip: Tensor) -> [Float] {
        let (T, values) = (clip.dim(1), clip.values)
        let size = values.count / T
        let mean = (0..<size).map { at in
            (0..<T).reduce(Float(0)) { $0 + values[$1 * size + at] } / Float(T)
        }
        return (0..<T).flatMap { _ in mean }
    }

    @Test(arguments: [
        ("cont_num_blocks: 0", "cont_num_blocks: 1", "cont_num_blocks"),
        ("intermediate_size: 512", "intermediate_size: 500", "intermediate_size"),
        ("query_hidden_size: 256", "query_hidden_size: 152", "query_hidden_size"),
        ("init_ch: 64", "init_ch: 31", "init_ch"),
        ("temporal_casual: false", "temporal_casual: true", "temporal_casual"),
        ("d_dim: 8", "d_dim: 4", "d_dim"),
        ("num_heads: 8", "num_heads: 4", "num_heads"),
    ])
    func `a model without room is refused by its key`(
        _ old: String, _ new: String, _ key: String
    ) throws {
        let device = Device(threads: 1)
        let c = try Configuration(
            text: Array(Self.yaml([old: new]).utf8), path: "start.yaml")
        let error = #expect(throws: ModelError.self) {
            _ = try TransformStart.weights(
                c, place: "start.yaml", base: Self.base(c),
                clips: Self.clips(0..<1, on: device)
            ) { _ in }
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(key))
    }

    @Test func `squares have their derivative`() {
        let device = Device(threads: 2)
        let x = Tensor([2, 3], [0.5, -1, 0.25, 0, 2, -0.75], on: device)
        let y = Tensor([2, 3], [1, -1, 0, 0.5, 1, -1], on: device)
        let loss = SquaredDifference(x, y)
        #expect(abs(loss.sum - 1.625) < 1e-12)
        #expect(loss.gradient(0.5).values == [0.5, 0, -0.25, 0.5, -1, -0.25])
    }
}

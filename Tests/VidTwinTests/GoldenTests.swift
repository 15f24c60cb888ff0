import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

/// The bounds of the model's definition, in float32.
private let latentBound = 1e-5
private let pictureBound = 2e-5

@Suite struct `Golden models` {
    static let device = Device()

    @Test(arguments: Golden.all)
    func `Reference: in float32 throughout, latents, moments and KL match the oracle`(
        _ golden: Golden
    ) throws {
        let (model, expected) = (try golden.model(on: Self.device), try golden.expected())
        let moments = try model.moments(try clip(golden))
        let latents = moments.mean
        for (name, found) in [
            ("structure", latents.structure.values),
            ("dynamics_x", channelsFirst(latents.dynamicsX)),
            ("dynamics_y", channelsFirst(latents.dynamicsY)),
            ("structure_moments", channelsFirst(moments.structure)),
            ("dynamics_x_moments", channelsFirst(moments.dynamicsX)),
            ("dynamics_y_moments", channelsFirst(moments.dynamicsY)),
        ] {
            let difference = Difference(found, try expected.values(name))
            #expect(difference.relative <= latentBound, "\(golden) \(name): \(difference)")
        }
        let kl = Difference([Float(moments.kl)], try expected.values("kl"))
        #expect(kl.relative <= latentBound, "\(golden) KL: \(kl)")
    }

    @Test(arguments: Golden.all)
    func `Reference: latents alone suffice; pictures decoded from them match the oracle`(
        _ golden: Golden
    ) throws {
        let (model, expected) = (try golden.model(on: Self.device), try golden.expected())
        let latents = try latents(golden, model.configuration)
        let kept = try keptFrames(expected, "kept_frames")
        for (part, name) in [
            (Part.all, "reconstruction"), (.structure, "structure_only"),
            (.dynamics, "dynamics_only"),
        ] {
            let found = planar(try model.decode(latents, part: part), kept)
            let difference = Difference(found, try expected.values(name))
            #expect(difference.relative <= pictureBound, "\(golden) \(name): \(difference)")
        }
    }

    @Test(arguments: Golden.all)
    func `whole way and cross-reenactment match the oracle`(_ golden: Golden) throws {
        let (model, expected) = (try golden.model(on: Self.device), try golden.expected())
        let clip = try clip(golden)
        let structure = try model.moments(clip).mean
        let dynamics = try model.moments(reversedAndDimmed(clip)).mean
        let crossed = Latents(
            structure: structure.structure, dynamicsX: dynamics.dynamicsX,
            dynamicsY: dynamics.dynamicsY)
        let kept = try keptFrames(expected, "kept_frames")
        let reconstruction = try model.decode(structure)
        for (name, found) in [
            ("reconstruction", reconstruction), ("cross", try model.decode(crossed)),
        ] {
            let difference = Difference(planar(found, kept), try expected.values(name))
            #expect(difference.relative <= pictureBound, "\(golden) \(name): \(difference)")
        }
        let bytes = try bytes(reconstruction, try keptFrames(expected, "kept_frames_rgb24"))
        let wanted = try expected.values("reconstruction_rgb24")
        let differences = zip(bytes, wanted).map { abs(Float($0) - $1) }
        #expect(bytes.count == wanted.count)
        #expect(differences.max() ?? 9 <= 1, "\(golden): a pixel is off by more than 1")
        let equal = Double(differences.count { $0 == 0 }) / Double(differences.count)
        #expect(equal >= 0.999, "\(golden): only \(equal) of the pixels are equal")
    }

    @Test(arguments: Golden.all, [Precision.bfloat16, .int8])
    func `narrow precisions stay within their bounds`(_ golden: Golden, _ precision: Precision)
        throws
    {
        let model = try golden.model(on: Self.device, precision: precision)
        let expected = try golden.expected()
        let (latentBound, pictureBound) = precision == .int8 ? (6e-2, 4e-2) : (1.5e-2, 1e-2)
        let moments = try model.moments(try clip(golden))
        let latents = moments.mean
        for (name, found) in [
            ("structure", latents.structure.values),
            ("dynamics_x", channelsFirst(latents.dynamicsX)),
            ("dynamics_y", channelsFirst(latents.dynamicsY)),
        ] {
            let difference = Difference(found, try expected.values(name))
            #expect(difference.relative <= latentBound, "\(golden) \(name): \(difference)")
        }
        let kept = try keptFrames(expected, "kept_frames")
        let difference = Difference(
            planar(try model.decode(latents), kept), try expected.values("reconstruction"))
        #expect(difference.relative <= pictureBound, "\(golden) reconstruction: \(difference)")
    }

    @Test func `ckpt and safetensors give identical results`() throws {
        let golden = Golden("tiny")
        let clip = try clip(golden)
        let (a, b) = (
            try golden.model(on: Self.device, kind: "safetensors"),
            try golden.model(on: Self.device, kind: "ckpt")
        )
        let (x, y) = (
            try a.decode(try a.moments(clip).mean), try b.decode(try b.moments(clip).mean)
        )
        #expect(x.values == y.values)
    }

    @Test(arguments: [2, 3, 5, 16, 64], Precision.allCases)
    func `one thread and many give the same bytes`(_ threads: Int, _ precision: Precision) throws {
        for golden in [Golden("tiny"), Golden("grid14_h4")] {
            let clip = try clip(golden)
            func result(_ device: Device) throws -> [Float] {
                let model = try golden.model(on: device, precision: precision)
                return try model.decode(try model.moments(clip).mean).values
            }
            let (one, many) = (try result(Device(threads: 1)), try result(Device(threads: threads)))
            // Not compared within `expect`, which would look for the edits between long lists.
            let isSame = one == many
            #expect(isSame, "\(golden) with \(threads) threads: \(Difference(many, one))")
        }
    }

    @Test func `a clip alone gives what it gives in a batch`() throws {
        let golden = Golden("tiny")
        let model = try golden.model(on: Self.device)
        let clip = try clip(golden)
        let other = reversedAndDimmed(clip)
        let both = Tensor(
            [2] + clip.shape.dropFirst(), other.values + clip.values, on: Self.device)
        let (alone, batch) = (try model.moments(clip).mean, try model.moments(both).mean)
        let (a, b) = (try model.decode(alone).values, try model.decode(batch).values)
        let difference = Difference(Array(b.suffix(a.count)), a)
        #expect(difference.relative <= 1e-6, "\(difference)")
    }

    @Test func `Reference: causal time attention ignores the future`() throws {
        for (name, causal) in [("tiny", true), ("noncausal", false)] {
            let golden = Golden(name)
            let model = try golden.model(on: Self.device)
            let x = try clip(golden)
            var values = x.values
            let frame = x.count / x.dim(1)
            for i in values.indices.suffix(frame) { values[i] = -values[i] }
            let changed = Tensor(x.shape, values, on: Self.device)
            let (a, b) = (
                try model.moments(x).mean.dynamicsX.values,
                try model.moments(changed).mean.dynamicsX.values
            )
            // Row 0 of the latent sees frames 0 and 1 through the head's kernel, nothing later.
            let first = a.count / model.configuration.encoder.grid.time
            #expect((a.prefix(first) == b.prefix(first)) == causal, "\(name)")
        }
    }
}

// MARK: - Between the oracle's layout and ours

private func clip(_ golden: Golden) throws -> Tensor {
    let (bytes, T, H, W) = try golden.frames()
    let values = bytes.map { Float($0) / 127.5 - 1 }
    return Tensor([1, T, H, W, 3], values, on: `Golden models`.device)
}

private func reversedAndDimmed(_ clip: Tensor) -> Tensor {
    let frame = clip.count / clip.dim(1)
    let values = clip.values
    let reversed = (0..<clip.dim(1)).reversed().flatMap { t in
        values[t * frame..<(t + 1) * frame].map { $0 * 0.7 }
    }
    return Tensor(clip.shape, reversed, on: `Golden models`.device)
}

/// `[1, ..., d] -> [d, ...]`
private func channelsFirst(_ x: Tensor) -> [Float] {
    let (values, d) = (x.values, x.dim(-1))
    return (0..<d).flatMap { c in stride(from: c, to: values.count, by: d).map { values[$0] } }
}

/// Mean, then log-variance, each channels first.
private func channelsFirst(_ moments: Moments) -> [Float] {
    channelsFirst(moments.mean) + channelsFirst(moments.logVariance)
}

private func channelsLast(_ values: [Float], _ shape: [Int], on device: Device) -> Tensor {
    let d = shape[0]
    let inner = values.count / d
    let last = (0..<inner).flatMap { i in (0..<d).map { values[$0 * inner + i] } }
    return Tensor([1] + shape.dropFirst() + [d], last, on: device)
}

private func latents(_ golden: Golden, _ c: Configuration) throws -> Latents {
    let expected = try golden.expected()
    let device = `Golden models`.device
    return Latents(
        structure: Tensor([1] + c.structureShape, try expected.values("structure"), on: device),
        dynamicsX: channelsLast(try expected.values("dynamics_x"), c.dynamicsXShape, on: device),
        dynamicsY: channelsLast(try expected.values("dynamics_y"), c.dynamicsYShape, on: device))
}

private func keptFrames(_ expected: Checkpoint, _ key: String) throws -> [Int] {
    try #require(expected.metadata[key]).split(separator: " ").compactMap { Int($0) }
}

/// `[1, T, H, W, 3] -> [3, kept, H, W]`
private func planar(_ x: Tensor, _ kept: [Int]) -> [Float] {
    let (values, frame) = (x.values, x.count / x.dim(1))
    return (0..<3).flatMap { c in
        kept.flatMap { t in
            stride(from: t * frame + c, to: (t + 1) * frame, by: 3).map { values[$0] }
        }
    }
}

/// The pixels of some frames.
private func bytes(_ x: Tensor, _ kept: [Int]) throws -> [UInt8] {
    let frame = x.count / x.dim(1)
    let values = x.values
    return kept.flatMap { t in
        values[t * frame..<(t + 1) * frame].map {
            UInt8(((min(max($0, -1), 1) + 1) * 127.5).rounded())
        }
    }
}

import LatentIO
import TensorFiles
import VidTwin

extension Latents {
    /// The arrays of one clip, of the parts asked for.
    func arrays(_ part: Part, _ layout: LatentLayout, suffix: String = "") -> [String: NPYArray] {
        var arrays: [String: NPYArray] = [:]
        if part != .dynamics {
            arrays["structure\(suffix)"] = NPYArray(
                shape: Array(structure.shape.dropFirst()), values: structure.values)
        }
        if part == .structure { return arrays }
        switch layout {
        case .vidtwin:
            for (name, x) in [("dynamics_x", dynamicsX), ("dynamics_y", dynamicsY)] {
                arrays["\(name)\(suffix)"] = NPYArray(
                    shape: [x.dim(-1), x.dim(1), x.dim(2)], values: Latents.channelsFirst(x))
            }
        case .cowvla:
            let values = Latents.joined(dynamicsX.values, dynamicsY.values, dynamicsX.dim(-1))
            arrays["dynamics\(suffix)"] = NPYArray(shape: [values.count], values: values)
        }
        return arrays
    }

    /// `[T, n, d]` of x and of y as `[T, n, 2 d]`.
    private static func joined(_ x: [Float], _ y: [Float], _ d: Int) -> [Float] {
        stride(from: 0, to: x.count, by: d).flatMap { x[$0..<$0 + d] + y[$0..<$0 + d] }
    }

    /// The halves of what `joined` gives.
    private static func parted(_ values: [Float], _ d: Int) -> (x: [Float], y: [Float]) {
        let starts = stride(from: 0, to: values.count, by: 2 * d)
        return (
            starts.flatMap { values[$0..<$0 + d] }, starts.flatMap { values[$0 + d..<$0 + 2 * d] }
        )
    }

    /// The latents of a sample, for a model; parts that the sample lacks are zero.
    ///
    /// - Returns: the latents, and which part is there.
    /// - Throws: `LatentError.malformed` for latents of another shape, NaN or infinity.
    static func of(_ sample: LatentSample, for model: VidTwinModel) throws -> (Latents, Part) {
        let (c, device) = (model.configuration, model.device)
        let (T, d) = (c.encoder.grid.time, c.dynamicsChannels)
        let (w, h) = (c.dynamicsGrid.columns, c.dynamicsGrid.rows)
        func values(_ name: String, _ shape: [Int]) throws -> [Float]? {
            guard let array = sample.arrays[name] else { return nil }
            if array.shape != shape {
                throw LatentError.malformed(
                    place: "\(sample.key).\(name)", expected: "shape \(shape)",
                    found: "\(array.shape)")
            }
            let bad = array.values.count { !$0.isFinite }
            if bad > 0 {
                throw LatentError.malformed(
                    place: "\(sample.key).\(name)", expected: "\(array.values.count) numbers",
                    found: "\(bad) that are NaN or infinite")
            }
            return array.values
        }
        let structure = try values("structure", c.structureShape)
        var x = try values("dynamics_x", c.dynamicsXShape).map { channelsLast($0, channels: d) }
        var y = try values("dynamics_y", c.dynamicsYShape).map { channelsLast($0, channels: d) }
        if let both = try values("dynamics", [T * (w + h) * d]) {
            switch sample.info.layout {
            case LatentLayout.cowvla.tag where w == h: (x, y) = parted(both, d)
            case LatentLayout.tagOfParts:
                (x, y) = (Array(both.prefix(T * w * d)), Array(both.suffix(T * h * d)))
            case let layout:
                throw LatentError.malformed(
                    place: "\(sample.key).dynamics",
                    expected:
                        "layout \(w == h ? LatentLayout.cowvla.tag : LatentLayout.tagOfParts)",
                    found: layout)
            }
        }
        guard structure != nil || x != nil, (x == nil) == (y == nil) else {
            throw LatentError.malformed(
                place: sample.key, expected: "a structure or both dynamics",
                found: sample.arrays.keys.sorted().joined(separator: ", "))
        }
        func tensor(_ values: [Float]?, _ shape: [Int]) -> Tensor {
            Tensor(
                shape, values ?? [Float](repeating: 0, count: shape.reduce(1, *)), on: device)
        }
        let latents = Latents(
            structure: tensor(structure, [1] + c.structureShape),
            dynamicsX: tensor(x, [1, T, w, d]), dynamicsY: tensor(y, [1, T, h, d]))
        return (latents, structure == nil ? .dynamics : x == nil ? .structure : .all)
    }
}

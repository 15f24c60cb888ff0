import LatentIO
import TensorFiles
import VidTwin
import VideoIO

/// How latents are laid out in a stream.
enum LatentLayout: String, CaseIterable {
    /// `structure [Q, h, w, d]`, `dynamics_x [d, T, w]`, `dynamics_y [d, T, h]`
    case vidtwin
    /// `structure` as above; `dynamics`, one vector of x then y, each frame by frame, position by
    /// position, channel by channel.
    case cowvla
}

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
            // Channels last is the order wanted here: (frame, position, channel).
            let values = dynamicsX.values + dynamicsY.values
            arrays["dynamics\(suffix)"] = NPYArray(shape: [values.count], values: values)
        }
        return arrays
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
            (x, y) = (Array(both.prefix(T * w * d)), Array(both.suffix(T * h * d)))
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

/// What a model's latents are known by.
struct ModelIdentity {
    let configSHA256: String
    let checkpointSHA256: String

    init(_ model: VidTwinModel, _ files: ModelFiles) throws {
        configSHA256 = model.configuration.fingerprint
        checkpointSHA256 = try files.checkpointSHA256()
    }

    /// Refuses latents of another model, unless forced (then only shapes must agree).
    func check(_ sample: LatentSample, force: Bool) throws {
        func differs(_ what: String, _ mine: String, _ found: String) -> ForeignLatents {
            ForeignLatents(
                description:
                    "\(sample.key): latents of another \(what): expected \(mine.prefix(16))…, "
                    + "found \(found.prefix(16))…; --force decodes them all the same where shapes agree"
            )
        }
        if force { return }
        if sample.info.configSHA256 != configSHA256 {
            throw differs("configuration", configSHA256, sample.info.configSHA256)
        }
        if sample.info.checkpointSHA256 != checkpointSHA256 {
            throw differs("checkpoint", checkpointSHA256, sample.info.checkpointSHA256)
        }
    }
}

/// Latents that belong to another model.
struct ForeignLatents: Error, CustomStringConvertible {
    let description: String
}

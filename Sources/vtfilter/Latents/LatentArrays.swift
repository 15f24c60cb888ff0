import LatentIO
import TensorFiles
import VidTwin
import VideoIO

/// How latents are laid out in a stream.
enum LatentLayout: String, CaseIterable {
    /// `structure [Q, h, w, d]`, `dynamics_x [d, T, w]`, `dynamics_y [d, T, h]`
    case vidtwin
    /// `structure` as above; `dynamics`, one vector: frame by frame, position by position, x's
    /// channels, then y's. Of square grids only, where a position is a column and a row.
    case cowvla

    /// What a sample's JSON says.
    var tag: String { self == .cowvla ? "cowvla-2" : rawValue }

    /// What it said when the vector was x, then y, each frame by frame, position by position, channel
    /// by channel. Such samples are read, not written.
    static let tagOfParts = "cowvla"

    /// - Throws: `UsageError` where a model has no such layout.
    func check(_ configuration: Configuration) throws {
        let grid = configuration.dynamicsGrid
        if self == .cowvla, grid.rows != grid.columns {
            throw UsageError(
                "--layout cowvla: expected dynamics of as many rows as columns, which share a "
                    + "position; this model has \(grid.rows) rows and \(grid.columns) columns")
        }
    }
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

/// What a model's latents are known by.
struct ModelIdentity {
    let configSHA256: String
    let checkpointSHA256: String

    init(_ opened: OpenedModel) {
        configSHA256 = opened.configuration.fingerprint
        checkpointSHA256 = opened.checkpointSHA256
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

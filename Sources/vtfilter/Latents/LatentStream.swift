import LatentIO
import TensorFiles
import VidTwin

/// Samples of latents, one after the other.
protocol LatentStream: AnyObject {
    /// The next sample, or nil at the end.
    func next() throws -> LatentSample?
}

extension LatentReader: LatentStream {}

/// The samples of a .safetensors file of `vtfilter encode`.
final class LatentArchive: LatentStream {
    private let checkpoint: Checkpoint
    private let clips: LatentInfoList
    private let key: String
    private var index = 0

    /// Opens a file; nil where it holds no latents.
    init?(path: String) throws {
        do {
            checkpoint = try Checkpoint(path: path)
        } catch let error as CheckpointError {
            throw LatentError.malformed(
                place: path, expected: "latents in a .safetensors file", found: "\(error)")
        }
        guard checkpoint.metadata["format"] == LatentArchiveWriter.format,
            let json = checkpoint.metadata["clips"]
        else { return nil }
        clips = try LatentInfoList(json, place: path)
        key = checkpoint.metadata["key"] ?? "clip"
        for (name, info) in checkpoint.tensors where info.shape.first != clips.count {
            throw LatentError.malformed(
                place: "\(path): \(name)", expected: "\(clips.count) clips", found: "\(info.shape)")
        }
    }

    func next() throws -> LatentSample? {
        if index >= clips.count { return nil }
        defer { index += 1 }
        var arrays: [String: NPYArray] = [:]
        for (name, info) in checkpoint.tensors {
            let shape = Array(info.shape.dropFirst())
            let count = shape.reduce(1, *)
            if all[name] == nil {
                var values = [Float](repeating: 0, count: info.shape.reduce(1, *))
                try values.withUnsafeMutableBufferPointer {
                    try checkpoint.read(name, into: $0)
                }
                all[name] = values
            }
            let values = all[name] ?? []
            arrays[name] = NPYArray(
                shape: shape, values: Array(values[index * count..<(index + 1) * count]))
        }
        return LatentSample(key: "\(key)+\(index)", info: try clips.info(index), arrays: arrays)
    }

    /// The arrays, read when the first sample is asked for: as large as the file.
    private var all: [String: [Float]] = [:]
}

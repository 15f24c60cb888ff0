import FoundationEssentials
import Glibc
package import TensorFiles

/// Writes the latents of one video as one .safetensors file: each array with one more axis, the
/// clips, in front; what is known of the clips stands as JSON in the header's metadata.
///
/// Arrays are collected in unnamed files beside the output, so memory does not grow with them.
public final class LatentArchiveWriter {
    private struct Column {
        let shape: [Int]
        let spool: Int32
    }

    private let file: NewFile
    private let output: Descriptor
    private let type: LatentType
    private var columns: [String: Column] = [:]
    private var clips: [LatentInfo] = []
    private var name = ""

    /// The text under `format` in the metadata.
    public static let format = "vidtwin-latents-1"

    /// Writes to a file, whose name stays the caller's to give.
    ///
    /// - Throws: `NewFileError`.
    package init(_ file: NewFile, type: LatentType) throws {
        (self.file, output, self.type) = (file, try file.open(), type)
    }

    deinit { for column in columns.values { close(column.spool) } }

    /// Adds a clip.
    ///
    /// - Throws: `LatentError`; all clips must have the same arrays.
    public func write(_ sample: LatentSample) throws {
        if clips.isEmpty {
            name = sample.key
            for (name, array) in sample.arrays {
                let spool = try file.scratch()
                columns[name] = Column(shape: array.shape, spool: spool)
            }
        }
        for (name, array) in sample.arrays {
            guard let column = columns[name], column.shape == array.shape else {
                throw LatentError.malformed(
                    place: sample.key, expected: "the arrays of the first clip", found: name)
            }
            let encoded = array.encoded(as: type.element)
            try Descriptor(column.spool, place: output.place)
                .write(Array(encoded.suffix(array.values.count * type.element.byteCount)))
        }
        clips.append(sample.info)
    }

    /// Writes the file.
    public func finish() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let columns = columns.sorted { $0.key < $1.key }
        let writer = try SafeTensorsWriter(
            output,
            columns.map {
                .init(name: $0.key, type: type.element, shape: [clips.count] + $0.value.shape)
            },
            metadata: [
                "format": LatentArchiveWriter.format,
                "clips": String(decoding: try encoder.encode(clips), as: UTF8.self), "key": name,
            ])
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        for (_, column) in columns {
            lseek(column.spool, 0, SEEK_SET)
            let spool = Descriptor(column.spool, place: output.place)
            try chunk.withUnsafeMutableBytes { chunk in
                while true {
                    let count = try spool.read(into: chunk)
                    if count == 0 { break }
                    try writer.append(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
                }
            }
        }
    }
}

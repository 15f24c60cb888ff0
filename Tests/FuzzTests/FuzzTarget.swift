import Glibc
import LatentIO
import TensorFiles
import VidTwin
import VidTwinTestSupport
import VideoIO

/// A parser of foreign bytes, and whole inputs of it to begin with.
struct FuzzTarget: CustomStringConvertible, Sendable {
    let description: String
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Changes what only stands between an input and the parser.
    var mend: @Sendable ([UInt8], _ seeds: [[UInt8]]) -> [UInt8] = { bytes, _ in bytes }
    /// Reads all that there is; errors are what should come.
    let parse: @Sendable ([UInt8]) throws -> Void

    static let all = [
        FuzzTarget(
            description: "safetensors", seeds: { files(["types.safetensors"]) },
            mend: Mending.safeTensors, parse: { try checkpoint($0) }),
        FuzzTarget(
            description: "zip and pickle",
            seeds: {
                files(["types.pt", "views.pt", "protocol4.pt", "deflated.pt", "lightning.ckpt"])
            },
            mend: { bytes, seeds in
                let seed = seeds.first { $0.count == bytes.count }
                return seed.map { ZipChecksums($0).mended(bytes) } ?? bytes
            }, parse: { try checkpoint($0) }),
        FuzzTarget(
            description: "PyTorch's old format",
            seeds: { files(["legacy.pt", "legacy_python2.pt"]) }, parse: { try checkpoint($0) }),
        FuzzTarget(
            description: "configurations in YAML",
            seeds: { Golden.all.map { Fixtures.bytes($0.configurationPath) } },
            parse: { _ = try Configuration(text: $0, path: "fuzz.yaml") }),
        FuzzTarget(
            description: "latents: tar, npy and JSON", seeds: { [try latents()] },
            mend: Mending.tar,
            parse: { bytes in
                try withFile(bytes) { descriptor in
                    let reader = LatentReader(descriptor: descriptor, place: "fuzz.tar")
                    while try reader.next() != nil {}
                }
            }),
        FuzzTarget(
            description: "CSV",
            seeds: {
                [
                    "videos,caption\na.mp4,\"one, \"\"two\"\"\nthree\"\r\nb.mp4,x\n",
                    "a,b\n\n\"\",\n1,2\n",
                ].map { Array($0.utf8) }
            }, parse: { _ = try CSVTable($0).rows.map { try $0.fields.get() } }),
    ]

    private static func files(_ names: [String]) -> [[UInt8]] {
        names.map { Fixtures.bytes("\(Fixtures.folder)/checkpoints/\($0)") }
    }

    /// Bytes as a file without a name.
    private static func withFile<Result>(
        _ bytes: [UInt8], _ body: (Int32) throws -> Result
    ) throws -> Result {
        // In memory, where there is such a folder.
        var name = Array(
            (access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzzXXXXXX" : "/tmp/fuzzXXXXXX").utf8CString)
        let descriptor = mkstemp(&name)
        unlink(name)
        defer { close(descriptor) }
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count,
            lseek(descriptor, 0, SEEK_SET) == 0
        else { throw NoFile() }
        return try body(descriptor)
    }

    private struct NoFile: Error {}

    private static func checkpoint(_ bytes: [UInt8]) throws {
        try withFile(bytes) { descriptor in
            let file = try Checkpoint(path: "/proc/self/fd/\(descriptor)", allowingLegacy: true)
            for (name, tensor) in file.tensors {
                let count = tensor.shape.reduce(1, *)
                if count > 1 << 20 { continue }
                var values = [Float](repeating: 0, count: count)
                // A tensor that is damaged says so, and the next one is read all the same.
                try? values.withUnsafeMutableBufferPointer { try file.read(name, into: $0) }
            }
        }
    }

    private static func latents() throws -> [UInt8] {
        try withFile([]) { descriptor in
            let writer = LatentWriter(descriptor: descriptor, place: "fuzz.tar", type: .f32)
            for i in 0..<3 {
                let info = LatentInfo(
                    firstFrame: 16 * i, validFrames: 2, stride: 16, rate: "25", timeBase: "1/25",
                    pts: [0, 1], lastDuration: 1, width: 4, height: 3, pixelFormat: "rgb24",
                    colorSpace: 2, colorRange: 0, sampleAspect: "1/1", fit: "crop",
                    configSHA256: "c", checkpointSHA256: "d", latents: "mean", seed: nil,
                    layout: "vidtwin", vtfilter: "0")
                let array = NPYArray(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
                try writer.write(
                    LatentSample(
                        key: "clip_00000\(i)", info: info, arrays: ["structure": array]))
            }
            try writer.finish()
            return Fixtures.bytes("/proc/self/fd/\(descriptor)")
        }
    }
}

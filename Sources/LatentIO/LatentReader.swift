public import TensorFiles

/// Reads samples from a tar stream, one at a time, in the order in which they stand there: constant
/// memory, no seeking.
///
/// Members that belong to no sample are passed over. Whole samples before a fault are delivered
/// before the fault is thrown.
public final class LatentReader {
    private var tar: TarReader
    private let place: String
    private var waiting: Waiting?
    private var fault: LatentError?
    private var ended = false

    /// A sample whose files are being read.
    private struct Waiting {
        let key: String
        var files: [String: [UInt8]] = [:]
        var size = 0
    }

    /// All that is kept of a sample: latents of a clip are a few thousand numbers.
    private static let maximumSample = 64 << 20
    private static let maximumFiles = 32

    /// Reads from an open descriptor, which stays the caller's; `place` names it in messages,
    /// `start` is what was read of it before. When `cancelDescriptor` becomes readable, waiting ends
    /// with `LatentError.cancelled`.
    public init(
        descriptor: Int32, place: String, start: [UInt8] = [], cancelDescriptor: Int32? = nil
    ) {
        self.place = place
        tar = TarReader(
            Descriptor(descriptor, place: place, wake: cancelDescriptor), start: start)
    }

    /// Bytes that `isLatents` needs to see.
    public static let peek = TarReader.peek

    /// Whether a stream that begins so is a tar stream, packed by gzip or not.
    public static func isLatents(_ start: [UInt8]) -> Bool { TarReader.isTar(start) }

    /// The next sample, or nil at the end.
    ///
    /// - Throws: `LatentError`.
    public func next() throws(LatentError) -> LatentSample? {
        while !ended {
            do throws(LatentError) {
                guard let member = try tar.next() else {
                    ended = true
                    break
                }
                // In WebDataset's layout the folder is a part of the key.
                let base = member.name.lastIndex(of: "/").map(member.name.index(after:))
                let dot = member.name[(base ?? member.name.startIndex)...].firstIndex(of: ".")
                let key = String(member.name[..<(dot ?? member.name.endIndex)])
                var complete: Waiting?
                if waiting?.key != key {
                    complete = waiting
                    waiting = Waiting(key: key)
                }
                if let dot {
                    do throws(LatentError) {
                        try read(member, String(member.name[dot...].dropFirst()))
                    } catch {  // the sample that it belongs to is not whole, the one before is
                        (fault, ended, waiting) = (error, true, nil)
                    }
                }
                if let complete, let sample = try sample(complete) { return sample }
            } catch {
                fault = error
                ended = true
            }
        }
        // A sample that a fault cut off between two files is whole where it has its JSON, which
        // `LatentWriter` writes last.
        if let last = waiting {
            waiting = nil
            if fault == nil || last.files["json"] != nil, let sample = try sample(last) {
                return sample
            }
        }
        if let fault {
            self.fault = nil
            throw fault
        }
        return nil
    }

    /// Reads a file of the waiting sample, if it is one that samples have.
    private func read(_ member: TarReader.Member, _ ending: String) throws(LatentError) {
        guard var sample = waiting, ending == "json" || ending.hasSuffix(".npy") else { return }
        func malformed(_ expected: String, _ found: String) -> LatentError {
            .malformed(place: "\(place): \(sample.key)", expected: expected, found: found)
        }
        if sample.files[ending] != nil {
            throw malformed("each file of a sample once", "\(sample.key).\(ending) twice")
        }
        guard sample.files.count < LatentReader.maximumFiles else {
            throw malformed("at most \(LatentReader.maximumFiles) files", "more")
        }
        sample.size += member.size
        guard sample.size <= LatentReader.maximumSample else {
            throw malformed("samples of at most \(LatentReader.maximumSample >> 20) MB", "more")
        }
        let limit = ending == "json" ? LatentInfo.maximumBytes : LatentReader.maximumSample
        sample.files[ending] = try tar.contents(of: member, limit: limit)
        waiting = sample
    }

    private func sample(_ found: Waiting) throws(LatentError) -> LatentSample? {
        var arrays: [String: NPYArray] = [:]
        for (ending, bytes) in found.files where ending.hasSuffix(".npy") {
            let name = String(ending.dropLast(4))
            arrays[name] = try NPYArray(bytes[...], place: "\(place): \(found.key).\(ending)")
        }
        if arrays.isEmpty { return nil }
        guard let json = found.files["json"] else {
            throw .malformed(
                place: "\(place): \(found.key)", expected: "\(found.key).json beside the arrays",
                found: "none")
        }
        let name = "\(place): \(found.key).json"
        let info = try LatentInfo.decode(LatentInfo.self, json, name)
        try info.check(name)
        return LatentSample(key: found.key, info: info, arrays: arrays)
    }
}

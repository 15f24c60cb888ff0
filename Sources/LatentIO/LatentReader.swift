public import TensorFiles

/// Reads samples from a tar stream, one at a time: constant memory, no seeking.
///
/// Members that belong to no sample are passed over. Whole samples before a fault are delivered
/// before the fault is thrown.
public final class LatentReader {
    private var tar: TarReader
    private let place: String
    private var waiting: (key: String, members: [String: [UInt8]])?
    private var fault: LatentError?
    private var ended = false

    /// Largest member that is read, and all that is kept of a sample: latents of a clip are a few
    /// thousand numbers.
    private static let maximumMember = 64 << 20
    private static let maximumMembers = 32

    /// Reads from an open descriptor, which stays the caller's; `place` names it in messages,
    /// `start` is what was read of it before. When `cancelDescriptor` becomes readable, waiting ends
    /// with `LatentError.cancelled`.
    public init(
        descriptor: Int32, place: String, start: [UInt8] = [], cancelDescriptor: Int32? = nil
    ) {
        self.place = place
        tar = TarReader(
            Descriptor(descriptor, place: place, wake: cancelDescriptor), start: start,
            maximumMember: LatentReader.maximumMember)
    }

    /// Bytes that `isLatents` needs to see.
    public static let peek = TarReader.peek

    /// Whether a stream that begins so is a tar stream.
    public static func isLatents(_ start: [UInt8]) -> Bool { TarReader.isTar(start) }

    /// The next sample, or nil at the end.
    ///
    /// - Throws: `LatentError`.
    public func next() throws(LatentError) -> LatentSample? {
        while !ended {
            do throws(LatentError) {
                guard let (path, bytes) = try tar.next() else {
                    ended = true
                    break
                }
                let name = path.split(separator: "/").last ?? ""
                let dot = name.firstIndex(of: ".") ?? name.endIndex
                let (key, ending) = (String(name[..<dot]), String(name[dot...].dropFirst()))
                if waiting?.key == key {
                    guard (waiting?.members.count ?? 0) < LatentReader.maximumMembers else {
                        throw .malformed(
                            place: key, expected: "at most \(LatentReader.maximumMembers) files",
                            found: "more")
                    }
                    let held = waiting?.members.values.reduce(0) { $0 + $1.count } ?? 0
                    guard held + bytes.count <= LatentReader.maximumMember else {
                        throw .malformed(
                            place: key,
                            expected: "samples of at most \(LatentReader.maximumMember >> 20) MB",
                            found: "more")
                    }
                    waiting?.members[ending] = bytes
                } else {
                    let complete = waiting
                    waiting = (key, [ending: bytes])
                    if let complete, let sample = try sample(complete) { return sample }
                }
            } catch {
                fault = error
                ended = true
            }
        }
        // A sample that a fault cut off is not whole: its JSON comes last.
        if let last = waiting {
            waiting = nil
            if fault == nil || last.members["json"] != nil, let sample = try sample(last) {
                return sample
            }
        }
        if let fault {
            self.fault = nil
            throw fault
        }
        return nil
    }

    private func sample(
        _ found: (key: String, members: [String: [UInt8]])
    ) throws(LatentError) -> LatentSample? {
        var arrays: [String: NPYArray] = [:]
        for (ending, bytes) in found.members where ending.hasSuffix(".npy") {
            let name = String(ending.dropLast(4))
            arrays[name] = try NPYArray(bytes[...], place: "\(place): \(found.key).\(ending)")
        }
        if arrays.isEmpty { return nil }
        guard let json = found.members["json"] else {
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

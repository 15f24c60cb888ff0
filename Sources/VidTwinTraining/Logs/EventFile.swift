import Glibc
import SwiftProtobuf
import TensorFiles

/// A file of TensorBoard's: records of scalars, pictures and histograms, whole on the disk's side of the
/// program one by one.
package final class EventFile {
    /// `events.out.tfevents.<seconds>.<host>.<process>.0`
    package let path: String
    private let output: Descriptor

    /// Makes a new file in a folder, which is made, too.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package init(in folder: String) throws {
        folder.withPathBytes { _ = mkdir($0, 0o777) }
        var host = [CChar](repeating: 0, count: 256)
        gethostname(&host, host.count - 1)
        let name = String(
            decoding: host.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        var (seconds, number) = (time(nil), Int32(-1))
        var path = ""
        repeat {
            path = "\(folder)/events.out.tfevents.\(seconds).\(name).\(getpid()).0"
            number = path.withPathBytes { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
            seconds += 1
        } while number < 0 && errno == EEXIST
        if number < 0 {
            throw CheckpointError.unwritable(path: path, problem: String(cString: strerror(errno)))
        }
        self.path = path
        output = Descriptor(number, place: path)
        try write(step: 0) { $0.fileVersion = "brain.Event:2" }
    }

    deinit { close(output.number) }

    /// A value of a step.
    package enum Value {
        case scalar(Double)
        case picture(PNGPicture)
        case histogram(ValueHistogram)
    }

    /// Adds a record of values with their names.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func write(step: Int, _ values: [(name: String, value: Value)]) throws {
        if values.isEmpty { return }
        var summary = TensorBoard_Summary()
        summary.value = values.map { name, value in
            var entry = TensorBoard_Summary.Value()
            entry.tag = name
            switch value {
            case .scalar(let number): entry.simpleValue = Float(number)
            case .picture(let picture):
                entry.image.height = Int32(picture.height)
                entry.image.width = Int32(picture.width)
                entry.image.colorspace = 3
                entry.image.encodedImageString.append(contentsOf: picture.bytes)
            case .histogram(let histogram): entry.histo = histogram.message
            }
            return entry
        }
        try write(step: step) { $0.summary = summary }
    }

    private func write(step: Int, _ fill: (inout TensorBoard_Event) -> Void) throws {
        var (event, now) = (TensorBoard_Event(), timespec())
        clock_gettime(CLOCK_REALTIME, &now)
        event.wallTime = Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
        event.step = Int64(step)
        fill(&event)
        do {
            let payload: [UInt8] = try event.serializedBytes()
            try output.write(EventFile.record(payload))
        } catch StreamError.failure(_, let problem) {
            throw CheckpointError.unwritable(path: path, problem: problem)
        }
    }

    /// The length and its checksum, the bytes and theirs.
    package static func record(_ payload: [UInt8]) -> [UInt8] {
        func little(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let length = little(UInt64(payload.count), 8)
        return length + little(UInt64(CRC32C.masked(length)), 4) + payload
            + little(UInt64(CRC32C.masked(payload)), 4)
    }
}

/// Castagnoli's checksum, which the libraries that are here anyway do not have.
package enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { rest, _ in
            rest & 1 == 1 ? rest >> 1 ^ 0x82f6_3b78 : rest >> 1
        }
    }

    /// Of some bytes.
    package static func of(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in
            sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)]
        }
    }

    /// As event files hold it: turned by 15 bits, and a constant added.
    package static func masked(_ bytes: [UInt8]) -> UInt32 {
        let sum = of(bytes)
        return (sum >> 15 | sum << 17) &+ 0xa282_ead8
    }
}

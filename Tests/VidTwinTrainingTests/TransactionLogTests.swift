import Testing
import TensorFiles
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

/// The framing of W&B's logs; `Tests/Training/offline_run.py` asks W&B's own program.
struct TransactionLogTests {
    /// The records of a log, and the types of their chunks.
    private func records(_ log: [UInt8]) -> (records: [[UInt8]], kinds: [UInt8]) {
        var (records, kinds, part, at): ([[UInt8]], [UInt8], [UInt8], Int) = ([], [], [], 7)
        while at < log.count {
            let room = 32768 - at % 32768
            if room < 7 {
                #expect(log[at..<at + room].allSatisfy { $0 == 0 })
                at += room
                continue
            }
            let length = Int(log[at + 4]) | Int(log[at + 5]) << 8
            kinds.append(log[at + 6])
            #expect(length + 7 <= room)
            part += log[at + 7..<at + 7 + length]
            at += 7 + length
            if [1, 4].contains(kinds.last) {
                records.append(part)
                part = []
            }
        }
        #expect(part.isEmpty)
        return (records, kinds)
    }

    @Test func `records of any length come back, over blocks and at their ends`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        // The second record ends so many bytes before the block: room for a head, or not.
        for rest in [0, 1, 6, 7, 8, 20] {
            let lengths = [3, 32768 - 7 - 7 - 3 - 7 - rest, 0, 5, 70_000, 32761, 1]
            let path = "\(folder)/\(rest)"
            let written = lengths.enumerated().map { index, length in
                (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }
            }
            do {
                let log = try TransactionLog(path)
                for record in written { try log.add(record) }
            }
            let bytes = Fixtures.bytes(path)
            #expect(Array(bytes.prefix(7)) == [0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0])
            let (found, kinds) = records(bytes)
            #expect(found == written, "\(rest)")
            #expect(Set(kinds) == [1, 2, 3, 4])
        }
        #expect(throws: CheckpointError.self) { try TransactionLog("\(folder)/0") }
    }

    @Test func `a chunk is checksum, length, type and bytes`() {
        // zlib's checksum of 1, then the digits.
        let framed = TransactionLog.framed(Array("123456789".utf8), at: 7)
        #expect(framed.count == 16 && Array(framed[4...6]) == [9, 0, 1])
        #expect(CRC32.of(Array("123456789".utf8)) == 0xcbf4_3926)
        let checksum = CRC32.of([1] + Array("123456789".utf8))
        #expect((0..<4).map { UInt32(framed[$0]) << (8 * $0) }.reduce(0, |) == checksum)
    }

    @Test func `values are JSON, scalars as YAML means them`() throws {
        #expect(LogJSON.text("a\"\\\n\u{1}é") == #""a\"\\\n\u0001é""#)
        #expect(
            [.nan, .infinity, -.infinity, 1e-5].map(LogJSON.number) == [
                "NaN", "Infinity", "-Infinity", "1e-05",
            ])
        let tree = ConfigurationTree.mapping([
            ("a", .list([.scalar("1", quoted: false), .scalar("1", quoted: true)])),
            ("b", .scalar("0x10", quoted: false)), ("c", .scalar("", quoted: false)),
            ("d", .scalar("True", quoted: false)), ("e", .scalar("1.5e3", quoted: false)),
            ("f", .scalar(".inf", quoted: false)),
        ])
        #expect(
            LogJSON.value(tree)
                == #"{"a": [1, "1"], "b": 16, "c": null, "d": true, "e": 1500, "f": ".inf"}"#)
    }
}

import Glibc
import TensorFiles
import Testing
import VidTwinTestSupport

private let folder = "\(Fixtures.folder)/checkpoints"
private let a = (0..<12).map { Float($0) / 8 - 0.5 }
private let b = (0..<5).map { Float($0 * $0) }

@Suite struct `Checkpoints` {
    @Test(arguments: [
        "protocol2.pt", "protocol3.pt", "protocol4.pt", "protocol5.pt", "lightning.ckpt",
        "deflated.pt", "zip64.pt", "big_endian.pt", "no_byteorder.pt",
    ])
    func `PyTorch archives of every kind hold the same values`(_ name: String) throws {
        let checkpoint = try Checkpoint(path: "\(folder)/\(name)")
        #expect(checkpoint.tensors.keys.sorted() == ["a", "b"])
        #expect(checkpoint.tensors["a"]?.shape == [3, 4])
        #expect(try checkpoint.values("a") == a)
        #expect(try checkpoint.values("b") == b)
    }

    @Test(arguments: ["types.pt", "types.safetensors"])
    func `a copied checkpoint is what it was, whatever becomes of the file`(_ name: String) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(
            Fixtures.bytes("\(Fixtures.folder)/checkpoints/\(name)"), to: "\(folder)/\(name)")
        let mapped = try Checkpoint(path: "\(folder)/\(name)")
        let copied = try Checkpoint(path: "\(folder)/\(name)", copied: true)
        let names = mapped.tensors.keys.sorted()
        let before = try names.map { try mapped.values($0) }
        #expect(truncate("\(folder)/\(name)", 1) == 0)
        #expect(try names.map { try copied.values($0) } == before)
    }

    /// From 4 GB on, sizes and places take 64 bits: here from a few hundred bytes on.
    @Test(arguments: [0xffff_ffff, 1000, 300, 1])
    func `an archive of any size is read by us and by zipfile`(_ wideFrom: Int) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let long = (0..<200).map { Float($0) }
        try NewFile.write("\(folder)/a.ckpt") { output in
            try TorchWriter.write(
                .named([
                    ("a", .tensor(TorchTensor([3, 4], a))), ("b", .tensor(TorchTensor([5], b))),
                    ("long", .tensor(TorchTensor([200], long))),
                ]), to: output, wideFrom: wideFrom)
        }
        let checkpoint = try Checkpoint(path: "\(folder)/a.ckpt")
        #expect(try checkpoint.values("a") == a && checkpoint.values("b") == b)
        #expect(try checkpoint.values("long") == long)
        let read = Shell.run(
            """
            python3 -c "
            import struct, zipfile
            with zipfile.ZipFile('a.ckpt') as z:
                assert z.testzip() is None
                names = z.namelist()
                assert names == ['archive/' + n for n in
                    ['data.pkl', 'byteorder', 'data/0', 'data/1', 'data/2', 'version']], names
                long = struct.unpack('<200f', z.read('archive/data/2'))
                assert list(long) == [float(i) for i in range(200)]
                assert z.read('archive/version') == b'3\\n'
                print(z.getinfo('archive/data/2').header_offset)"
            grep -c $'PK\\x06\\x06' a.ckpt
            """, in: folder)
        #expect(read.errors == "", "\(read.errors)")
        let isWide = read.text.hasSuffix("\n1")
        #expect(isWide == (wideFrom < 0xffff_ffff), "\(read.text)")
    }

    @Test(arguments: ["types.pt", "types.safetensors"])
    func `every element type becomes float32`(_ name: String) throws {
        let checkpoint = try Checkpoint(path: "\(folder)/\(name)")
        for type in ["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u8"] {
            #expect(try checkpoint.values(type) == (0..<12).map { Float($0) }, "\(type)")
        }
        #expect(try checkpoint.values("bool") == [0] + [Float](repeating: 1, count: 11))
        #expect(
            try checkpoint.values("f16_fine")
                == [5.9604645e-08, -2.9802322e-06, 65504, 0.099975586])
    }

    @Test(arguments: ["float8.pt", "types.safetensors"])
    func `8-bit floats`(_ name: String) throws {
        let checkpoint = try Checkpoint(path: "\(folder)/\(name)")
        #expect(try checkpoint.values("f8_e4m3") == [0.5, -448, 0.001953125])
        #expect(try checkpoint.values("f8_e5m2") == [0.5, -57344, 1.52587890625e-05])
    }

    @Test func `metadata of a safetensors header`() throws {
        let checkpoint = try Checkpoint(path: "\(folder)/types.safetensors")
        #expect(checkpoint.metadata == ["note": "quote \" and ü"])
    }

    @Test func `views: strides, offsets, shared storages, parameters, scalars`() throws {
        let checkpoint = try Checkpoint(path: "\(folder)/views.pt")
        let transposed = (0..<4).flatMap { c in (0..<3).map { r in a[r * 4 + c] } }
        #expect(try checkpoint.values("transposed") == transposed)
        #expect(try checkpoint.values("offset") == [7, 8, 9, 10, 11])
        #expect(
            try checkpoint.values("strided") == stride(from: 1, to: 40, by: 3).map { Float($0) })
        #expect(try checkpoint.values("shared") == (0..<40).map { Float($0) })
        #expect(
            try checkpoint.values("middle")
                == [5, 7, 9, 10, 12, 14, 25, 27, 29, 30, 32, 34])
        #expect(try checkpoint.values("scalar") == [2.5])
        #expect(checkpoint.tensors["empty"]?.shape == [0, 3])
        #expect(try checkpoint.values("parameter") == a)
    }

    @Test(arguments: [
        ("legacy.pt", "old format"), ("bare.pkl", "bare pickle"), ("make_fixtures.py", "text"),
        ("nothing-here", "No such file"), ("", "regular file"),
    ])
    func `other files are refused with the reason`(_ name: String, _ reason: String) {
        let error = #expect(throws: CheckpointError.self) {
            try Checkpoint(path: "\(folder)/\(name)")
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(reason))
    }

    @Test(arguments: ["legacy.pt", "legacy_python2.pt"])
    func `the format before 1.6 is read where it is asked for`(_ name: String) throws {
        let checkpoint = try Checkpoint(path: "\(folder)/\(name)", allowingLegacy: true)
        #expect(checkpoint.tensors.keys.sorted() == ["a", "b"])
        #expect(try checkpoint.values("a") == a && checkpoint.values("b") == b)
        #expect(throws: CheckpointError.self) { try Checkpoint(path: "\(folder)/\(name)") }
    }

    @Test func `Reference: nothing that a pickle asks for is executed`() throws {
        // Unpickled by Python, this file makes the folder /tmp/vidtwin-was-here.
        let checkpoint = try Checkpoint(path: "\(folder)/evil.pt")
        #expect(try checkpoint.tensors.keys.sorted() == ["a"] && checkpoint.values("a") == a)
        #expect(access("/tmp/vidtwin-was-here", F_OK) != 0)
    }

    @Test func `element types that PyTorch's files do not have yet`() throws {
        let rows: [(String, [UInt8], [Float])] = [
            ("U16", little(UInt16(65535)) + little(UInt16(1)), [65535, 1]),
            ("U32", little(UInt32(1 << 24)) + little(UInt32(7)), [16_777_216, 7]),
            ("U64", little(UInt64(1 << 40)) + little(UInt64(0)), [1_099_511_627_776, 0]),
            ("F8_E8M0", [0, 128], [0x1p-127, 2]),
        ]
        for (type, bytes, values) in rows {
            let header =
                "{\"x\":{\"dtype\":\"\(type)\",\"shape\":[2],\"data_offsets\":[0,\(bytes.count)]}}"
            #expect(try open(safeTensors(header, bytes)).values("x") == values, "\(type)")
        }
    }

    @Test func `an empty file and a Git LFS pointer are named as such`() {
        for (bytes, reason) in [
            ([], "empty"), (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "LFS"),
        ] {
            let error = #expect(throws: CheckpointError.self) { try open(bytes) }
            #expect("\(error.map { "\($0)" } ?? "")".contains(reason))
        }
    }

    @Test(arguments: ["protocol2.pt", "deflated.pt"])
    func `a flipped byte in a weight is found`(_ name: String) throws {
        let intact = Fixtures.bytes("\(folder)/\(name)")
        let reference = try open(intact)
        var found = 0
        for at in intact.indices {
            var bytes = intact
            bytes[at] ^= 0x10
            guard let damaged = try? open(bytes), damaged.tensors == reference.tensors else {
                found += 1
                continue
            }
            do {
                // What still opens must still have the right values.
                #expect(try damaged.values("a") == a, "byte \(at)")
                #expect(try damaged.values("b") == b, "byte \(at)")
            } catch is CheckpointError { found += 1 }
        }
        #expect(found > intact.count / 8, "only \(found) of \(intact.count) flips were noticed")
    }

    @Test func `NaN and infinity among the weights are refused by name`() throws {
        let header = #"{"bad":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#
        for value in [Float.nan, .infinity] {
            let checkpoint = try open(
                safeTensors(header, [1, value, 2].flatMap { little($0.bitPattern) }))
            let error = #expect(throws: CheckpointError.self) { try checkpoint.values("bad") }
            #expect("\(error.map { "\($0)" } ?? "")".contains("bad"))
        }
    }

    @Test(arguments: [
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,12]}}"#, "12"),
        (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "within 12"),
        (#"{"a":{"dtype":"F33","shape":[3],"data_offsets":[0,12]}}"#, "dtype"),
        (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[12,0]}}"#, "offsets"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, "gap"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "end of the file"),
        (
            #"{"a":{"dtype":"F32","shape":[4611686018427387904,16],"data_offsets":[0,12]}}"#,
            "shape"
        ),
        (#"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,12]}}"#, "63 bits"),
        (#"{"a":{"dtype":"F32","shape":[3]}}"#, "data_offsets"),
        (#"{"a":{"dtype":"F32","dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#, "once"),
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#,
            "once"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            "overlap"
        ),
        (#"{"a":[[[[[[[["#, "\"{\""), (#"{"a"#, "quote"), ("{}x", "end of the header"),
        (#"{"a\ud800":1}"#, "surrogate"),
    ])
    func `a safetensors header that lies is refused`(_ header: String, _ reason: String) {
        let error = #expect(throws: CheckpointError.self) {
            try open(safeTensors(header, [UInt8](repeating: 0, count: 12)))
        }
        let text = "\(error.map { "\($0)" } ?? "")"
        #expect(text.contains(reason), "\(header): \(text)")
    }

    @Test func `a header length beyond the file is refused`() {
        for length: UInt64 in [0, 1, 100, 1 << 32, .max] {
            let bytes = little(length) + Array("{}          ".utf8)
            if length == 12 { continue }
            #expect(throws: CheckpointError.self, "\(length)") { try open(bytes) }
        }
    }

    @Test(arguments: [
        "protocol2.pt", "protocol4.pt", "deflated.pt", "zip64.pt", "lightning.ckpt",
        "types.safetensors", "views.pt", "legacy.pt", "legacy_python2.pt",
    ])
    func `mutated files load or are refused, and never trap`(_ name: String) {
        let intact = Fixtures.bytes("\(folder)/\(name)")
        var random = SplitMix64(seed: UInt64(name.utf8.count))
        let extremes: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0x80], [0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0],
            [UInt8](repeating: 0xff, count: 8),
        ]
        let before = residentKilobytes()
        for round in 0..<3000 {
            var bytes = intact
            switch round % 4 {
            case 0:
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            case 1:
                for _ in 0..<8 {
                    bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << random.next() % 8)
                }
            case 2:
                let extreme = extremes[Int(random.next() % UInt64(extremes.count))]
                let at = Int(random.next() % UInt64(bytes.count - 8))
                bytes.replaceSubrange(at..<at + extreme.count, with: extreme)
            default:
                bytes.removeLast(Int(random.next() % UInt64(bytes.count - 1)) + 1)
            }
            load(bytes)
        }
        let grown = residentKilobytes() - before
        // Other tests run beside this one, so the bound is wide; a lie about sizes asks for more.
        #expect(grown < 1_500_000, "peak resident memory grew by \(grown) kB")
    }

    @Test(arguments: ["protocol2.pt", "types.safetensors", "legacy.pt", "legacy_python2.pt"])
    func `files cut at every byte are refused`(_ name: String) {
        let intact = Fixtures.bytes("\(folder)/\(name)")
        for count in 0..<intact.count {
            #expect(throws: CheckpointError.self, "\(count) bytes") {
                try open(Array(intact.prefix(count)))
            }
        }
    }
}

// MARK: - Files made here

private func safeTensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
    little(UInt64(header.utf8.count)) + Array(header.utf8) + data
}

private func little<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
}

/// Opens bytes as a file.
private func open(_ bytes: [UInt8]) throws -> Checkpoint {
    let folder = Fixtures.temporaryFolder()
    let path = "\(folder)/file"
    Fixtures.write(bytes, to: path)
    defer {
        unlink(path)
        rmdir(folder)
    }
    return try Checkpoint(path: path, allowingLegacy: true)
}

/// Opens bytes and reads everything that is there, if it is a file at all.
private func load(_ bytes: [UInt8]) {
    guard let checkpoint = try? open(bytes) else { return }
    for (name, info) in checkpoint.tensors where info.shape.reduce(1, *) < 1 << 20 {
        _ = try? checkpoint.values(name)
    }
}

private func residentKilobytes() -> Int {
    var usage = rusage()
    getrusage(0, &usage)  // RUSAGE_SELF
    return usage.ru_maxrss
}

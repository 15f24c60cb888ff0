import Glibc
import LatentIO
import TensorFiles
import Testing
import VidTwinTestSupport

private func info(_ first: Int) -> LatentInfo {
    LatentInfo(
        firstFrame: first, validFrames: 2, stride: 16, rate: "25", timeBase: "1/25", pts: [0, 1],
        lastDuration: 1, width: 4, height: 3, pixelFormat: "rgb24", colorSpace: 2, colorRange: 0,
        sampleAspect: "1/1", fit: "crop", configSHA256: "c", checkpointSHA256: "d", latents: "mean",
        seed: nil, layout: "vidtwin", vtfilter: "0")
}

private func samples() -> [LatentSample] {
    var random = SplitMix64(seed: 1)
    return (0..<3).map { i in
        LatentSample(
            key: "clip_00000\(i)", info: info(16 * i),
            arrays: [
                "structure": NPYArray(shape: [2, 3], values: random.floats(6)),
                "dynamics": NPYArray(shape: [5], values: random.floats(5)),
            ])
    }
}

/// Bytes as a stream of their own.
private func reader(_ bytes: [UInt8], start: Int = 0) -> (LatentReader, Int32) {
    let folder = Fixtures.temporaryFolder()
    defer { Fixtures.remove(folder) }
    Fixtures.write(Array(bytes.dropFirst(start)), to: "\(folder)/tar")
    let descriptor = open("\(folder)/tar", O_RDONLY)
    return (
        LatentReader(descriptor: descriptor, place: "tar", start: Array(bytes.prefix(start))),
        descriptor
    )
}

private func written(_ type: LatentType = .f32) throws -> [UInt8] {
    let folder = Fixtures.temporaryFolder()
    defer { Fixtures.remove(folder) }
    let descriptor = open("\(folder)/tar", O_RDWR | O_CREAT, 0o600)
    defer { close(descriptor) }
    let writer = LatentWriter(descriptor: descriptor, place: "tar", type: type)
    for sample in samples() { try writer.write(sample) }
    try writer.finish()
    return Fixtures.bytes("\(folder)/tar")
}

private func readAll(_ bytes: [UInt8], start: Int = 0) -> (
    samples: [LatentSample], error: LatentError?
) {
    let (reader, descriptor) = reader(bytes, start: start)
    defer { close(descriptor) }
    var samples: [LatentSample] = []
    do throws(LatentError) {
        while let sample = try reader.next() { samples.append(sample) }
        return (samples, nil)
    } catch {
        return (samples, error)
    }
}

@Suite struct `Latent streams` {
    @Test(arguments: [0, 1, 512, 700])
    func `what is written is read back, also when its start was read before`(_ start: Int) throws {
        let (found, error) = readAll(try written(), start: start)
        #expect(error == nil && found.map(\.key) == samples().map(\.key))
        for (a, b) in zip(found, samples()) {
            #expect(a.info == b.info && a.arrays == b.arrays)
        }
    }

    @Test func `half precision keeps eleven bits`() throws {
        let (found, _) = readAll(try written(.f16))
        for (a, b) in zip(found, samples()) {
            let (x, y) = (a.arrays["structure"]?.values ?? [], b.arrays["structure"]?.values ?? [])
            #expect(x.count == 6 && zip(x, y).allSatisfy { abs($0 - $1) <= abs($1) * 0x1p-11 })
        }
        let edges: [Float] = [0, -0.0, 65504, 65519, 65520, 6e-8, 2e-8, 0x1p-14, .infinity]
        let array = try NPYArray(
            NPYArray(shape: [9], values: edges).encoded(as: .float16)[...], place: "x")
        #expect(
            array.values == [0, 0, 65504, 65504, .infinity, 0x1p-24, 0, 0x1p-14, .infinity])
    }

    @Test func `a stream cut anywhere leaves whole samples`() throws {
        let bytes = try written()
        let whole = samples()
        let sampleBytes = (bytes.count - 1024) / 3
        for count in stride(from: 0, to: bytes.count - 1024, by: 97) {
            let (found, error) = readAll(Array(bytes.prefix(count)))
            #expect(
                found.count >= count / sampleBytes && found.count <= count / sampleBytes + 1,
                "\(count) of \(sampleBytes) bytes: \(found.count) samples")
            #expect(found.map(\.key) == whole.prefix(found.count).map(\.key))
            if count % 512 != 0 { #expect(error != nil, "\(count) bytes") }
        }
    }

    /// Archives that were packed again by name have the JSON between the arrays.
    @Test func `a sample cut within an array is not whole, though its JSON is there`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(try written(), to: "\(folder)/in")
        let (input, output) = (
            open("\(folder)/in", O_RDONLY), open("\(folder)/out", O_WRONLY | O_CREAT, 0o600)
        )
        defer { for descriptor in [input, output] { close(descriptor) } }
        var tar = TarReader(Descriptor(input, place: "in"))
        var members: [(name: String, bytes: [UInt8])] = []
        while let member = try tar.next() {
            members.append((member.name, try tar.contents(of: member, limit: 1 << 20)))
        }
        members.sort { $0.name < $1.name }
        try TarWriter(Descriptor(output, place: "out")).write(members)
        let bytes = Fixtures.bytes("\(folder)/out")
        let array = try #require(members.last)
        try #require(array.name.hasSuffix(".structure.npy") && array.bytes.count < 512)
        for count in [1, array.bytes.count - 1, array.bytes.count, 512] {
            let (found, error) = readAll(Array(bytes.dropLast(512 - count)))
            #expect(found.count == (count < array.bytes.count ? 2 : 3), "\(count) bytes")
            #expect(found.allSatisfy { $0.arrays.count == 2 })
            #expect(error != nil)
        }
    }

    @Test func `mutated streams are read or refused, and never trap`() throws {
        let bytes = try written()
        var random = SplitMix64(seed: 3)
        for _ in 0..<2000 {
            var mutated = bytes
            for _ in 0..<3 {
                mutated[Int(random.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            _ = readAll(mutated)
        }
    }

    @Test(arguments: [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "nonsense",
    ])
    func `arrays of other kinds are refused`(_ header: String) {
        let bytes =
            [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
            + [UInt8](repeating: 0, count: 8)
        #expect(throws: LatentError.self) { try NPYArray(bytes[...], place: "x") }
    }
}

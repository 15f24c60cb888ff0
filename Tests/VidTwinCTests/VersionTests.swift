import CVidTwin
import Testing
import VidTwinC

/// A structure as version 1.0 had it, and as 1.1 may have it.
private struct Options10 {
    var size = MemoryLayout<Options10>.stride
    var first: Int64 = 1
}
private struct Options11: VersionedStructure {
    static let sizes = [16, 32]
    var size = MemoryLayout<Options11>.stride
    var first: Int64 = 1
    var second: Int64 = 2
    var third: Int64 = 3
}

@Suite struct `Structures that grow` {
    /// `body` with memory that holds the structure and says when more than its size is written.
    private func withMemory(_ size: Int, _ body: (UnsafeMutablePointer<Options11>) throws -> Void)
        rethrows
    {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: size + 64, alignment: 16)
        defer { raw.deallocate() }
        raw.initializeMemory(as: UInt8.self, repeating: 0x5a, count: size + 64)
        try body(raw.assumingMemoryBound(to: Options11.self))
        for at in size..<size + 64 { #expect(raw.load(fromByteOffset: at, as: UInt8.self) == 0x5a) }
    }

    @Test func `a caller of an older version gets what it knows, and its options are taken`() throws
    {
        try withMemory(16) { memory in
            try Options11().write(to: memory, size: 16)
            let older = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Options10.self)
            #expect(older.pointee.size == 16 && older.pointee.first == 1)
            older.pointee.first = 9
            let read = try Options11.read(memory)
            #expect(read.first == 9 && read.second == 2 && read.third == 3)
            older.pointee.first = 0
            try Options11().fill(memory)
            #expect(older.pointee.size == 16 && older.pointee.first == 1)
        }
    }

    @Test func `a caller of the same or a later version`() throws {
        for size in [32, 40, 4096] {
            try withMemory(size) { memory in
                try Options11(third: 7).write(to: memory, size: size)
                #expect(memory.pointee.size == size && memory.pointee.third == 7)
                #expect(try Options11.read(memory).third == 7)
                if size == 32 { return }
                let last = UnsafeMutableRawPointer(memory).advanced(by: size - 1)
                #expect(last.load(as: UInt8.self) == 0)
                last.storeBytes(of: 1, as: UInt8.self)
                let error = #expect(throws: (any Error).self) { try Options11.read(memory) }
                #expect("\(error.map { "\($0)" } ?? "")".contains("later version"))
            }
        }
    }

    @Test(arguments: [0, 1, 8, 15, 17, 24, 31, 4097, -1, Int.min])
    func `sizes that no version has are refused, and nothing is written`(_ size: Int) {
        withMemory(0) { memory in
            #expect(throws: (any Error).self) { try Options11().write(to: memory, size: size) }
        }
        withMemory(8) { memory in
            UnsafeMutableRawPointer(memory).storeBytes(of: size, as: Int.self)
            #expect(throws: (any Error).self) { try Options11.read(memory) }
            #expect(throws: (any Error).self) { try Options11().fill(memory) }
        }
    }
}

import Glibc
import Testing
import VidTwinTestSupport

import TensorFiles

@Suite struct FolderNamesTests {
    @Test func `names are bytes, in their order`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let names: [[UInt8]] = [
            Array(".hidden".utf8), Array("b".utf8), Array("ä".utf8), [0x61, 0xff],
            [UInt8](repeating: 0xfe, count: 255),
        ]
        for name in names {
            let path = "\(folder)/\(String(pathBytes: name))"
            close(path.withPathBytes { open($0, O_CREAT | O_WRONLY, 0o600) })
        }
        #expect(
            try FolderNames.names(in: folder).map(\.pathBytes)
                == names.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(throws: StreamError.self) { try FolderNames.names(in: "\(folder)/b") }
        #expect(throws: StreamError.self) { try FolderNames.names(in: "\(folder)/none") }
    }
}

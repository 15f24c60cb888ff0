import Glibc
import TensorFiles
import Testing
import VidTwinTestSupport

private let nothing: [FileIdentity] = []

private func text(_ path: String) -> String {
    String(decoding: Fixtures.bytes(path), as: UTF8.self)
}

private func names(_ folder: String) -> [String] {
    Shell.run("ls -A", in: folder).text.split(separator: "\n").map(String.init)
}

private func write(_ text: String, to path: String, overwrite: Bool = false) throws {
    try NewFile(path, overwrite: overwrite, inputs: nothing).write(Array(text.utf8))
}

@Suite struct `New files` {
    @Test func `what a killed process left is removed, and nothing that one writes`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let (left, foreign) = ("\(folder)/.vidtwin-abc.tmp", "\(folder)/.other-abc.tmp")
        for path in [left, foreign] { Fixtures.write([1, 2, 3], to: path) }
        symlink(foreign, "\(folder)/.vidtwin-link.tmp")
        let first = try NewFile("\(folder)/a", overwrite: false, inputs: [])
        #expect(access(left, F_OK) != 0 && access(foreign, F_OK) == 0)
        let second = try NewFile("\(folder)/b", overwrite: false, inputs: [])
        try second.write([2])
        try first.write([1])
        #expect(Fixtures.bytes("\(folder)/a") == [1] && Fixtures.bytes("\(folder)/b") == [2])
        #expect(access("\(folder)/.vidtwin-link.tmp", F_OK) == 0, "a link is nobody's leftover")
    }

    @Test func `a file has its name when it is complete, and nothing is left of one that is not`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let file = try NewFile("\(folder)/a", overwrite: false, inputs: nothing)
        try file.open().write(Array("one".utf8))
        #expect(access("\(folder)/a", F_OK) != 0 && names(folder).count == 1)
        try file.finish()
        #expect(text("\(folder)/a") == "one" && names(folder) == ["a"])
        try NewFile("\(folder)/b", overwrite: false, inputs: nothing).abandon()
        _ = try NewFile("\(folder)/c", overwrite: false, inputs: nothing)
        let file2 = try NewFile("\(folder)/d", overwrite: false, inputs: nothing)
        // As a signal does by `removeUnfinished`, which takes those of other tests, too: that is tested where
        // it ends a process of its own.
        unlink("\(folder)/\(names(folder).first { $0.hasSuffix(".tmp") } ?? "")")
        #expect(names(folder) == ["a"])
        #expect(throws: NewFileError.self) { try file2.finish() }
    }

    @Test func `what is there is refused, also when it came meanwhile`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let late = try NewFile("\(folder)/a", overwrite: false, inputs: nothing)
        try write("first", to: "\(folder)/a")
        #expect(throws: NewFileError.self) { try write("second", to: "\(folder)/a") }
        #expect(throws: NewFileError.self) { try late.write([1]) }
        #expect(text("\(folder)/a") == "first" && names(folder) == ["a"])
        chmod("\(folder)/a", 0o640)
        try write("third", to: "\(folder)/a", overwrite: true)
        var status = stat()
        #expect(stat("\(folder)/a", &status) == 0 && status.st_mode & 0o777 == 0o640)
        #expect(text("\(folder)/a") == "third")
    }

    @Test func `links stay links, and what they name is written`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        mkdir("\(folder)/other", 0o700)
        symlink("other/real", "\(folder)/a")
        symlink("\(folder)/a", "\(folder)/b")
        try write("dangling", to: "\(folder)/b")
        #expect(text("\(folder)/other/real") == "dangling")
        #expect(throws: NewFileError.self) { try write("no", to: "\(folder)/b") }
        try write("again", to: "\(folder)/a", overwrite: true)
        #expect(text("\(folder)/other/real") == "again")
        #expect(names(folder) == ["a", "b", "other"] && names("\(folder)/other") == ["real"])
        symlink("loop", "\(folder)/loop")
        #expect(throws: NewFileError.self) { try write("no", to: "\(folder)/loop") }
        #expect(throws: NewFileError.self) { try write("no", to: "\(folder)/other/") }
        #expect(throws: NewFileError.self) { try write("no", to: "\(folder)/none/x") }
    }

    @Test func `inputs are refused under every name`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write([1], to: "\(folder)/in")
        link("\(folder)/in", "\(folder)/hard")
        symlink("in", "\(folder)/soft")
        let input = try #require(FileIdentity(path: "\(folder)/in"))
        for name in ["in", "hard", "soft", "../\(folder.split(separator: "/").last ?? "")/in"] {
            let error = #expect(throws: NewFileError.self) {
                try NewFile("\(folder)/\(name)", overwrite: true, inputs: [input])
            }
            #expect("\(error.map { "\($0)" } ?? "")".contains("the output is the input"))
        }
    }

    @Test func `pipes, devices and descriptors are written into`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/pipe"
        mkfifo(path, 0o600)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        try write("through", to: path)
        var bytes = [UInt8](repeating: 0, count: 100)
        #expect(read(reader, &bytes, bytes.count) == 7)
        try write("gone", to: "/dev/null")
        var status = stat()
        #expect(lstat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        let descriptor = open("\(folder)/open", O_RDWR | O_CREAT, 0o600)
        defer { close(descriptor) }
        try write("one", to: "/dev/fd/\(descriptor)")
        symlink("/proc/self/fd/\(descriptor)", "\(folder)/link")
        try write("two", to: "\(folder)/link")
        #expect(text("\(folder)/open") == "onetwo")
        #expect(names(folder) == ["link", "open", "pipe"])
    }

    @Test func `waiting for a reader that does not come, or does not read, can be ended`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/pipe"
        mkfifo(path, 0o600)
        var wake: [Int32] = [0, 0]
        #expect(pipe(&wake) == 0)
        let file = try NewFile(path, overwrite: false, inputs: nothing, wake: wake[0])
        Glibc.write(wake[1], [1], 1)
        #expect(throws: NewFileError.self) { try file.open() }
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let error = #expect(throws: StreamError.self) {
            try file.open().write([UInt8](repeating: 0, count: 1 << 20))
        }
        guard case .cancelled = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func `the longest names can be written`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let name = String(repeating: "n", count: 255)
        try write("long", to: "\(folder)/\(name)")
        #expect(names(folder) == [name])
    }
}

@Suite struct `Paths` {
    @Test func `the bytes of a name come back, whatever they are`() {
        var random = SplitMix64(seed: 3)
        for _ in 0..<2000 {
            let bytes = (0..<Int(random.next() % 12)).map { _ in UInt8(random.next() % 255 + 1) }
            #expect(String(pathBytes: bytes).pathBytes == bytes, "\(bytes)")
        }
        let plain = "ä 視頻 👩‍🚀.mp4"
        #expect(String(pathBytes: plain.utf8) == plain)
        // What the escapes themselves are in UTF-8.
        let escape: [UInt8] = [0xf4, 0x8f, 0xbf, 0xbf]
        #expect(String(pathBytes: escape).pathBytes == escape)
        #expect(String(pathBytes: [0x61, 0xff]).visible == "a\\xff")
    }

    @Test func `foreign text is one line without anything that a terminal obeys`() {
        let text = "a\u{1b}]52;c;eA==\u{7}\n\u{9b}31m\u{202e}gpj.exe\u{2066}\t\u{feff}ä👩‍🚀"
        let visible = text.visible
        #expect(
            visible
                == "a\\u{1b}]52;c;eA==\\u{7}\\n\\u{9b}31m\\u{202e}gpj.exe\\u{2066}\\t\\u{feff}ä👩‍🚀")
        #expect("x\n\u{1b}y".visibleLines == "x\n\\u{1b}y")
        #expect("\"\u{202e}\u{9b}\"".visibleJSON == "\"\\u202e\\u009b\"")
    }
}
